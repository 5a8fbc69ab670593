/** What the engine takes from above: the kinds of resource it runs, and the executors. */
import type { Executor, TaskType, Work } from "../executors/port.ts";
import type { Resource, RunSummary } from "./store-types.ts";
import type { RunPlan } from "./types.ts";

/** A message for the neighbours, derived from one event. */
export interface OutboxMessage {
  readonly topic: string;
  readonly payload: unknown;
}

/** One kind of resource that has runs. The engine never looks inside `document` itself. */
export interface ResourceKind {
  plan(resource: Resource): RunPlan;
  work(resource: Resource, step: number): Work;
  /** How many runs may be begun by `retry`. */
  maxRetries(resource: Resource): number;
  /** Ranks attempts that wait for a slot of the object; higher first. */
  priority(resource: Resource): number;
  /** The row that lists are served from, as one JSON object; `upsertSql` reads it by json_each. */
  row(resource: Resource, run: RunSummary | null): Record<string, unknown>;
  /** Takes a JSON array of rows as `?1` and applies those of a higher revision. */
  readonly upsertSql: string;
  /** Takes a JSON array of ids as `?1`. */
  readonly deleteSql: string;
}

export interface EnginePorts {
  readonly kinds: Readonly<Record<string, ResourceKind>>;
  executors(env: Env, context: DurableObjectState): Partial<Record<TaskType, Executor>>;
}
