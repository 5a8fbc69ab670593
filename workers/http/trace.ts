/**
 * What ties together the calls that one request leads to, here and elsewhere: its correlation id, and
 * the W3C trace context that it was sent with.
 */

/** `00-<trace id>-<span id>-<flags>`; https://www.w3.org/TR/trace-context/#traceparent-header */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const MAX_TRACESTATE_CHARS = 512;

export interface RequestTrace {
  readonly correlation_id: string;
  /** Null when the request had none, or one that is not valid. */
  readonly traceparent: string | null;
  readonly tracestate: string | null;
}

/** Null for what is no trace context of version 00. */
export function readTraceparent(header: string | undefined): string | null {
  return header !== undefined && TRACEPARENT.test(header) ? header : null;
}

/** Reads what a request was sent with; a state without a valid parent says nothing. */
export function readTrace(
  correlationId: string,
  header: (name: string) => string | undefined,
): RequestTrace {
  const traceparent = readTraceparent(header("traceparent"));
  const state = header("tracestate") ?? "";
  const isUsable = traceparent !== null && state !== "" && state.length <= MAX_TRACESTATE_CHARS;
  return { correlation_id: correlationId, traceparent, tracestate: isUsable ? state : null };
}

/** The headers that a call is sent with which belongs to a request. */
export function traceHeaders({
  correlation_id,
  traceparent,
  tracestate,
}: RequestTrace): Readonly<Record<string, string>> {
  return {
    "X-Correlation-ID": correlation_id,
    ...(traceparent !== null && { traceparent }),
    ...(tracestate !== null && { tracestate }),
  };
}
