/** Spans as OTLP/HTTP has them in JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
import { CONVENTIONS_URL } from "./conventions.ts";
import type { Span, SpanValue } from "./spans.ts";

const KINDS = { internal: 1, client: 3 } as const;
const OK = 1;
const ERROR = 2;
const NANOS_PER_MS = 1_000_000n;

export interface Service {
  readonly name: string;
  readonly version: string;
}

/** What the traces of a deployment are of. */
export function serviceOf({
  OTEL_SERVICE_NAME: name,
  APP_VERSION: version,
}: {
  readonly OTEL_SERVICE_NAME: string;
  readonly APP_VERSION: string;
}): Service {
  return { name, version };
}

export type OtlpTraces = ReturnType<typeof toOtlp>;

/** What has not ended is left out: a span is told once it has an end. */
export function toOtlp(spans: readonly Span[], service: Service) {
  return {
    resourceSpans: [
      {
        resource: {
          attributes: attributesOf({
            "service.name": service.name,
            "service.version": service.version,
          }),
        },
        scopeSpans: [
          {
            scope: { name: "pipelzr.agents", version: service.version },
            schemaUrl: CONVENTIONS_URL,
            spans: spans.flatMap((span) =>
              span.ended_at === null ? [] : [toSpan(span, span.ended_at)],
            ),
          },
        ],
      },
    ],
  };
}

function toSpan(span: Span, endedAt: number) {
  const { trace_id, span_id, parent_id, name, kind, started_at, attributes, error } = span;
  return {
    traceId: trace_id,
    spanId: span_id,
    ...(parent_id !== null && { parentSpanId: parent_id }),
    name,
    kind: KINDS[kind],
    startTimeUnixNano: nanos(started_at),
    // Times are in whole ms: what ends in the one that it begins in still lasts.
    endTimeUnixNano: nanos(Math.max(endedAt, started_at)),
    attributes: attributesOf(attributes),
    status: error === null ? { code: OK } : { code: ERROR, message: error },
  };
}

function nanos(ms: number): string {
  return String(BigInt(Math.round(ms)) * NANOS_PER_MS);
}

function attributesOf(attributes: Readonly<Record<string, SpanValue>>) {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: toValue(value) }));
}

function toValue(value: SpanValue) {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  }
  return { arrayValue: { values: value.map((text) => ({ stringValue: text })) } };
}
