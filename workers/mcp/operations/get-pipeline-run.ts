import { z } from "zod";
import { idSchema } from "../../http/schemas.ts";
import { defineOperation, READS } from "../operation.ts";
import { awaitEnd, waitField } from "../waiting.ts";
import { pipelineRunOutput, readPipelineRun } from "./pipeline-output.ts";

export const getPipelineRun = defineOperation({
  name: "pipelzr_get_pipeline_run",
  title: "Watch a run of a pipeline",
  description:
    "Reads a run of a pipeline: its state, its outputs, and what each open step waits for. With `wait_seconds` the answer comes when the run has ended, or after that time.",
  scope: "pipelines:read",
  annotations: READS,
  input: z.strictObject({
    pipeline_id: idSchema.describe("Id of the pipeline."),
    run: z.int().min(1).optional().describe("Number of the run; the newest unless said."),
    wait_seconds: waitField(0),
  }),
  output: pipelineRunOutput,
  async run(caller, { pipeline_id: id, run = null, wait_seconds }) {
    const { principal, services } = caller;
    let found = await readPipelineRun(caller, id, run);
    if (wait_seconds > 0 && found.completed_at === null) {
      const ref = { id, run: found.run };
      const { resource } = await services.pipelineRuns.inspect(principal, ref);
      const source = await services.pipelineRuns.events(principal, ref, resource.changed_seq);
      await awaitEnd(source, wait_seconds * 1000);
      found = await readPipelineRun(caller, id, found.run);
    }
    return { output: found };
  },
});
