/** What the engine takes from above: the kinds of resource it runs, and the executors. */
import type { AttemptBackend, DetachedRef, DetachedType, Dispatch } from "../executors/detached.ts";
import type { Call, Caller, Executor, Json, TaskType, Work } from "../executors/port.ts";
import type { Issue } from "../http/errors.ts";
import type { Placement } from "./address.ts";
import type { CodebasePorts, MountedCodebase, NamedCodebase } from "./codebases.ts";
import type { Actions } from "./explain.ts";
import type { InvocationOrder, NamedSkill, NewResource, SkillPorts } from "./skills.ts";
import type { Resource, RunSummary } from "./store-types.ts";
import type { RunPlan, RunState, StepError, Verdict } from "./types.ts";

/** What a kind may look at when it answers for a run. */
export interface RunView {
  readonly resource: Resource;
  /** The definition that the run was begun with, which later edits do not change. */
  readonly document: string;
  readonly run: number;
  readonly plan: RunPlan;
  readonly state: RunState;
  /** JSON text of what the run was started with; null for nothing. */
  readonly inputs: string | null;
  /** JSON text that takes the place of the `inputs` of one step, by the index of the step; null for none. */
  readonly step_inputs: { readonly step: number; readonly json: string } | null;
  /** JSON text of `Pins`; null for none. */
  readonly pins: string | null;
  /**
   * JSON text of a step's result; of a group, the array of its items' matrix values. Null when it
   * has none. Throws `ResultNotLoaded` when it lies in the blob store: the engine then loads it and
   * asks the kind again.
   */
  result(step: number): string | null;
  /** Size of a step's result in bytes of JSON, without loading it; 0 when it has none. */
  resultBytes(step: number): number;
}

/** A result has to be fetched before the question can be answered. */
export class ResultNotLoaded extends Error {
  readonly step: number;

  constructor(step: number) {
    super(`the result of step ${step} is not loaded`);
    this.name = "ResultNotLoaded";
    this.step = step;
  }
}

/** What an attempt has to do: code for an executor, a call, or a run of another resource. */
export type StepWork =
  | {
      readonly type: "work";
      readonly work: Work;
      /** Content address of the result and how long one may be reused; null without `cache`. */
      readonly cache: CacheRequest | null;
      /** Labels that a runner has to have. */
      readonly runs_on: readonly string[];
      /** Detached executors to try in turn while none has begun; empty for the one of the work. */
      readonly executors: readonly DetachedType[];
      /** Whose kept files go into the workspace, and into which folder of it; "" is its root. */
      readonly artifacts_from: readonly { readonly step: number; readonly path: string }[];
      /** What is mounted; null, or left out, for nothing. */
      readonly codebase?: MountedCodebase | null;
    }
  | {
      readonly type: "call";
      readonly call: Call;
      readonly cache: CacheRequest | null;
    }
  | {
      readonly type: "run";
      readonly child: ChildAddress;
      /** JSON text of the run's inputs. */
      readonly inputs: string;
      /** What is invoked, when the child is an invocation that is made for the step. */
      readonly invocation?: InvocationOrder | null;
      /** What the child is made of, when that is known without a look at anything else. */
      readonly made_of?: NewResource | null;
    };

export type CodeWork = Extract<StepWork, { type: "work" }>;

export interface CacheRequest {
  /** What the result depends on, by name; the key is their hash, and `explain` compares them. */
  readonly parts: Readonly<Record<string, string>>;
  /**
   * Of each step that files are taken from, what they are: the engine notes it when it has listed
   * them, and counts them among the parts. Null when they do not count.
   */
  readonly taken: Readonly<Record<string, TakenDigest>> | null;
  /** Null for no limit. */
  readonly ttl_ms: number | null;
}

/** What the files that one step kept are known by. */
export interface TakenDigest {
  readonly whole: string;
  /** Of each file by its path; null when the files are not told apart. */
  readonly files: Readonly<Record<string, string>> | null;
}

export interface Decision {
  readonly verdict: Verdict;
  /** The items' matrix values, for a verdict `expand`. */
  readonly items: readonly Json[];
}

export type Conclusion =
  | { readonly result: Json; readonly error: null }
  | { readonly result: null; readonly error: StepError };

/** The step cannot be begun with what the run has come to: its attempt fails with this. */
export class StepNotReady extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "StepNotReady";
    this.code = code;
  }
}

/** Whether a run may begin. */
export interface Admission {
  /** What is wrong with the inputs; paths are relative to them. */
  readonly issues: readonly Issue[];
  /** Whether a run may begin while another is live. */
  readonly concurrent: boolean;
}

/** Where the run of a step is; an agent is one in an object of its own kind. */
export interface ChildAddress {
  readonly resource_id: string;
  readonly placement: Placement | "agent";
}

/** One kind of resource that has runs. The engine never looks inside a document itself. */
export interface ResourceKind {
  plan(resource: Resource, document: string): RunPlan;
  /** Throws `StepNotReady`, and `ResultNotLoaded`. */
  work(view: RunView, step: number, epoch: number): StepWork;
  /** Whose run the dispatch of a step is; null for a step that is code, or a call. */
  child(view: RunView, step: number, epoch: number): ChildAddress | null;
  /** Whether a step with a condition, a matrix or a duration to be found out runs. */
  decide(view: RunView, step: number): Decision;
  /** The run's outputs, when its plan says that it concludes. */
  conclude(view: RunView): Conclusion;
  /** What an approval asks; null for nothing in particular. */
  question(view: RunView, step: number): string | null;
  /** What the resource is called. */
  nameOf(resource: Resource): string;
  /** What the run above is told of one that failed. */
  failureAbove(resource: Resource, run: number, error: StepError | null): StepError;
  /** Whether a step mounts a codebase. */
  mounts(view: Pick<RunView, "resource" | "document" | "plan" | "state">, step: number): boolean;
  /** The codebases that a run with these inputs, JSON text, has to be pinned to when it begins. */
  codebases(resource: Resource, inputs: string | null): readonly NamedCodebase[];
  /** The skills that its steps invoke, and a run has to be pinned to when it begins. */
  skills(resource: Resource): readonly NamedSkill[];
  readonly actions: Actions;
  /** Old documents are kept for the runs that were begun with them. */
  readonly versioned: boolean;
  /** Whether what a run comes to is its own outputs, or the result of its only step. */
  readonly result: "run" | "step";
  /** How many runs may be begun by `retry`. */
  maxRetries(resource: Resource): number;
  /** Whether a run may begin with these inputs, JSON text, as the newest definition says. */
  admit(resource: Resource, inputs: string | null): Admission;
  /** Ranks attempts that wait for a slot of the object; higher first. */
  priority(resource: Resource): number;
  /**
   * The row that lists are served from, as one JSON object; `upsertSql` reads it by json_each, with
   * a `wake_at` beside: when the object has something to do for it, null for not by itself.
   */
  row(resource: Resource, run: RunSummary | null): Record<string, unknown>;
  /** Takes a JSON array of rows as `?1` and applies those of a higher revision. */
  readonly upsertSql: string;
  /** Takes a JSON array of ids as `?1`. */
  readonly deleteSql: string;
}

/** Backends that carry attempts out elsewhere. */
export interface DetachedPorts {
  /** Why an executor cannot be used here at all; null when it can. */
  problem(type: DetachedType): string | null;
  /** How the coordinator of a kind of resource is found. */
  placement(kind: string): Placement;
  /** Hands a dispatch to the queue. */
  send(dispatch: Dispatch): Promise<void>;
  /** Names what work shares with other steps of its run, and its backend keeps for them; null for nothing. */
  shared(run: Pick<DetachedRef, "resource_id" | "run">, work: Work): string | null;
  /** The run has ended that it was kept for. */
  endShared(name: string): Promise<void>;
  /** The backend that claimed under this name. */
  backend(name: string): AttemptBackend;
}

export const ENDED_STATES = ["completed", "failed", "cancelled", "lost"] as const;
/** What a dispatch came to; one that was lost is dispatched again. */
export type EndedState = (typeof ENDED_STATES)[number];

/** Takes what figures are made of. */
export interface AttemptCounter {
  count(executor: TaskType, state: EndedState): void;
}

export interface EnginePorts {
  readonly kinds: Readonly<Record<string, ResourceKind>>;
  /** How many slotted runs may be under way at once in the deployment. */
  slots(env: Env): number;
  executors(env: Env, context: DurableObjectState): Partial<Record<TaskType, Executor>>;
  callers(env: Env): Readonly<Record<Call["via"], Caller>>;
  detached(env: Env): DetachedPorts;
  codebases(env: Env): CodebasePorts;
  skills(env: Env): SkillPorts;
  /** Of one object of the engine. */
  counter(env: Env): AttemptCounter;
}
