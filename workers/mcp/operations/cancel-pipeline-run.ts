import { z } from "zod";
import { idSchema } from "../../http/schemas.ts";
import { neverRun } from "../../pipelines/run-service.ts";
import { defineOperation } from "../operation.ts";
import { pipelineRunOutput, readPipelineRun } from "./pipeline-output.ts";

export const cancelPipelineRun = defineOperation({
  name: "pipelzr_cancel_pipeline_run",
  title: "Cancel a run of a pipeline",
  description: "Stops a run that is live: nothing of it starts any more, and what runs is killed.",
  scope: "pipelines:execute",
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: false },
  input: z.strictObject({
    pipeline_id: idSchema.describe("Id of the pipeline."),
    run: z
      .int()
      .min(1)
      .optional()
      .describe("Number of the run; the newest that is live unless said."),
  }),
  output: pipelineRunOutput,
  async run(caller, { pipeline_id: id, run = null }) {
    const { principal, services } = caller;
    const { snapshot } = await services.pipelineRuns.cancel(principal, { id, run });
    if (snapshot.run === null) throw neverRun(id);
    return { output: await readPipelineRun(caller, id, snapshot.run.run) };
  },
});
