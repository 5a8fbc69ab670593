/** What one of the two protocols brings with it, for the server that speaks both. */
import type { IncomingHttpHeaders } from "node:http";
import type { Reply } from "./reply.ts";

export interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly message: string;
  readonly code?: string | undefined;
}

/** A request that has passed the checks. */
export interface Accepted {
  readonly model: string;
  readonly stream: boolean;
  /** The body, as far as its shape is known. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Protocol {
  readonly name: "anthropic" | "openai";
  readonly path: string;
  /** Why the API would refuse a request; null when it would not. */
  refuse(headers: IncomingHttpHeaders, body: unknown, apiKey: string): Refusal | null;
  /** The events of a stream, each as it is on the wire. */
  events(reply: Reply, request: Accepted, number: number): readonly string[];
  /** The reply in one piece. */
  whole(reply: Reply, request: Accepted, number: number): object;
  errorBody(refusal: Refusal, number: number): object;
  /** An error inside a stream. */
  errorEvent(type: string, message: string): string;
}
