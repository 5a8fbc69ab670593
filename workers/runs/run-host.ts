/** What the parts of the engine ask of it. */
import type { NewEvent } from "./event-log.ts";
import type { LiveRuns } from "./live-runs.ts";
import type { ResourceKind } from "./ports.ts";
import type { Results } from "./results.ts";
import type { LiveRun, Resource } from "./store-types.ts";
import type { RunEvent, StoredResult } from "./types.ts";

export interface RunHost {
  readonly runs: LiveRuns;
  readonly results: Results;
  /** Attempts under way in this process. */
  readonly inFlight: number;
  kind(resource: Resource): ResourceKind;
  /** Runs `body` as one transaction, then performs what it decided. */
  commit<T>(body: (now: number) => T): T;
  /** Tells a run of one event, in a commit of its own. */
  tell(live: LiveRun, event: RunEvent): void;
  /** The rest is to be called inside a commit. */
  drive(live: LiveRun, first: RunEvent, now: number): void;
  append(resource: Resource, run: number, event: NewEvent): void;
  conclude(live: LiveRun, result: StoredResult | null): void;
  afterCommit(action: () => void): void;
  /** The run that a report is about, as it is now; null when its resource was deleted. */
  subject(of: { readonly live: LiveRun }): LiveRun | null;
}
