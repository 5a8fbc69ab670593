/** A task as tools show it. */

import { type Task, taskSchema } from "../../tasks/schemas.ts";
import type { FoundTask } from "../../tasks/service.ts";
import { toTask } from "../../tasks/view.ts";
import type { Answer } from "../operation.ts";
import type { Wait } from "../waiting.ts";

export const taskOutput = taskSchema.pick({
  id: true,
  name: true,
  task_type: true,
  state: true,
  run: true,
  attempt: true,
  exit_code: true,
  error: true,
  error_code: true,
  result: true,
  stdout: true,
  stderr: true,
  stdout_bytes: true,
  stderr_bytes: true,
  artifact_files: true,
  created_at: true,
  started_at: true,
  completed_at: true,
  duration_ms: true,
});

/** Of a call that ran the task: a run that failed is an error of it. */
export function taskAnswer({ snapshot, result }: FoundTask, wait: Wait): Answer<Task> {
  const output = toTask(snapshot, result);
  const { id, run, state, completed_at } = output;
  const goes = run > 0 && completed_at === null;
  return {
    output,
    failed: state === "failed" || state === "cancelled",
    going: goes && wait.hands_over ? { kind: "task", id, run } : null,
  };
}
