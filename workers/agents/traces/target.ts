/** Sends the traces of turns that have ended to a collector. */
import { failureOf, Neighbour } from "../../delivery/neighbour.ts";
import type { Delivery, Outcome, Target } from "../../delivery/target.ts";
import { AGENT_KIND } from "../session/row.ts";
import { type Service, toOtlp } from "./otlp.ts";
import type { Span } from "./spans.ts";

const ENDED = "turn.ended";
const RETRY_DELAYS_MS = [1_000, 5_000, 30_000, 120_000, 600_000];

export interface TraceTargetPorts {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly service: Service;
  /** The spans of a turn; null when there is no such turn any more. */
  spans(agent: string, turn: number): Promise<Span[] | null>;
}

export function traceTarget({ url, headers, service, spans }: TraceTargetPorts): Target {
  const base = url.replace(/\/+$/, "");
  const { pathname } = new URL(base);
  const path = `${pathname === "/" ? "" : pathname}/v1/traces`;
  const collector = new Neighbour({ url: base, name: "The collector of traces", headers });
  return {
    parallel: 4,
    retry_delays_ms: RETRY_DELAYS_MS,
    wants: ({ topic, events }) => topic === AGENT_KIND && events.some(({ type }) => type === ENDED),
    entityOf: ({ resource_id }) => resource_id,
    async deliver({ entity, messages }: Delivery, signal): Promise<Outcome> {
      let through = 0;
      try {
        for (const { position, events } of messages) {
          for (const { type, data } of events) {
            if (type !== ENDED || typeof data.turn !== "number") continue;
            const found = await spans(entity, data.turn);
            if (found === null) continue;
            const body = JSON.parse(JSON.stringify(toOtlp(found, service)));
            await collector.call({ method: "POST", path, body, signal });
          }
          through = position;
        }
        return { status: "delivered", through };
      } catch (error) {
        return failureOf(error, through);
      }
    },
  };
}

/** Headers as OTEL_EXPORTER_OTLP_HEADERS has them: `name=value` pairs, percent-encoded, comma separated. */
export function readHeaders(text: string | null): Readonly<Record<string, string>> {
  const pairs = (text ?? "").split(",").flatMap((pair) => {
    const at = pair.indexOf("=");
    if (at < 1) return [];
    return [[pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())] as const];
  });
  return Object.fromEntries(pairs);
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
