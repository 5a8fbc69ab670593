/** A run of a pipeline as tools show it. */
import { z } from "zod";
import { runDetailSchema } from "../../pipelines/run-schemas.ts";
import { toRun } from "../../pipelines/run-view.ts";
import type { Caller } from "../caller.ts";
import type { Answer } from "../operation.ts";
import type { Wait } from "../waiting.ts";

/** Open steps that are told apart. */
const MAX_OPEN_STEPS = 20;

export const pipelineRunOutput = runDetailSchema
  .pick({
    pipeline_id: true,
    run: true,
    state: true,
    progress_percent: true,
    total_tasks: true,
    completed_tasks: true,
    failed_tasks: true,
    skipped_tasks: true,
    failed_steps: true,
    error: true,
    error_code: true,
    outputs: true,
    created_at: true,
    started_at: true,
    completed_at: true,
    duration_ms: true,
  })
  .extend({
    open_steps: z.array(z.object({ step: z.string(), state: z.string(), reason: z.string() })),
  });

export type PipelineRunOutput = z.input<typeof pipelineRunOutput>;

/** The newest run of the pipeline unless `run` says another. */
export async function readPipelineRun(
  { principal, services: { pipelineRuns } }: Caller,
  id: string,
  run: number | null,
): Promise<PipelineRunOutput> {
  const { summary, outputs } = await pipelineRuns.get(principal, { id, run });
  const goes = summary.completed_at === null;
  const why = goes ? await pipelineRuns.why(principal, { id, run: summary.run }, Date.now()) : null;
  const open_steps = (why?.steps ?? [])
    .slice(0, MAX_OPEN_STEPS)
    .map(({ step, state, reason }) => ({ step, state, reason }));
  return { ...toRun(summary), pipeline_id: id, outputs, open_steps };
}

/** Of a call that began the run: one that failed is an error of it. */
export function pipelineRunAnswer(
  output: PipelineRunOutput,
  wait: Wait,
): Answer<PipelineRunOutput> {
  const { pipeline_id: id, run, state, completed_at } = output;
  return {
    output,
    failed: state === "failed" || state === "cancelled",
    going: completed_at === null && wait.hands_over ? { kind: "pipeline", id, run } : null,
  };
}
