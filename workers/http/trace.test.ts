import { describe, expect, it } from "vitest";
import { readTrace, readTraceparent, traceHeaders } from "./trace.ts";

const PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

const trace = (headers: Record<string, string>) => readTrace("c", (name) => headers[name]);

describe("trace context", () => {
  it.each([
    [PARENT, PARENT],
    [undefined, null],
    ["", null],
    [PARENT.toUpperCase(), null],
    ["00-00000000000000000000000000000000-00f067aa0ba902b7-01", null],
    ["00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", null],
    [`${PARENT}-more`, null],
    [`ff${PARENT.slice(2)}`, null],
  ])("%s is read as %s", (header, read) => {
    expect(readTraceparent(header)).toBe(read);
  });

  it("is passed on as it came, with the correlation id", () => {
    expect(traceHeaders(trace({ traceparent: PARENT, tracestate: "a=1" }))).toEqual({
      "X-Correlation-ID": "c",
      traceparent: PARENT,
      tracestate: "a=1",
    });
    expect(traceHeaders(trace({ tracestate: "a=1" }))).toEqual({ "X-Correlation-ID": "c" });
    expect(trace({ traceparent: PARENT, tracestate: "x".repeat(513) }).tracestate).toBeNull();
  });
});
