/** The kinds of what goes on, by the names that ids of tasks have for them. */
import type { LongRunKind } from "../task-id.ts";
import { invocationRuns } from "./invocation.ts";
import type { LongRunKindPort } from "./long-run.ts";
import { pipelineRuns } from "./pipeline.ts";
import { taskRuns } from "./task.ts";

export const LONG_RUNS: Readonly<Record<LongRunKind, LongRunKindPort>> = {
  invocation: invocationRuns,
  task: taskRuns,
  pipeline: pipelineRuns,
};
