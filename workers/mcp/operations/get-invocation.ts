import { z } from "zod";
import { idSchema } from "../../http/schemas.ts";
import { invocationSchema } from "../../skills/invocation-schemas.ts";
import { toInvocation } from "../../skills/invocation-view.ts";
import { defineOperation, READS } from "../operation.ts";
import { awaitEnd, waitField } from "../waiting.ts";

export const getInvocation = defineOperation({
  name: "pipelzr_get_invocation",
  title: "Get an invocation of a skill",
  description:
    "Reads an invocation of a skill with its outputs, or waits for its end up to `wait_seconds`.",
  scope: "skills:read",
  annotations: READS,
  input: z.strictObject({
    invocation_id: idSchema.describe("Id of the invocation."),
    wait_seconds: waitField(0),
  }),
  output: invocationSchema.pick({
    id: true,
    slug: true,
    version: true,
    state: true,
    waiting_for: true,
    success: true,
    inputs: true,
    outputs: true,
    error: true,
    error_code: true,
    stdout: true,
    stderr: true,
    created_at: true,
    started_at: true,
    completed_at: true,
    duration_ms: true,
  }),
  async run({ principal, services: { invocations } }, { invocation_id, wait_seconds }) {
    let found = await invocations.get(principal, invocation_id);
    const { run, resource } = found.snapshot;
    if (wait_seconds > 0 && run !== null && run.completed_at === null) {
      const after = resource.changed_seq;
      const source = await invocations.events(principal, invocation_id, run.run, after);
      await awaitEnd(source, wait_seconds * 1000);
      found = await invocations.get(principal, invocation_id);
    }
    return { output: toInvocation(found.snapshot, found.outputs) };
  },
});
