/** A session: the HTTP server that clients talk to, as `dagger session` opens it. */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import process from "node:process";
import { z } from "zod";
import type { SessionContext } from "./context.ts";
import type { Engine } from "./engine.ts";
import type { Moment } from "./faults.ts";
import { header, isAuthorized, listen, readJson, sendJson, sendText } from "./http.ts";
import { Progress } from "./progress.ts";
import { type Answer, answerQuery, errorAnswer } from "./query.ts";
import { SecretStore } from "./secrets.ts";
import { streamFeed } from "./sse.ts";
import {
  exportLogsRequest,
  exportTraceRequest,
  newTrace,
  parseTraceparent,
  Telemetry,
} from "./telemetry.ts";

export interface SessionOptions {
  /** Where relative host paths begin; the process's working directory by default. */
  readonly hostDirectory?: string;
  /** Gets the text of the progress. */
  readonly writeProgress?: (text: string) => void;
}

export interface Session {
  readonly port: number;
  readonly token: string;
  /** What a client needs in its environment to use this session. */
  readonly environment: Readonly<Record<string, string>>;
  /** Kills what the session executes, sends the rest of the logs and ends all connections. */
  close(): Promise<void>;
}

const bodySchema = z.object({ query: z.string(), variables: z.unknown().optional() });

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export async function openSession(engine: Engine, options: SessionOptions = {}): Promise<Session> {
  const token = randomUUID();
  const closing = new AbortController();
  const ends = AbortSignal.any([closing.signal, engine.death]);
  const context: SessionContext = {
    secrets: new SecretStore(),
    telemetry: new Telemetry(),
    progress: new Progress(options.writeProgress),
    hostDirectory: options.hostDirectory ?? process.cwd(),
  };
  const { logs, spans } = context.telemetry;
  const handlers: Readonly<Record<string, Handler>> = {
    "POST /query": queryHandler(engine, context, ends),
    "GET /v1/logs": (request, response) =>
      streamFeed(response, {
        ...{ feed: logs, name: "logs", wrap: exportLogsRequest, ends },
        last: header(request, "x-last-event-id"),
        isCut: (sentEvents) => engine.faults.takeLogCut(sentEvents),
      }),
    "GET /v1/traces": (request, response) =>
      streamFeed(response, {
        ...{ feed: spans, name: "spans", wrap: exportTraceRequest, ends },
        last: header(request, "x-last-event-id"),
        isCut: () => false,
      }),
  };

  const pending = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://dagger");
    const handle = handlers[`${request.method} ${pathname}`];
    if (!isAuthorized(request, token)) {
      response.setHeader("www-authenticate", 'Basic realm="Access to the Dagger engine session"');
      sendText(response, 401, "");
    } else if (engine.death.aborted) {
      sendText(response, 502, badGateway("connection refused"));
    } else if (handle === undefined) {
      sendText(response, 404, "404 page not found\n");
    } else {
      const handling = handle(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error(String(error)));
      });
      pending.add(handling);
      handling.finally(() => pending.delete(handling));
    }
  });
  const port = await listen(server);
  return {
    ...{ port, token },
    environment: { DAGGER_SESSION_PORT: String(port), DAGGER_SESSION_TOKEN: token },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      closing.abort();
      await Promise.all(pending);
      await engine.execs.ended();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** What the CLI says when its engine does not answer. */
function badGateway(cause: string): string {
  return `http do: Post "http://dagger/query": ${cause}`;
}

function queryHandler(engine: Engine, session: SessionContext, ends: AbortSignal): Handler {
  // Requests without a trace of their own belong to the session's.
  const trace = newTrace();

  const answerRequest = async (
    request: IncomingMessage,
    client: AbortSignal,
    reached: (moment: Moment) => void,
  ): Promise<Answer> => {
    const body = bodySchema.safeParse(await readJson(request));
    if (!body.success) {
      return errorAnswer(400, [{ message: "json request body could not be decoded" }]);
    }
    return answerQuery(body.data.query, {
      ...{ engine, session, reached },
      signal: AbortSignal.any([ends, client]),
      trace: parseTraceparent(header(request, "traceparent")) ?? trace,
    });
  };

  return async (request, response) => {
    const client = new AbortController();
    response.once("close", () => client.abort());
    const reached = (moment: Moment): void => {
      if (engine.faults.kills(moment)) engine.die();
      if (engine.faults.takeDrop(moment)) request.socket.destroy();
    };
    reached("query");
    // A client that goes while it sends is no error of the session.
    const answer = await answerRequest(request, client.signal, reached).catch((error: unknown) => {
      if (!request.socket.destroyed) throw error;
      return null;
    });
    if (answer === null) return;
    if (engine.death.aborted) sendText(response, 502, badGateway("EOF"));
    else if (ends.aborted) response.destroy();
    else sendJson(response, answer.status, answer.body, () => engine.faults.takeDrop("response"));
  };
}
