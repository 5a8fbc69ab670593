/** Invocations of skills that go on, and what they come to. */
import type { CallToolResult } from "@modelcontextprotocol/server";
import type { FoundInvocation } from "../../skills/invocation-service.ts";
import { toInvocation } from "../../skills/invocation-view.ts";
import { errorResult, valueResult } from "../results.ts";
import { hasEnded, type LongRunKindPort, type Question } from "./long-run.ts";

/** The end of what was printed, for who has to find out why it failed. */
const MAX_PRINTED_CHARS = 2_000;

export const invocationRuns: LongRunKindPort = {
  scopes: { read: "skills:read", act: "skills:execute", decide: "skills:write" },

  async read({ principal, services }, { id }) {
    const found = await services.invocations.get(principal, id);
    const { resource, run } = found.snapshot;
    const status = run?.status ?? "queued";
    const view = toInvocation(found.snapshot, found.outputs);
    const question: Question = {
      key: `approval-${view.run}`,
      message: `Approve that the skill "${view.slug}" runs with ${JSON.stringify(view.inputs)}?`,
      step: null,
    };
    const waits = view.waiting_for === "approval";
    const what = waits ? "waits for an approval" : `is ${status}`;
    return {
      status,
      created_at: resource.created_at,
      updated_at: resource.updated_at,
      message: `The skill "${view.slug}" ${what} (invocation ${id}).`,
      questions: waits ? [question] : [],
      result: hasEnded(status) ? invocationResult(found) : null,
    };
  },

  async cancel({ principal, services }, { id }) {
    await services.invocations.cancel(principal, id);
  },

  async decide({ principal, services }, { id }, _step, decision) {
    await services.invocations.decide(principal, id, decision);
  },
};

/** Of an invocation that has ended. */
export function invocationResult({ snapshot, outputs }: FoundInvocation): CallToolResult {
  const view = toInvocation(snapshot, outputs);
  if (view.state === "completed") return valueResult(outputs);
  const code = view.error_code === null ? "" : ` (${view.error_code})`;
  const why = view.error === null ? "" : `: ${view.error}`;
  const printed = view.stderr?.trim() ? `\n\nIt printed:\n${tail(view.stderr)}` : "";
  return errorResult(
    `The skill "${view.slug}" ${view.state}${code}${why}${printed}\n\nInvocation: ${view.id}`,
  );
}

function tail(text: string): string {
  return text.length <= MAX_PRINTED_CHARS ? text : `…${text.slice(-MAX_PRINTED_CHARS)}`;
}
