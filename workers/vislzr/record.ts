/** What has been heard of a resource and is to be told, and when it is looked at again. Pure. */
import type { OutboxMessage } from "../delivery/message.ts";
import type { EntityRecord } from "./ledger.ts";

/** A run that ends within this time is told once. */
export const YOUNG_MS = 1_000;
const FIRST_LOOK_MS = 5_000;
const LONGEST_LOOK_MS = 60_000;
const GROWTH = 1.5;

const RUN_BEGINS: ReadonlySet<string> = new Set(["run.queued", "run.started"]);
const RUN_ENDS: ReadonlySet<string> = new Set(["run.completed", "run.failed", "run.cancelled"]);
const GONE = "resource.deleted";

/** The record with what the messages say; null when there is nothing to tell. */
export function heard(
  record: EntityRecord | null,
  messages: readonly OutboxMessage[],
  wasTold: (run: number) => boolean,
  now: number,
): EntityRecord | null {
  const last = messages.at(-1);
  if (last === undefined) return record;
  const events = messages.flatMap(({ events: each }) => each);
  const begun = events
    .filter(({ type, run }) => run > 0 && (RUN_BEGINS.has(type) || RUN_ENDS.has(type)))
    .map(({ run }) => run);
  const runs = [...new Set([...(record?.runs ?? []), ...begun])].filter((run) => !wasTold(run));
  return {
    kind: last.topic,
    trace: last.trace ?? record?.trace ?? null,
    runs,
    live_since: runs.length === 0 ? null : (record?.live_since ?? now),
    looks: record?.looks ?? 0,
    is_gone: record?.is_gone === true || events.some(({ type }) => type === GONE),
    late: record?.late ?? null,
  };
}

/** How long what has only just begun is left alone, in ms; 0 when it is told now. */
export function patienceOf(
  { live_since, looks, is_gone }: EntityRecord,
  messages: readonly OutboxMessage[],
  now: number,
): number {
  if (live_since === null || looks > 0 || is_gone) return 0;
  if (messages.some(({ events }) => events.some(({ type }) => RUN_ENDS.has(type)))) return 0;
  return Math.max(0, live_since + YOUNG_MS - now);
}

/** When a run that lives is looked at again, after so many looks. */
export function lookAfterMs(looks: number): number {
  return Math.min(LONGEST_LOOK_MS, FIRST_LOOK_MS * GROWTH ** Math.max(0, looks - 1));
}
