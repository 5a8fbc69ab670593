/** Steps that are runs of other resources: sub-pipelines, invocations of skills, and agents. */
import { AGENT_KIND } from "../agents/session/row.ts";
import type { Json } from "../http/json.ts";
import { resourceId, seedFrom } from "../runs/address.ts";
import type { Scope } from "../runs/expressions.ts";
import { invocationId } from "../runs/nesting.ts";
import { type ChildAddress, type RunView, StepNotReady, type StepWork } from "../runs/ports.ts";
import type { Resource } from "../runs/store-types.ts";
import { agentDocument } from "./agent-work.ts";
import type { StepDefinition } from "./definition-schema.ts";
import { prepare, stepOf } from "./prepared.ts";

type RunWork = Extract<StepWork, { type: "run" }>;

/** Where the run is that a dispatch of a step begins; null for a step of another kind. */
export function child(view: RunView, index: number, epoch: number): ChildAddress | null {
  const step = stepOf(view, index);
  if (step?.pipeline) return { resource_id: step.pipeline, placement: "own" };
  if (!step?.skill && !step?.agent) return null;
  const { resource, run } = view;
  const dispatch = { run, index, epoch };
  if (step.agent) return { resource_id: agentId(resource, dispatch), placement: "agent" };
  const seed = seedOf(resource, dispatch);
  return { resource_id: invocationId(seed, resource.project_id, 0), placement: "shared" };
}

interface DispatchRef {
  readonly run: number;
  /** Of the step. */
  readonly index: number;
  readonly epoch: number;
}

/** The agent that a dispatch of a step makes. */
export function agentId(
  resource: Pick<Resource, "id" | "project_id">,
  dispatch: DispatchRef,
): string {
  return resourceId(seedOf(resource, dispatch), resource.project_id);
}

function seedOf({ id }: Pick<Resource, "id">, { run, index, epoch }: DispatchRef): string {
  return seedFrom(id, `${run}/${index}/${epoch}`);
}

/**
 * The run of a step with these inputs; null for a step of another kind. Throws `StepNotReady`, and
 * `EvaluationFailed`.
 */
export function childWork(
  view: RunView,
  index: number,
  epoch: number,
  step: StepDefinition,
  inputs: Json,
  scope: Scope,
): RunWork | null {
  const address = child(view, index, epoch);
  if (address === null) return null;
  const run = { type: "run", child: address, inputs: JSON.stringify(inputs ?? {}) } as const;
  if (step.agent) {
    const document = agentDocument(view, step, inputs, scope);
    return { ...run, made_of: { kind: AGENT_KIND, document } };
  }
  if (!step.skill) return run;
  const { texts, grants } = prepare(view);
  const pin = texts.pins(view.pins).skills[step.skill];
  if (pin !== undefined) return { ...run, invocation: { pin, grants } };
  throw new StepNotReady(
    "skill_not_pinned",
    "The run was begun without the skill that this step invokes. Start the pipeline again.",
  );
}
