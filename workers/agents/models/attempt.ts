/** One call of a provider, which ends when its caller wants no more of it, or when it falls silent. */
import { ModelError } from "./port.ts";
import type { Endpoint } from "./providers.ts";

export class Attempt {
  readonly #upstream = new AbortController();
  readonly #interrupted = Promise.withResolvers<never>();
  readonly #caller: AbortSignal;
  readonly #endpoint: Endpoint;
  readonly #stallMs: number;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(caller: AbortSignal, endpoint: Endpoint, stallMs: number) {
    this.#caller = caller;
    this.#endpoint = endpoint;
    this.#stallMs = stallMs;
    // Nobody may be waiting when it is interrupted.
    this.#interrupted.promise.catch(() => undefined);
    caller.addEventListener("abort", this.#onAbort, { once: true });
    if (caller.aborted) this.#onAbort();
  }

  /** Ends the call. */
  get signal(): AbortSignal {
    return this.#upstream.signal;
  }

  /** The outcome of something that the provider is to do; throws once the attempt is interrupted. */
  async wait<T>(outcome: PromiseLike<T>): Promise<T> {
    this.#arm();
    try {
      return await Promise.race([outcome, this.#interrupted.promise]);
    } finally {
      this.#disarm();
    }
  }

  /** As global `fetch`, of an answer that must be a stream of events, each byte of which is a sign of life. */
  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    // A key is not taken along to where a server sends us.
    const response = await fetch(input, { ...init, redirect: "manual" });
    this.#touch();
    if (!response.ok || response.body === null) return response;
    const type = response.headers.get("content-type") ?? "";
    if (type !== "" && !type.startsWith("text/event-stream")) {
      await response.body.cancel();
      throw this.#notAStream(type);
    }
    const observed = new TransformStream<Uint8Array, Uint8Array>({
      transform: (bytes, controller) => {
        this.#touch();
        controller.enqueue(bytes);
      },
    });
    return new Response(response.body.pipeThrough(observed), response);
  };

  /** Ends the call, if it has not ended. */
  close(): void {
    this.#disarm();
    this.#caller.removeEventListener("abort", this.#onAbort);
    this.#upstream.abort();
  }

  readonly #onAbort = (): void => {
    this.#interrupt(new ModelError("model_aborted", "The model's step was stopped by its caller."));
  };

  #interrupt(error: ModelError): void {
    this.#interrupted.reject(error);
    this.#upstream.abort(error);
  }

  /** Only while something is awaited: a slow reader is no silence of the provider. */
  #touch(): void {
    if (this.#timer !== null) this.#arm();
  }

  #arm(): void {
    this.#disarm();
    this.#timer = setTimeout(() => this.#interrupt(this.#stalled()), this.#stallMs);
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #stalled(): ModelError {
    return new ModelError(
      "model_stalled",
      `${this.#endpoint.label} was silent for ${this.#stallMs / 1000} s; try it again, or raise MODEL_STALL_SECONDS for a model that is slow.`,
    );
  }

  #notAStream(type: string): ModelError {
    return new ModelError(
      "model_bad_response",
      `${this.#endpoint.label} answered with ${type} where a stream of events is due; check that ${this.#endpoint.variables.base_url} leads to the API.`,
    );
  }
}
