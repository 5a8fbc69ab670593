/**
 * What the runner asks of anything that carries attempts out. A backend makes an executor for each
 * dispatch, since secrets and files come with the dispatch.
 */
import type { FileSetStore } from "../../../workers/executors/file-set.ts";
import type { Executor, SecretResolver, TaskType } from "../../../workers/executors/port.ts";

/** What comes with one dispatch. */
export interface AttemptDeps {
  readonly secrets: SecretResolver;
  readonly blobs: FileSetStore;
}

export interface Backend {
  readonly type: TaskType;
  /** Why attempts cannot be run yet, while the first probe has not ended. */
  readonly beginning: string;
  /** Says why attempts cannot be run now, and what to do about it; null when they can. */
  probe(): Promise<string | null>;
  /** An executor of `workers/executors/port.ts`, which passes the contract suite. */
  executor(deps: AttemptDeps): Executor;
}

/** The backends that this runner was started with. */
export type Backends = Readonly<Partial<Record<TaskType, Backend>>>;
