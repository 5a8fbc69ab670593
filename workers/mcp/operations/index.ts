/** PIPELZR's own operations, in the order in which they are listed. */
import type { Operation } from "../operation.ts";
import { cancelPipelineRun } from "./cancel-pipeline-run.ts";
import { getInvocation } from "./get-invocation.ts";
import { getPipelineRun } from "./get-pipeline-run.ts";
import { getTask } from "./get-task.ts";
import { listCodebases } from "./list-codebases.ts";
import { listSkills } from "./list-skills.ts";
import { messageAgent } from "./message-agent.ts";
import { readCodeFile } from "./read-code-file.ts";
import { runTask } from "./run-task.ts";
import { searchCode } from "./search-code.ts";
import { startPipeline } from "./start-pipeline.ts";

export const OPERATIONS: readonly Operation[] = [
  runTask,
  getTask,
  startPipeline,
  getPipelineRun,
  cancelPipelineRun,
  searchCode,
  readCodeFile,
  listCodebases,
  listSkills,
  getInvocation,
  messageAgent,
];
