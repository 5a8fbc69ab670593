/** The HTTP of one conversation with an MCP server: guarded, and bounded in time and in size. */
import { ApiError } from "../../http/errors.ts";
import type { Outbound } from "../../security/outbound.ts";

const MEBIBYTE = 1024 * 1024;
/** How long a server that is no longer waited for can be told so. */
const FAREWELL_MS = 2_000;

export interface ExchangeLimits {
  readonly timeout_ms: number;
  /** Of all that the server answers, together. */
  readonly max_bytes: number;
  /** Given when nobody waits any more. */
  readonly signal: AbortSignal;
}

/** What the protocol's client takes for `fetch`. */
export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

export class Exchange {
  readonly #outbound: Outbound;
  readonly #ended = new AbortController();
  readonly #closed = new AbortController();
  #closing: ReturnType<typeof setTimeout> | undefined;
  readonly #maxBytes: number;
  #bytesLeft: number;
  /** Why the last message could not be sent; null when it could. */
  #refusal: ApiError | null = null;
  /** Of the answer to the last message; null before the first. */
  #answer: { readonly status: number; readonly type: string } | null = null;

  constructor(outbound: Outbound, { max_bytes }: ExchangeLimits) {
    this.#outbound = outbound;
    this.#maxBytes = max_bytes;
    this.#bytesLeft = max_bytes;
  }

  /** Given when the exchange is cut short; what the server is then still told goes through. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Why no message is answered, as far as HTTP can tell; null when it is not HTTP's doing. */
  get problem(): ApiError | null {
    if (this.#refusal !== null) return this.#refusal;
    return this.#answer === null ? null : answerProblem(this.#answer);
  }

  /**
   * What `body` comes to. Throws `ApiError` when the time is over, or too much was answered: at once,
   * whatever of the exchange still waits for an answer.
   */
  async run<Value>(
    body: (fetch: Fetch) => Promise<Value>,
    { timeout_ms, signal }: ExchangeLimits,
  ): Promise<Value> {
    const seconds = timeout_ms / 1000;
    const timer = setTimeout(
      () => this.#end(unavailable(`It has not answered within ${seconds} s.`)),
      timeout_ms,
    );
    const stop = () =>
      this.#end(new ApiError("conflict", "It was stopped. What it has done by then is not known."));
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const ended = new Promise<never>((_, reject) => {
      const fail = () => reject(this.signal.reason);
      if (this.signal.aborted) fail();
      else this.signal.addEventListener("abort", fail, { once: true });
    });
    try {
      return await Promise.race([ended, body((url, init) => this.#fetch(url, init))]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      if (!this.#closed.signal.aborted) {
        this.#closing = setTimeout(() => this.close(), FAREWELL_MS);
      }
    }
  }

  /** Ends what is still open of it; it closes by itself a moment after `run`. */
  close(): void {
    clearTimeout(this.#closing);
    this.#closed.abort();
  }

  #end(reason: ApiError): void {
    this.#ended.abort(reason);
  }

  async #fetch(url: string | URL, init: RequestInit = {}): Promise<Response> {
    const signals = [this.#closed.signal, ...(init.signal ? [init.signal] : [])];
    const request = new Request(url, {
      ...init,
      redirect: "manual",
      signal: AbortSignal.any(signals),
    });
    const isMessage = request.method === "POST";
    try {
      const response = await this.#outbound(request);
      if (isMessage) {
        const { status, headers } = response;
        this.#refusal = null;
        this.#answer = { status, type: headers.get("content-type") ?? "" };
      }
      return this.#bounded(response);
    } catch (error) {
      if (isMessage && error instanceof ApiError) this.#refusal = error;
      throw error;
    }
  }

  #bounded(response: Response): Response {
    if (response.body === null) return response;
    const counted = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        this.#bytesLeft -= chunk.byteLength;
        if (this.#bytesLeft >= 0) return controller.enqueue(chunk);
        const reason = tooLarge(this.#maxBytes);
        this.#end(reason);
        controller.error(reason);
      },
    });
    return new Response(response.body.pipeThrough(counted), response);
  }
}

const ENDPOINT = "Is the url that of its MCP endpoint?";

function answerProblem({ status, type }: { status: number; type: string }): ApiError | null {
  if (status === 401 || status === 403) {
    return unavailable(
      `It refuses the credentials (${status}). Correct the server's headers, or the secrets that they name.`,
    );
  }
  if (status >= 400) return unavailable(`It answers with status ${status}. ${ENDPOINT}`);
  if (status >= 300) {
    return unavailable(
      `It redirects to where its headers are not sent (${status}). Give the url that it leads to.`,
    );
  }
  if (status === 202 || /^(application\/json|text\/event-stream)\b/i.test(type)) return null;
  return unavailable(`It answers with "${type.slice(0, 100)}", which is no message. ${ENDPOINT}`);
}

function tooLarge(maxBytes: number): ApiError {
  return unavailable(
    `It answers with more than ${maxBytes / MEBIBYTE} MiB. Ask it for less, such as a page or a range.`,
  );
}

function unavailable(detail: string): ApiError {
  return new ApiError("unavailable", detail);
}
