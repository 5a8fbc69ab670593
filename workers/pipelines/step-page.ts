/** Pages of a run's steps: those of the definition in its order, then the items of matrices. */
import { ApiError } from "../http/errors.ts";
import { pageQuery } from "../http/page.ts";
import { pageOfIndexes } from "../http/slice.ts";
import type { RunInspection } from "../runs/store-types.ts";
import type { StepPlan, StepState } from "../runs/types.ts";
import type { PipelineDefinition, StepDefinition } from "./definition-schema.ts";
import { readDocument } from "./document.ts";

/** The run that a page is of, and the step that it begins with: what comes newer does not mix in. */
const CURSOR = /^([1-9]\d{0,8})\.(\d{1,9})$/;

/** The query parameters of a list of steps, to be spread into a route's `z.strictObject`. */
export const stepPageQuery = { limit: pageQuery.limit, cursor: pageQuery.cursor };

export interface StepPageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** A step as lists show it; of an item, plan and definition are its group's. */
export interface ListedStep {
  readonly name: string;
  /** Name of the group that the step is an item of; null for a step of the definition. */
  readonly group: string | null;
  readonly state: StepState;
  readonly plan: StepPlan;
  readonly definition: StepDefinition;
}

export interface StepPage {
  readonly inspection: RunInspection;
  /** What the run was begun with. */
  readonly definition: PipelineDefinition;
  readonly steps: readonly ListedStep[];
  readonly next_cursor: string | null;
}

interface Start {
  readonly run: number | null;
  readonly index: number;
}

/** Where a page begins. Throws `validation_failed` for a cursor of another list, or another run. */
export function startOf({ cursor }: StepPageQuery, run: number | null): Start {
  if (cursor === undefined) return { run, index: 0 };
  const [, itsRun, index] = CURSOR.exec(cursor) ?? [];
  if (itsRun === undefined) {
    throw cursorError("It is not a cursor of this list; pass a `next_cursor` unchanged.");
  }
  if (run !== null && run !== Number(itsRun)) {
    throw cursorError(`It belongs to run ${itsRun}; ask for that run, or leave the cursor out.`);
  }
  return { run: Number(itsRun), index: Number(index) };
}

/** The page of the steps that are wanted, from the step `from` on. */
export function stepPage(
  inspection: RunInspection,
  wanted: (step: ListedStep) => boolean,
  from: number,
  limit: number,
): StepPage {
  const { definition } = readDocument(inspection.document);
  const listed = (index: number) => listedStep(inspection, definition.tasks, index);
  const isWanted = (index: number) => {
    const step = listed(index);
    return step !== null && wanted(step);
  };
  const range = { limit, cursor: from };
  const { indexes, next } = pageOfIndexes(inspection.state.steps.length, isWanted, range);
  return {
    inspection,
    definition,
    steps: indexes.flatMap((index) => listed(index) ?? []),
    next_cursor: next === null ? null : `${inspection.summary.run}.${next}`,
  };
}

function listedStep(
  { state: { steps }, plan: { steps: plans }, names }: RunInspection,
  definitions: readonly StepDefinition[],
  index: number,
): ListedStep | null {
  const state = steps[index];
  const plan = plans[state?.group ?? index];
  const definition = definitions[state?.group ?? index];
  if (!state || !plan || !definition) return null;
  const group = state.group === null ? null : (names[state.group] ?? null);
  return { name: names[index] ?? plan.name, group, state, plan, definition };
}

function cursorError(message: string): ApiError {
  return new ApiError("validation_failed", "The cursor is not valid.", {
    issues: [{ path: "query.cursor", message }],
  });
}
