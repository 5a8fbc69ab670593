/** The same action on every pipeline that a filter finds, a page at a time. */
import type { Page } from "../http/page.ts";
import { asApiError } from "../http/problem.ts";
import type { Principal } from "../security/principal.ts";
import type { PipelineRow } from "./repository.ts";
import type { PipelineRunService } from "./run-service.ts";
import type { ListFilter, PipelineService } from "./service.ts";

/** Objects that are asked at a time. */
const PARALLEL = 10;

export type BulkAction = "cancel" | "retry";

/** What an action makes sense for, when the filter names no state. */
const STATES: Readonly<Record<BulkAction, readonly string[]>> = {
  cancel: ["queued", "running", "paused"],
  retry: ["failed", "cancelled"],
};

export interface BulkOutcome {
  /** One more than a page when there are more. */
  readonly rows: readonly PipelineRow[];
  readonly succeeded: { id: string; run: number }[];
  readonly failed: { id: string; code: string; reason: string }[];
}

export interface BulkServices {
  readonly pipelines: PipelineService;
  readonly pipelineRuns: PipelineRunService;
}

/** `seed` makes the repetition of a request find the runs that it began. */
export async function actOnAll(
  { pipelines, pipelineRuns }: BulkServices,
  principal: Principal,
  seed: string,
  action: BulkAction,
  filter: ListFilter,
  page: Page,
): Promise<BulkOutcome> {
  const states = filter.states ?? STATES[action];
  const rows = await pipelines.list(principal, { ...filter, states }, page);
  const outcome: BulkOutcome = { rows, succeeded: [], failed: [] };
  const act = (id: string) =>
    action === "cancel"
      ? pipelineRuns.cancel(principal, { id, run: null })
      : pipelineRuns.retry(principal, id, seed, { inputs: undefined, wait_ms: 0 });
  const queue = rows.slice(0, page.limit).map(({ id }) => id);
  const work = async () => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      try {
        const { snapshot } = await act(id);
        outcome.succeeded.push({ id, run: snapshot.run?.run ?? 0 });
      } catch (error) {
        const known = asApiError(error);
        if (!known) throw error;
        outcome.failed.push({ id, code: known.code, reason: known.detail });
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return outcome;
}
