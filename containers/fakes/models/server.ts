/**
 * A fake of two model APIs on one port of this machine: Anthropic's Messages and OpenAI's chat
 * completions, streamed and whole. It checks requests as the APIs do, and answers what the test has
 * scripted. Not there: images, batches, caching, tools that the provider runs, rate limits of its own.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Exchange, HttpError } from "../e2b/exchange.ts";
import { acceptedSchema } from "./accepted.ts";
import { answerAdmin, isAdminPath } from "./admin.ts";
import { anthropic } from "./anthropic.ts";
import { openai } from "./openai.ts";
import type { Accepted, Protocol, Refusal } from "./protocol.ts";
import type { Fault, Reply, ReplyInput } from "./reply.ts";
import { type RecordedRequest, type Responder, Script } from "./script.ts";

export const FAKE_MODEL_KEY = "sk-fake-models-0000000000000000";
const HOST = "127.0.0.1";
const PROTOCOLS: readonly Protocol[] = [anthropic, openai];
const TRANSCRIPTS = new URL("./transcripts/", import.meta.url);
const EVENT_END = /(?<=\n\n)/;

export interface FakeModelsOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  readonly apiKey?: string;
  /** Models that exist; any does by default. */
  readonly models?: readonly string[];
  /** Answers what nothing is queued for. */
  readonly responder?: Responder;
}

export interface FakeModels {
  readonly url: string;
  readonly port: number;
  readonly apiKey: string;
  readonly requests: readonly RecordedRequest[];
  enqueue(...replies: readonly ReplyInput[]): void;
  /** Lets go on what a fault `hold` holds now. */
  release(): void;
  clear(): void;
  stop(): Promise<void>;
}

class Server {
  readonly #script: Script;
  readonly #apiKey: string;
  readonly #models: readonly string[] | null;

  constructor(script: Script, { apiKey = FAKE_MODEL_KEY, models }: FakeModelsOptions) {
    this.#script = script;
    this.#apiKey = apiKey;
    this.#models = models ?? null;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = new Exchange(request, response);
    try {
      await this.#route(exchange);
    } catch (error) {
      if (exchange.isDropped) return;
      if (response.headersSent) return exchange.drop();
      const status = error instanceof HttpError ? error.status : 500;
      exchange.json(status, { error: String(error) });
    }
  }

  async #route(exchange: Exchange): Promise<void> {
    const { pathname } = exchange.url;
    if (isAdminPath(pathname)) return answerAdmin(exchange, this.#script);
    // Servers like OpenAI's have it below paths of their own.
    const protocol = PROTOCOLS.find(({ path }) => pathname.endsWith(path));
    if (protocol === undefined || exchange.method !== "POST") {
      return exchange.json(404, { error: `the fake has no ${exchange.method} ${pathname}` });
    }
    const text = (await exchange.bytes()).toString("utf8");
    const recorded = this.#script.record({
      protocol: protocol.name,
      path: pathname,
      headers: exchange.request.headers,
      body: parsed(text),
    });
    exchange.response.once("close", () => {
      recorded.state = exchange.response.writableFinished ? "answered" : "aborted";
    });
    await this.#reply(exchange, protocol, recorded);
  }

  async #reply(exchange: Exchange, protocol: Protocol, recorded: RecordedRequest): Promise<void> {
    const { headers, body, number } = recorded;
    const refusal = protocol.refuse(headers, body, this.#apiKey) ?? this.#unknown(body);
    if (refusal !== null) return refuse(exchange, protocol, refusal, number);
    const reply = this.#script.next(recorded);
    if (reply === null) {
      const message = "the fake has no reply queued for this request";
      return refuse(
        exchange,
        protocol,
        { status: 400, type: "invalid_request_error", message },
        number,
      );
    }
    const request = acceptedSchema.parse(body);
    const { fault } = reply;
    if (fault?.kind === "status") {
      const type = fault.type ?? TYPES[fault.status] ?? "api_error";
      return refuse(exchange, protocol, { ...fault, type }, number, fault.headers);
    }
    if (fault?.kind === "redirect") {
      exchange.response.writeHead(307, { location: fault.location }).end();
      return;
    }
    if (fault?.kind === "content_type") {
      exchange.response.writeHead(200, { "content-type": fault.content_type }).end(fault.body);
      return;
    }
    if (request.stream) return this.#stream(exchange, protocol, request, reply, number);
    exchange.json(200, protocol.whole(reply, request, number));
  }

  #unknown(body: unknown): Refusal | null {
    const { model } = acceptedSchema.parse(body);
    if (this.#models === null || this.#models.includes(model)) return null;
    return {
      status: 404,
      type: "not_found_error",
      message: `model: ${model}`,
      code: "model_not_found",
    };
  }

  async #stream(
    exchange: Exchange,
    protocol: Protocol,
    request: Accepted,
    reply: Reply,
    number: number,
  ): Promise<void> {
    const { response } = exchange;
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const { fault } = reply;
    if (fault?.kind === "hold" && fault.after_events === null) await this.#script.hold(gone.signal);
    if (gone.signal.aborted) return;
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "request-id": `req_fake_${number}`,
    });
    response.flushHeaders();
    const events =
      reply.transcript === undefined
        ? protocol.events(reply, request, number)
        : (await readTranscript(reply.transcript)).split(EVENT_END);
    const at = fault !== undefined && "after_events" in fault ? fault.after_events : null;
    for (const [index, event] of events.entries()) {
      if (
        fault !== undefined &&
        index === at &&
        !(await this.#fail(exchange, protocol, fault, gone.signal))
      )
        return;
      await exchange.write(Buffer.from(event));
    }
    response.end();
  }

  /** Resolves with whether the stream goes on. */
  async #fail(
    exchange: Exchange,
    protocol: Protocol,
    fault: Fault,
    gone: AbortSignal,
  ): Promise<boolean> {
    switch (fault.kind) {
      case "hold":
        await this.#script.hold(gone);
        return !gone.aborted;
      case "malformed":
        await exchange.write(Buffer.from('data: {"type":"content_blo\n\n'));
        return true;
      case "error_event":
        await exchange.write(Buffer.from(protocol.errorEvent(fault.type, fault.message)));
        exchange.response.end();
        return false;
      case "cut":
        if (fault.breaks) exchange.drop();
        else exchange.response.end();
        return false;
      default:
        return true;
    }
  }
}

/** The types of Anthropic's errors, which others like. */
const TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  529: "overloaded_error",
};

function refuse(
  exchange: Exchange,
  protocol: Protocol,
  refusal: Refusal,
  number: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = protocol.errorBody(refusal, number);
  exchange.json(refusal.status, body, { "request-id": `req_fake_${number}`, ...headers });
}

/** The bytes of a file of `transcripts/`, such as `anthropic-text`. */
export const readTranscript = (name: string) =>
  readFile(new URL(`${name}.sse`, TRANSCRIPTS), "utf8");

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Starts a fake and resolves once it listens. */
export async function startFakeModels(options: FakeModelsOptions = {}): Promise<FakeModels> {
  const script = new Script(options.responder);
  const service = new Server(script, options);
  const server = createServer((request, response) => void service.answer(request, response));
  server.on("clientError", (_, socket) => socket.destroy());
  server.listen(options.port ?? 0, HOST);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://${HOST}:${port}`,
    port,
    apiKey: options.apiKey ?? FAKE_MODEL_KEY,
    get requests() {
      return script.requests;
    },
    enqueue: (...replies) => script.enqueue(...replies),
    release: () => script.release(),
    clear: () => script.clear(),
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
