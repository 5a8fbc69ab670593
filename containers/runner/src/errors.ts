/** What can go wrong between the runner and the service, in words for whoever runs it. */
import { z } from "zod";

/** Ends the runner; the message says why and what to do. */
export class FatalError extends Error {
  override readonly name = "FatalError";
}

/** The dispatch is not wanted any more. */
export class FencedError extends Error {
  override readonly name = "FencedError";

  constructor() {
    super("The service does not want this dispatch any more.");
  }
}

/** A try to connect, or a request, that did not get through. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  /**
   * `unreachable`: no service answered; `blocked`: one did, but this way does not get through;
   * `refused`: it does not let this runner in.
   */
  readonly kind: "unreachable" | "blocked" | "refused";

  constructor(kind: ConnectError["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

const problemSchema = z.object({
  detail: z.string().optional(),
  title: z.string().optional(),
  code: z.string().optional(),
});

export interface Problem {
  readonly code: string | null;
  readonly message: string;
}

/** What an answer's problem document says, or what can be said without one. */
export function problemOf(status: number, body: string): Problem {
  let value: unknown = null;
  try {
    value = JSON.parse(body);
  } catch {
    // A proxy in between answers with a page of its own.
  }
  const { detail, title, code } = problemSchema.safeParse(value).data ?? {};
  return { code: code ?? null, message: detail ?? title ?? `The service answered ${status}.` };
}

/** Of an answer that is none of PIPELZR's, whose refusals say why. */
export function strangerRefused(status: number): string {
  return `It answered ${status} without PIPELZR's reasons: another service is there, or something before it wants credentials.`;
}

/** The innermost cause, such as ECONNREFUSED: fetch says only that it failed. */
export function causeOf(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  if (!(inner instanceof Error)) return String(inner);
  if (inner instanceof AggregateError && inner.errors.length > 0) return causeOf(inner.errors[0]);
  return inner.message || ("code" in inner ? String(inner.code) : inner.name);
}

/** What an answer that is no success means for a connection. */
export function connectErrorOf(status: number, body: string): ConnectError {
  const { code, message } = problemOf(status, body);
  if (status === 401 || status === 403) {
    return new ConnectError("refused", code === null ? strangerRefused(status) : message);
  }
  // Too many requests and failures of the service pass; anything else is about this way in.
  const kind = status === 429 || status >= 500 ? "unreachable" : "blocked";
  return new ConnectError(kind, message);
}
