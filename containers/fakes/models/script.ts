/** What the fake is to answer, and what it was asked. */
import type { IncomingHttpHeaders } from "node:http";
import type { Protocol } from "./protocol.ts";
import { type Reply, type ReplyInput, replySchema } from "./reply.ts";

export interface RecordedRequest {
  /** From 1. */
  readonly number: number;
  readonly protocol: Protocol["name"];
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
  /** `aborted`: the client was gone before the reply was whole. */
  state: "open" | "answered" | "aborted";
}

/** Answers a request for which nothing is queued. */
export type Responder = (request: RecordedRequest) => ReplyInput | undefined;

export class Script {
  #queue: Reply[] = [];
  #requests: RecordedRequest[] = [];
  #count = 0;
  readonly #held = new Set<() => void>();
  readonly #responder: Responder;

  constructor(responder: Responder = () => undefined) {
    this.#responder = responder;
  }

  /** Has the next requests answered so, one after the other. */
  enqueue(...replies: readonly ReplyInput[]): void {
    this.enqueueParsed(replies.map((reply) => replySchema.parse(reply)));
  }

  enqueueParsed(replies: readonly Reply[]): void {
    this.#queue.push(...replies);
  }

  record(request: Omit<RecordedRequest, "number" | "state">): RecordedRequest {
    this.#count += 1;
    const recorded: RecordedRequest = { ...request, number: this.#count, state: "open" };
    this.#requests.push(recorded);
    return recorded;
  }

  /** What is queued, else what the responder says; null when that is nothing. */
  next(request: RecordedRequest): Reply | null {
    const queued = this.#queue.shift();
    if (queued !== undefined) return queued;
    const given = this.#responder(request);
    return given === undefined ? null : replySchema.parse(given);
  }

  get requests(): readonly RecordedRequest[] {
    return this.#requests;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Resolves once what is held may go on, or when `signal` aborts. */
  hold(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        this.#held.delete(go);
        resolve();
      };
      this.#held.add(go);
      signal.addEventListener("abort", go, { once: true });
    });
  }

  /** Lets go on what is held now. */
  release(): void {
    for (const go of this.#held) go();
  }

  /** Forgets what is queued and what was asked. */
  clear(): void {
    this.#queue = [];
    this.#requests = [];
    this.release();
  }
}
