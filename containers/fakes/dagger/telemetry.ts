/**
 * What a session tells of its commands: log records and spans, in the JSON form of OTLP that the engine
 * sends (that of protobuf: bytes as base64, 64-bit integers as text, zero values left out).
 */
import { randomBytes } from "node:crypto";

export interface Trace {
  /** Hexadecimal, as in a `traceparent` header. */
  readonly traceId: string;
  readonly spanId: string;
}

export function newSpanId(): string {
  return randomBytes(8).toString("hex");
}

export function newTrace(): Trace {
  return { traceId: randomBytes(16).toString("hex"), spanId: newSpanId() };
}

/** The trace of a request, or null when the header is missing or no valid one. */
export function parseTraceparent(header: string | undefined): Trace | null {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}/.exec(header ?? "");
  const [, traceId = "", spanId = ""] = match ?? [];
  return /[1-9a-f]/.test(traceId) && /[1-9a-f]/.test(spanId) ? { traceId, spanId } : null;
}

/** Rows that can be read again from any of them on, and waited for. */
export class Feed {
  readonly #rows: unknown[] = [];
  #wake = Promise.withResolvers<void>();

  push(row: unknown): void {
    this.#rows.push(row);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** Rows after the given one, of which the first is 1, in their order. */
  after(row: number, limit: number): readonly unknown[] {
    return this.#rows.slice(row, row + limit);
  }

  /** Resolves when another row has come. */
  get changed(): Promise<void> {
    return this.#wake.promise;
  }
}

const RESOURCE = {
  attributes: [attribute("service.name", { stringValue: "dagger-engine" })],
};
const SCOPE = { name: "dagger.io/engine.buildkit" };
const STREAM_NUMBERS = { stdout: "1", stderr: "2" };
export type StreamName = keyof typeof STREAM_NUMBERS;

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

function attribute(key: string, value: Attribute["value"]): Attribute {
  return { key, value };
}

function base64(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}

function nowUnixNano(): string {
  return `${Math.round((performance.timeOrigin + performance.now()) * 1_000)}000`;
}

export class Telemetry {
  readonly logs = new Feed();
  readonly spans = new Feed();

  /** One piece of a command's output. An empty one with `end` says that the stream is over. */
  log(trace: Trace, stream: StreamName, text: string, end = false): void {
    this.logs.push({
      timeUnixNano: nowUnixNano(),
      body: { stringValue: text },
      attributes: [
        attribute("stdio.stream", { intValue: STREAM_NUMBERS[stream] }),
        ...(end ? [attribute("stdio.eof", { boolValue: true })] : []),
      ],
      traceId: base64(trace.traceId),
      spanId: base64(trace.spanId),
    });
  }

  /** Begins the span of a command below the request's; the result ends it. */
  startExec(
    parent: Trace,
    span: Trace,
    digest: string,
  ): (exitCode: number, error?: string) => void {
    const common = {
      traceId: base64(span.traceId),
      spanId: base64(span.spanId),
      parentSpanId: base64(parent.spanId),
      name: "Container.withExec",
      kind: "SPAN_KIND_INTERNAL",
      startTimeUnixNano: nowUnixNano(),
      attributes: [attribute("dagger.io/dag.digest", { stringValue: digest })],
    };
    this.spans.push({ ...common, status: {} });
    return (exitCode, error) => {
      const exited = {
        timeUnixNano: nowUnixNano(),
        name: "Container exited",
        attributes: [attribute("exit.code", { intValue: String(exitCode) })],
      };
      this.spans.push({
        ...common,
        endTimeUnixNano: nowUnixNano(),
        events: [exited],
        status:
          error === undefined
            ? { code: "STATUS_CODE_OK" }
            : { code: "STATUS_CODE_ERROR", message: error },
      });
    };
  }
}

export function exportLogsRequest(logRecords: readonly unknown[]): unknown {
  return { resourceLogs: [{ resource: RESOURCE, scopeLogs: [{ scope: SCOPE, logRecords }] }] };
}

export function exportTraceRequest(spans: readonly unknown[]): unknown {
  return { resourceSpans: [{ resource: RESOURCE, scopeSpans: [{ scope: SCOPE, spans }] }] };
}
