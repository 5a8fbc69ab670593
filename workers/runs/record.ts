/** What was recorded of one run, wherever it lies: in the object's rows, or in the archive. */
import type { Archive } from "./archive.ts";
import { readData } from "./events.ts";
import type { LogFilter, RunStore, StoredRun } from "./store.ts";
import type { EventRow, LiveRun } from "./store-types.ts";

/** A piece of output: its size is known without reading it. */
export interface LogPiece {
  readonly bytes: number;
  text(): string;
}

export interface RunRecord {
  log(filter: LogFilter): readonly LogPiece[];
  /** Events of the given types, oldest first. */
  events(types: readonly string[]): readonly EventRow[];
}

const encoder = new TextEncoder();

export async function openRecord(
  store: RunStore,
  archive: Archive,
  resourceId: string,
  run: StoredRun,
): Promise<RunRecord> {
  if (run.archive === null) return storedRecord(store, resourceId, run.run);
  return archivedRecord(await archive.events(run.archive, 0, Number.POSITIVE_INFINITY));
}

/** The record of a run in memory, which knows of what kinds of event there are none. */
export function liveRecord(store: RunStore, live: LiveRun): RunRecord {
  const { recorded } = live;
  const record = storedRecord(store, live.resource.id, live.run);
  const silent = ({ stream }: LogFilter) =>
    (stream === "stdout" || stream === "stderr") && !recorded.has(stream);
  return {
    log: (filter) => (silent(filter) ? [] : record.log(filter)),
    events: (types) =>
      types.every((type) => type === "artifact.stored") && !recorded.has("artifact")
        ? []
        : record.events(types),
  };
}

function storedRecord(store: RunStore, resourceId: string, run: number): RunRecord {
  return {
    log: (filter) =>
      store.logChunks(resourceId, run, filter).map((chunk) => ({
        bytes: chunk.bytes,
        text: () => store.logText(resourceId, chunk.seq),
      })),
    events: (types) => store.eventsOfType(resourceId, run, types),
  };
}

function archivedRecord(events: readonly EventRow[]): RunRecord {
  const matches = (wanted: string | number | null | undefined, value: unknown) =>
    wanted === null || wanted === undefined || wanted === value;
  return {
    log: (filter) =>
      events
        .filter((event) => event.type === "log")
        .map(readData)
        .filter(
          (data) =>
            matches(filter.stream, data.stream) &&
            matches(filter.attempt, data.attempt) &&
            matches(filter.epoch, data.epoch),
        )
        .map((data) => {
          const text = String(data.text);
          return { bytes: encoder.encode(text).byteLength, text: () => text };
        }),
    events: (types) => events.filter((event) => types.includes(event.type)),
  };
}
