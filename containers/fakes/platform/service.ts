/**
 * What the fakes of the platform's services share: a server on this machine that answers as FastAPI
 * does (`detail` in errors, 307 for a slash too many or too few, 405 for a method that a path has
 * not), counts its calls, and misbehaves as it is told.
 *
 * Its own interface, on the same port: `PUT /__fault` (see `faults.ts`; null ends it), `GET /__calls`,
 * `PATCH /__state` for the switches of the service, `DELETE /__state` forgets everything; and what the
 * service shows of itself.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { Exchange, HttpError } from "../e2b/exchange.ts";
import { type FaultInput, Faults, faultSchema } from "./faults.ts";

const HOST = "127.0.0.1";

/** `status` 204 has no body. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
}

/** A refusal as FastAPI writes it. */
export function detail(status: number, message: unknown): Answer {
  return { status, body: { detail: message } };
}

export interface Asked {
  /** What stands for each `{name}` of the path. */
  readonly parameters: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  /** The body as JSON; undefined for none, and for what is none. */
  readonly body: unknown;
}

/** `GET /api/v1/projects/{id}` and what answers it. */
export type Routes = Readonly<Record<string, (asked: Asked) => Answer>>;

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
  /** Null when nothing was answered. */
  status: number | null;
}

export interface FakeService {
  readonly url: string;
  readonly port: number;
  readonly calls: readonly Call[];
  /** Calls by their method and path, such as `POST /api/v1/evidence`. */
  count(method: string, path: string): number;
  fault(fault: FaultInput | null): void;
  clear(): void;
  stop(): Promise<void>;
}

export interface ServiceSpec {
  readonly routes: Routes;
  /** Forgets what the service has. */
  readonly reset: () => void;
  /** Sets its switches; throws for what it does not know. */
  readonly configure?: (change: unknown) => void;
  /** What its own interface shows, by path. */
  readonly shown?: Readonly<Record<string, () => unknown>>;
  readonly port?: number;
}

interface Route {
  readonly method: string;
  readonly pattern: RegExp;
  readonly answer: (asked: Asked) => Answer;
}

class Server {
  readonly calls: Call[] = [];
  readonly faults = new Faults();
  readonly #spec: ServiceSpec;
  readonly #routes: readonly Route[];

  constructor(spec: ServiceSpec) {
    this.#spec = spec;
    this.#routes = Object.entries(spec.routes).map(([name, answer]) => {
      const [method = "", path = ""] = name.split(" ");
      const pattern = new RegExp(`^${path.replaceAll(/\{\w+\}/g, "([^/]+)")}$`);
      return { method, pattern, answer };
    });
  }

  clear(): void {
    this.calls.length = 0;
    this.faults.set(null);
    this.#spec.reset();
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = new Exchange(request, response);
    try {
      if (exchange.url.pathname.startsWith("/__")) await this.#control(exchange);
      else await this.#serve(exchange);
    } catch (error) {
      if (exchange.isDropped) return;
      const status = error instanceof HttpError ? error.status : 500;
      exchange.json(status, { detail: String(error) });
    }
  }

  async #serve(exchange: Exchange): Promise<void> {
    const { pathname, searchParams, search } = exchange.url;
    const { method, request } = exchange;
    const text = (await exchange.bytes()).toString("utf8");
    const body = parsed(text);
    const { headers } = request;
    const call: Call = { method, path: pathname, query: search, headers, body, status: null };
    this.calls.push(call);
    const fault = this.faults.meet(method, pathname);
    if (fault?.kind === "down") return exchange.drop();
    if (fault?.kind === "half_open") return;
    if (fault?.kind === "status") {
      const { status, retry_after_seconds: after } = fault;
      call.status = status;
      const extra = after === null ? {} : { "retry-after": String(after) };
      return exchange.json(status, { detail: "the fake was told to" }, extra);
    }
    if (fault?.kind === "slow") await sleep(fault.delay_ms);
    if (fault?.kind === "held") await this.faults.changed();
    const answer = this.#route(method, pathname, { query: searchParams, headers, body });
    if (fault?.kind === "cut") return exchange.drop();
    call.status = answer.status;
    if (fault?.kind === "malformed") {
      exchange.response.writeHead(answer.status, { "content-type": "application/json" });
      exchange.response.end('{"id": "half of an ans');
      return;
    }
    if (answer.status === 307) {
      exchange.response.writeHead(307, { location: `${String(answer.body)}${search}` }).end();
      return;
    }
    if (answer.body === undefined) exchange.empty(answer.status);
    else exchange.json(answer.status, answer.body);
  }

  #route(method: string, path: string, asked: Omit<Asked, "parameters">): Answer {
    const found = this.#matching(path);
    const route = found.find((each) => each.method === method);
    if (route !== undefined) {
      const parameters = (route.pattern.exec(path) ?? []).slice(1).map(decodeURIComponent);
      return route.answer({ ...asked, parameters });
    }
    if (found.length > 0) return detail(405, "Method Not Allowed");
    const other = path.endsWith("/") ? path.slice(0, -1) : `${path}/`;
    if (this.#matching(other).length > 0) return { status: 307, body: other };
    return detail(404, "Not Found");
  }

  #matching(path: string): readonly Route[] {
    return this.#routes.filter(({ pattern }) => pattern.test(path));
  }

  async #control(exchange: Exchange): Promise<void> {
    switch (`${exchange.method} ${exchange.url.pathname}`) {
      case "PUT /__fault":
        this.faults.set(await exchange.body(faultSchema.nullable()));
        return exchange.empty(204);
      case "GET /__calls":
        return exchange.json(200, this.calls);
      case "PATCH /__state":
        this.#spec.configure?.(await exchange.body(z.unknown()));
        return exchange.empty(204);
      case "DELETE /__state":
        this.clear();
        return exchange.empty(204);
      default: {
        const shown = exchange.method === "GET" && this.#spec.shown?.[exchange.url.pathname];
        if (shown) return exchange.json(200, shown());
        return exchange.json(404, { detail: "the fake has no such control" });
      }
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Starts a fake and resolves once it listens. */
export async function startFakeService(spec: ServiceSpec): Promise<FakeService> {
  const service = new Server(spec);
  const server = createServer((request, response) => void service.answer(request, response));
  server.listen(spec.port ?? 0, HOST);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://${HOST}:${port}`,
    port,
    calls: service.calls,
    count: (method, path) =>
      service.calls.filter((call) => call.method === method && call.path === path).length,
    fault: (fault) => service.faults.set(fault),
    clear: () => service.clear(),
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The 422 of a body that a schema refuses, with one entry a problem. */
export function unprocessable(error: z.ZodError): Answer {
  return detail(
    422,
    error.issues.map(({ path, message }) => ({
      type: "value_error",
      loc: ["body", ...path],
      msg: message,
    })),
  );
}
