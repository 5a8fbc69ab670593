/** Runs of pipelines that go on. */
import type { PipelineRunService } from "../../pipelines/run-service.ts";
import {
  pipelineRunAnswer,
  pipelineRunOutput,
  readPipelineRun,
} from "../operations/pipeline-output.ts";
import { valueResult } from "../results.ts";
import { hasEnded, type LongRunKindPort, type Question } from "./long-run.ts";

type Explanation = Awaited<ReturnType<PipelineRunService["why"]>>;

export const pipelineRuns: LongRunKindPort = {
  scopes: { read: "pipelines:read", act: "pipelines:execute", decide: "pipelines:execute" },

  async read(caller, { id, run }) {
    const { principal, services } = caller;
    const { resource, summary } = await services.pipelineRuns.inspect(principal, { id, run });
    const { status } = summary;
    const shared = {
      ...{ status, created_at: summary.created_at, updated_at: resource.updated_at },
    };
    if (!hasEnded(status)) {
      const why = await services.pipelineRuns.why(principal, { id, run }, Date.now());
      const message = `${why?.reason ?? `It is ${status}.`} (Run ${run} of pipeline ${id}.)`;
      return { ...shared, message, questions: questionsOf(why), result: null };
    }
    const output = await readPipelineRun(caller, id, run);
    const { failed } = pipelineRunAnswer(output, { ms: 0, hands_over: false });
    return {
      ...shared,
      message: `Run ${run} of pipeline ${id} is ${status}.`,
      questions: [],
      result: { ...valueResult(pipelineRunOutput.parse(output)), isError: failed ?? false },
    };
  },

  async cancel({ principal, services }, { id, run }) {
    await services.pipelineRuns.cancel(principal, { id, run });
  },

  async decide({ principal, services }, { id, run }, step, decision) {
    await services.pipelineRuns.approve(principal, { id, run }, { step, ...decision });
  },
};

function questionsOf(why: Explanation): Question[] {
  return (why?.steps ?? [])
    .filter(({ waiting_for }) => waiting_for.type === "approval")
    .map(({ step, reason }) => ({ key: `approval-${step}`, message: reason, step }));
}
