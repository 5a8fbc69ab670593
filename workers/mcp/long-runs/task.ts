/** Tasks that go on. */

import { taskAnswer, taskOutput } from "../operations/task-output.ts";
import { valueResult } from "../results.ts";
import { hasEnded, type LongRunKindPort } from "./long-run.ts";

export const taskRuns: LongRunKindPort = {
  scopes: { read: "tasks:read", act: "tasks:execute", decide: "tasks:execute" },

  async read({ principal, services }, { id }) {
    const found = await services.tasks.get(principal, id);
    const { resource, run } = found.snapshot;
    const status = run?.status ?? "queued";
    const { output, failed } = taskAnswer(found, { ms: 0, hands_over: false });
    return {
      status,
      created_at: resource.created_at,
      updated_at: resource.updated_at,
      message: `The task "${output.name}" is ${status} (${id}).`,
      questions: [],
      result: hasEnded(status)
        ? { ...valueResult(taskOutput.parse(output)), isError: failed ?? false }
        : null,
    };
  },

  async cancel({ principal, services }, { id }) {
    await services.tasks.cancel(principal, id);
  },

  // A task asks nothing.
  decide: () => Promise.resolve(),
};
