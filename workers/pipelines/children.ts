/** Steps that are runs of other resources: sub-pipelines, and invocations of skills. */
import type { Json } from "../http/json.ts";
import { seedFrom } from "../runs/address.ts";
import { invocationId } from "../runs/nesting.ts";
import { type ChildAddress, type RunView, StepNotReady, type StepWork } from "../runs/ports.ts";
import type { StepDefinition } from "./definition-schema.ts";
import { prepare, stepOf } from "./prepared.ts";

type RunWork = Extract<StepWork, { type: "run" }>;

/** Where the run is that a dispatch of a step begins; null for a step of another kind. */
export function child(view: RunView, index: number, epoch: number): ChildAddress | null {
  const step = stepOf(view, index);
  if (step?.pipeline) return { resource_id: step.pipeline, placement: "own" };
  if (!step?.skill) return null;
  const { id, project_id } = view.resource;
  const seed = seedFrom(id, `${view.run}/${index}/${epoch}`);
  return { resource_id: invocationId(seed, project_id, 0), placement: "shared" };
}

/** The run of a step with these inputs; null for a step of another kind. Throws `StepNotReady`. */
export function childWork(
  view: RunView,
  index: number,
  epoch: number,
  step: StepDefinition,
  inputs: Json,
): RunWork | null {
  const address = child(view, index, epoch);
  if (address === null) return null;
  const run = { type: "run", child: address, inputs: JSON.stringify(inputs ?? {}) } as const;
  if (!step.skill) return run;
  const { texts, grants } = prepare(view);
  const pin = texts.pins(view.pins).skills[step.skill];
  if (pin !== undefined) return { ...run, invocation: { pin, grants } };
  throw new StepNotReady(
    "skill_not_pinned",
    "The run was begun without the skill that this step invokes. Start the pipeline again.",
  );
}
