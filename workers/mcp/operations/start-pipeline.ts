import { z } from "zod";
import { idSchema } from "../../http/schemas.ts";
import { neverRun } from "../../pipelines/run-service.ts";
import { freeObject } from "../../tasks/fields.ts";
import { defineOperation } from "../operation.ts";
import { waitField, waitOf } from "../waiting.ts";
import { pipelineRunAnswer, pipelineRunOutput, readPipelineRun } from "./pipeline-output.ts";

const DEFAULT_WAIT_SECONDS = 30;

export const startPipeline = defineOperation({
  name: "pipelzr_start_pipeline",
  title: "Start a pipeline",
  description:
    "Begins a run of a pipeline, and answers with what it came to, or how far it is after `wait_seconds`: watch it with pipelzr_get_pipeline_run.",
  scope: "pipelines:execute",
  annotations: { readOnlyHint: false, openWorldHint: true },
  input: z.strictObject({
    pipeline_id: idSchema.describe("Id of the pipeline."),
    inputs: freeObject.default({}).describe("As the pipeline's `inputs` says."),
    wait_seconds: waitField(DEFAULT_WAIT_SECONDS),
  }),
  output: pipelineRunOutput,
  async run(caller, sent, terms) {
    const { pipeline_id: id, inputs, wait_seconds } = sent;
    const wait = waitOf(wait_seconds, terms);
    const { snapshot } = await caller.once(["pipelzr_start_pipeline", sent], (seed) =>
      caller.services.pipelineRuns.start(caller.principal, id, seed, {
        ...{ trigger: "execute", inputs, wait_ms: wait.ms },
      }),
    );
    if (snapshot.run === null) throw neverRun(id);
    return pipelineRunAnswer(await readPipelineRun(caller, id, snapshot.run.run), wait);
  },
});
