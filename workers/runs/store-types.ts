/** What the coordinator keeps of a resource and of its runs. Times are ms since 1970. */
import type { Waiting } from "../executors/detached.ts";
import type { RequestTrace } from "../http/trace.ts";
import type { Placement } from "./address.ts";
import type {
  CacheOrigin,
  RunPlan,
  RunState,
  RunStatus,
  StepError,
  StepState,
  StepStatus,
  StoredResult,
} from "./types.ts";

/** A thing that has runs: a task, a pipeline, or an invocation of a skill. `document` is its definition, the kind's own. */
export interface Resource {
  readonly id: string;
  readonly kind: string;
  readonly project_id: string;
  /** JSON text that the kind alone reads. */
  document: string;
  /** Rises with each edit of the document. */
  version: number;
  /** The newest run's number; 0 before the first. */
  run: number;
  retry_count: number;
  readonly created_at: number;
  updated_at: number;
  /** Seq of the newest event that lists have to show: the `revision` of the projection. */
  changed_seq: number;
}

/** What begins runs. A run of `cancel` was cancelled before there was one, one of `parent` is a step. */
export const TRIGGERS = ["start", "execute", "retry", "cancel", "parent"] as const;
export type Trigger = (typeof TRIGGERS)[number];

/** The step of another run that a run was begun by, and reports to. */
export interface ParentRef {
  readonly resource_id: string;
  readonly run: number;
  /** Index of the step in its run. */
  readonly step: number;
  readonly epoch: number;
  /** How many runs are above this one. */
  readonly depth: number;
  /** How the object above is found; by itself unless said. */
  readonly placement?: Placement;
}

/** What is stored of a run, its steps and results apart. */
export interface RunHead {
  readonly run: number;
  readonly trigger: Trigger;
  /** Who asked for it, as `kind:id`; of a step who asked for its pipeline. Null when nobody noted it. */
  readonly triggered_by: string | null;
  /** What ties it to the request that it goes back to; null when nobody noted it. */
  readonly trace: RequestTrace | null;
  readonly retry_of: number | null;
  /** The request that began the run, by which its repetition is recognised. */
  readonly request_id: string | null;
  readonly created_at: number;
  /** Version of the document that the run was begun with. */
  readonly version: number;
  /** Of each step of the plan, how many needs were open when the run was begun. */
  readonly open_needs: readonly number[];
  /** JSON text of the run's inputs; null for none. */
  readonly inputs: string | null;
  /** JSON text in place of the inputs of one step, by its index; null for none. */
  readonly step_inputs: { readonly step: number; readonly json: string } | null;
  /** JSON text of what the run is pinned to; null for nothing. */
  readonly pins: string | null;
  readonly parent: ParentRef | null;
  readonly state: RunState;
}

/** A run as the coordinator holds it in memory, from its begin or from recovery until it ends. */
export interface LiveRun extends RunHead {
  readonly resource: Resource;
  readonly document: string;
  readonly plan: RunPlan;
  /** Results that are not in the rows yet, and a task's, by step; null for an attempt without one. */
  readonly results: Map<number, StoredResult | null>;
  /** Kinds of event that its record may hold, so that a reader need not look for the others. */
  readonly recorded: Set<"stdout" | "stderr" | "artifact">;
  /** The call that began the run waits for its end. */
  readonly awaited: boolean;
}

export interface LogTail {
  readonly text: string;
  /** Bytes of the whole stream, of which `text` is the end. */
  readonly bytes: number;
}

export interface ArtifactSummary {
  /** Name of the step that kept it. */
  readonly step: string;
  readonly path: string;
  readonly bytes: number;
  /** Of its content, in hex; null for one stored by a version that computed none. */
  readonly sha256: string | null;
  /** The dispatch that stored it. */
  readonly epoch: number;
}

/** What a caller sees of one run; for a task its only step is folded in. */
export interface RunSummary {
  readonly run: number;
  readonly status: RunStatus;
  readonly trigger: Trigger;
  readonly triggered_by: string | null;
  readonly retry_of: number | null;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly completed_at: number | null;
  readonly cancel_requested_at: number | null;
  readonly attempt: number;
  readonly exit_code: number | null;
  readonly error: StepError | null;
  /** Version of the definition that the run was begun with. */
  readonly version: number;
  readonly parent: ParentRef | null;
  /** Steps by state; groups are counted by their items, and by themselves while they have none. */
  readonly counts: Readonly<Record<StepStatus, number>>;
  /** Steps whose result is an earlier run's. */
  readonly reused: number;
  /** Names of up to ten steps that failed. */
  readonly failed_steps: readonly string[];
}

/** All of a run but its results: what graphs and explanations are made of. */
export interface RunInspection {
  readonly resource: Resource;
  readonly summary: RunSummary;
  /** The definition that the run was begun with. */
  readonly document: string;
  /** JSON text of the run's inputs; null for none. */
  readonly inputs: string | null;
  /** JSON text of what it is pinned to; null for nothing. */
  readonly pins: string | null;
  readonly plan: RunPlan;
  /** `summary`'s run; its items stand behind the steps of the plan. */
  readonly state: RunState;
  /** Names of all steps by index: of an item `group[2]`. */
  readonly names: readonly string[];
  /** Place in the deployment's queue for pipeline slots, from 1; null when it waits for none. */
  readonly slot_position: number | null;
  /** What dispatches that have not started wait for, by step; of the first of them. */
  readonly queued: Readonly<Record<number, Waiting>>;
  /** What open approvals ask, by step; of the first of them, and where something is asked. */
  readonly questions: Readonly<Record<number, string>>;
}

/** One step with what it came to. */
export interface StepDetail {
  readonly index: number;
  readonly name: string;
  readonly state: StepState;
  /** JSON text of the matrix value of an item; null otherwise. */
  readonly matrix: string | null;
  readonly result: StoredResult | null;
  readonly stdout: LogTail | null;
  readonly stderr: LogTail | null;
  readonly artifacts: readonly ArtifactSummary[];
  readonly cache: CacheLookUp | null;
}

/** What a look-up in the step cache found; null for a step that was not looked up. */
export type CacheLookUp =
  | { readonly hit: true; readonly from: CacheOrigin }
  | {
      readonly hit: false;
      /** What was other than when the step's result was kept last; null when none was kept. */
      readonly differs: readonly string[] | null;
    };

/** What a retry would do, or has done: names of steps, items included. */
export interface RerunPlan {
  readonly run: number;
  readonly retry_of: number;
  readonly rerun: readonly string[];
  readonly reuse: readonly string[];
}

/** A resource with its newest run, as one answer to one call. */
export interface Snapshot {
  readonly resource: Resource;
  readonly run: RunSummary | null;
  readonly result: StoredResult | null;
  readonly stdout: LogTail | null;
  readonly stderr: LogTail | null;
  readonly artifacts: readonly ArtifactSummary[];
}

/** One row of the event log. `seq` rises by one within a resource. */
export interface EventRow {
  readonly seq: number;
  readonly run: number;
  readonly at: number;
  readonly type: string;
  /** A JSON object, as text. */
  readonly data: string;
}
