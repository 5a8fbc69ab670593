/** What was recorded of one run, while its events are in the object's rows. */
import type { LogFilter } from "./event-log.ts";
import type { RunStore } from "./store.ts";
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

/** The record of a run whose events are here. */
export function storedRecord(store: RunStore, resourceId: string, run: number): RunRecord {
  return {
    log: (filter) =>
      store.log.chunks(resourceId, run, filter).map((chunk) => ({
        bytes: chunk.bytes,
        text: () => store.log.text(resourceId, chunk.seq),
      })),
    events: (types) => store.log.ofType(resourceId, run, types),
  };
}
