import { z } from "zod";
import { idSchema } from "../../http/schemas.ts";
import { toTask } from "../../tasks/view.ts";
import { defineOperation, READS } from "../operation.ts";
import { awaitEnd, waitField } from "../waiting.ts";
import { taskOutput } from "./task-output.ts";

export const getTask = defineOperation({
  name: "pipelzr_get_task",
  title: "Get a task",
  description:
    "Reads a task with what its newest run came to, or waits for that run's end up to `wait_seconds`.",
  scope: "tasks:read",
  annotations: READS,
  input: z.strictObject({
    task_id: idSchema.describe("Id of the task."),
    wait_seconds: waitField(0),
  }),
  output: taskOutput,
  async run({ principal, services: { tasks } }, { task_id, wait_seconds }) {
    let found = await tasks.get(principal, task_id);
    const { run, resource } = found.snapshot;
    if (wait_seconds > 0 && run !== null && run.completed_at === null) {
      const source = await tasks.events(principal, task_id, run.run, resource.changed_seq);
      await awaitEnd(source, wait_seconds * 1000);
      found = await tasks.get(principal, task_id);
    }
    return { output: toTask(found.snapshot, found.result) };
  },
});
