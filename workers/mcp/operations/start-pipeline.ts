import { z } from "zod";
import { idSchema } from "../../http/schemas.ts";
import { neverRun } from "../../pipelines/run-service.ts";
import type { FoundPipeline } from "../../pipelines/service.ts";
import { freeObject } from "../../tasks/fields.ts";
import { defineOperation } from "../operation.ts";
import { beginAndWait, waitField, waitOf } from "../waiting.ts";
import { pipelineRunAnswer, pipelineRunOutput, readPipelineRun } from "./pipeline-output.ts";

const TOOL = "pipelzr_start_pipeline";
const DEFAULT_WAIT_SECONDS = 30;

export const startPipeline = defineOperation({
  name: TOOL,
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
    const { principal, services, once } = caller;
    const { pipelineRuns } = services;
    const wait = waitOf(wait_seconds, terms);
    const run = await beginAndWait(
      {
        begin: (wait_ms) =>
          once([TOOL, sent], async (seed) => {
            const begin = { trigger: "execute", inputs, wait_ms } as const;
            return runOf(await pipelineRuns.start(principal, id, seed, begin));
          }),
        events: (run) => pipelineRuns.events(principal, { id, run }, 0),
        read: (run) => Promise.resolve(run),
      },
      wait.ms,
      terms.tell,
    );
    return pipelineRunAnswer(await readPipelineRun(caller, id, run), wait);
  },
});

function runOf({ snapshot: { resource, run } }: FoundPipeline): number {
  if (run === null) throw neverRun(resource.id);
  return run.run;
}
