/**
 * How neighbours are called: JSON over HTTP, within a time and a size. What they answer is sorted
 * into what a courier does about it. Their addresses are the operator's own, so that they may be
 * private; redirects are followed to the same host alone.
 */
import type { z } from "zod";
import type { Json } from "../http/json.ts";
import { traceHeaders } from "../http/trace.ts";
import type { OutboxMessage } from "./message.ts";
import type { Outcome } from "./target.ts";

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
const MAX_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);
const SHOWN_CHARS = 300;

export interface NeighbourOptions {
  /** Its address, without a path. */
  readonly url: string;
  /** What it is called in messages. */
  readonly name: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The longest that a call may take; ten seconds unless said. */
  readonly timeout_ms?: number;
}

export interface NeighbourRequest {
  readonly method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  /** Path and query. */
  readonly path: string;
  readonly body?: Json;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface NeighbourAnswer {
  readonly status: number;
  /** The JSON that was answered; null for nothing, and for what is none. */
  readonly body: unknown;
}

/** Why a call came to nothing, and what is to be done about it. */
export class NeighbourFailed extends Error {
  /** `target`: it cannot be reached, or does not work now. `entity`: it refuses this call. */
  readonly scope: "target" | "entity";
  readonly retry_after_ms: number | null;
  /** It would be refused again. */
  readonly is_final: boolean;
  /** Null when nothing was answered. */
  readonly status: number | null;

  constructor(
    message: string,
    failure: Partial<Pick<NeighbourFailed, "retry_after_ms" | "is_final" | "status">> & {
      scope: NeighbourFailed["scope"];
    },
  ) {
    super(message);
    this.name = "NeighbourFailed";
    this.scope = failure.scope;
    this.retry_after_ms = failure.retry_after_ms ?? null;
    this.is_final = failure.is_final ?? false;
    this.status = failure.status ?? null;
  }
}

/** The failure of a delivery that was broken off by one of a call. */
export function failureOf(error: unknown, through = 0): Outcome {
  if (!(error instanceof NeighbourFailed)) throw error;
  const { message, scope, retry_after_ms, is_final } = error;
  return { status: "failed", through, error: message, scope, retry_after_ms, is_final };
}

/** What tells a receiver which request a message goes back to: the resource itself, for none. */
export function correlationOf({
  trace,
  resource_id,
}: Pick<OutboxMessage, "trace" | "resource_id">): Readonly<Record<string, string>> {
  return trace === null ? { "X-Correlation-ID": resource_id } : traceHeaders(trace);
}

export class Neighbour {
  readonly #options: NeighbourOptions;

  constructor(options: NeighbourOptions) {
    this.#options = options;
  }

  /** Any answer below 400, and 404. Throws `NeighbourFailed` for every other. */
  async call(request: NeighbourRequest): Promise<NeighbourAnswer> {
    const { name } = this.#options;
    const response = await this.#send(request);
    const { status } = response;
    const text = await readText(response, name);
    const body = parsed(text);
    if (status < 400 || status === 404) {
      if (body === undefined && status !== 404) {
        throw new NeighbourFailed(
          `${name} answered ${status} with what is not JSON: ${shown(text)}`,
          { scope: "entity", status },
        );
      }
      return { status, body: body ?? null };
    }
    const what = `${name} answered ${request.method} ${request.path} with ${status}: ${shown(text)}`;
    const retry_after_ms = retryAfter(response);
    if (status === 429 || status === 503 || status === 502 || status === 504) {
      throw new NeighbourFailed(what, { scope: "target", status, retry_after_ms });
    }
    if (status === 401 || status === 403) {
      throw new NeighbourFailed(`${what} Look at its credentials.`, { scope: "target", status });
    }
    // A fault of its own with this call, which others may not have.
    if (status >= 500) throw new NeighbourFailed(what, { scope: "entity", status, retry_after_ms });
    throw new NeighbourFailed(what, { scope: "entity", status, is_final: status !== 408 });
  }

  /** An answer of a shape; throws `NeighbourFailed` for another. */
  async read<Schema extends z.ZodType>(
    request: NeighbourRequest,
    schema: Schema,
  ): Promise<z.output<Schema>> {
    const { status, body } = await this.call(request);
    const read = schema.safeParse(body);
    if (read.success) return read.data;
    const { name } = this.#options;
    throw new NeighbourFailed(
      `${name} answered ${request.method} ${request.path} with ${status} and another shape than it documents: ${shown(JSON.stringify(body) ?? "")}`,
      { scope: "entity", status },
    );
  }

  async #send({ method, path, body, headers, signal }: NeighbourRequest): Promise<Response> {
    const { url: base, name, timeout_ms = TIMEOUT_MS } = this.#options;
    const first = new URL(path, base);
    let url = first;
    const timeout = AbortSignal.timeout(timeout_ms);
    const init = {
      method,
      redirect: "manual",
      headers: {
        Accept: "application/json",
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...this.#options.headers,
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    } as const;
    try {
      for (let redirects = 0; ; redirects += 1) {
        const response = await fetch(url, init);
        const to = response.headers.get("location");
        if (!REDIRECTS.has(response.status) || to === null) return response;
        await response.body?.cancel();
        url = new URL(to, url);
        if (url.host === first.host && redirects < MAX_REDIRECTS) continue;
        throw new NeighbourFailed(
          `${name} redirects to ${url.host}, where it is not followed. Set its address to where it is.`,
          { scope: "target", status: response.status },
        );
      }
    } catch (error) {
      if (error instanceof NeighbourFailed) throw error;
      const why = timeout.aborted
        ? `did not answer within ${timeout_ms / 1000} s`
        : `cannot be reached (${error instanceof Error ? error.message : String(error)})`;
      throw new NeighbourFailed(`${name} at ${first.host} ${why}.`, { scope: "target" });
    }
  }
}

async function readText(response: Response, name: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of response.body ?? []) {
      size += piece.byteLength;
      if (size > MAX_ANSWER_BYTES) {
        throw new NeighbourFailed(`${name} answered with more than ${MAX_ANSWER_BYTES} bytes.`, {
          scope: "entity",
          status: response.status,
        });
      }
      pieces.push(piece);
    }
  } catch (error) {
    if (error instanceof NeighbourFailed) throw error;
    throw new NeighbourFailed(`${name} broke its answer off.`, { scope: "target" });
  }
  return Buffer.concat(pieces).toString();
}

/** Undefined for what is no JSON; null for nothing. */
function parsed(text: string): unknown {
  if (text === "") return null;
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

function shown(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= SHOWN_CHARS ? line : `${line.slice(0, SHOWN_CHARS).toWellFormed()}…`;
}

/** What `Retry-After` asks for in ms, whether it says seconds or a date; null for nothing. */
export function retryAfter({ headers }: Pick<Response, "headers">): number | null {
  const value = headers.get("retry-after");
  if (value === null) return null;
  const seconds = Number(value);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, 3_600_000) : null;
}
