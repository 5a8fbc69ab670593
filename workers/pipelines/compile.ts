/** From a definition to the plan that the run engine executes. */
import { MAX_ATTACHED_IN_FLIGHT } from "../runs/attempts.ts";
import { parseCondition, soleExpression } from "../runs/expressions-template.ts";
import type { GatePlan, MatrixPlan, RunPlan, StepPlan } from "../runs/types.ts";
import { retryPolicy } from "../tasks/retry-policy.ts";
import {
  kindOf,
  needsOf,
  type PipelineDefinition,
  type StepDefinition,
  taskTypeOf,
} from "./definition-schema.ts";

const DEFAULT_STEP_SECONDS = 300;
/** A run of another resource ends by its own time; this bounds one that has none. */
const MAX_CHILD_MS = 30 * 86_400_000;

export interface CompileOptions {
  /** The time of a run whose definition sets none; null for no limit. */
  readonly default_timeout_ms: number | null;
  /** Whether a run needs a slot of the deployment; a child runs under its parent's. True unless said. */
  readonly slotted?: boolean;
}

/** The plan of a run. The definition has passed `checkDefinition`. */
export function compile(definition: PipelineDefinition, options: CompileOptions): RunPlan {
  const indexes = new Map(definition.tasks.map((step, index) => [step.name, index]));
  const steps = definition.tasks.map((step): StepPlan => {
    const needs = needsOf(step, definition.dependencies);
    return {
      name: step.name,
      needs: needs.flatMap((name) => indexes.get(name) ?? []),
      condition: conditionOf(step),
      matrix: matrixOf(step),
      gate: gateOf(step),
      continue_on_error: step.continue_on_error ?? false,
      timeout_ms: timeoutOf(step, options),
      retry: retryPolicy(step.retry ?? null),
      attached: isAttached(step),
      durable: !isAttached(step),
    };
  });
  const { max_parallel, timeout_seconds } = definition;
  return {
    steps,
    // The rest would hold a place in flight only to queue in the object.
    max_parallel: steps.every((step) => step.attached)
      ? Math.min(max_parallel, MAX_ATTACHED_IN_FLIGHT)
      : max_parallel,
    stop_on_failure: definition.stop_on_failure,
    timeout_ms: timeout_seconds === null ? options.default_timeout_ms : toMs(timeout_seconds),
    slotted: options.slotted ?? true,
    concludes: definition.outputs !== null,
  };
}

function conditionOf(step: StepDefinition): StepPlan["condition"] {
  if (step.if === undefined || step.if === null) return null;
  const expression = soleExpression(parseCondition(String(step.if)));
  return { calls_status: expression?.calls_status ?? false };
}

function matrixOf({ strategy }: StepDefinition): MatrixPlan | null {
  if (!strategy) return null;
  return { max_parallel: strategy.max_parallel ?? null, fail_fast: strategy.fail_fast };
}

function gateOf({ approval, wait }: StepDefinition): GatePlan | null {
  if (approval) {
    const limit = approval === true ? null : approval.timeout_seconds;
    return { type: "approval", signal: null, ms: toMsOrNull(limit) };
  }
  if (!wait) return null;
  if (wait.signal) {
    return { type: "signal", signal: wait.signal, ms: toMsOrNull(wait.timeout_seconds) };
  }
  const ms = typeof wait.seconds === "number" ? toMs(wait.seconds) : null;
  return { type: "duration", signal: null, ms };
}

function timeoutOf(step: StepDefinition, options: CompileOptions): number {
  if (step.timeout_seconds) return toMs(step.timeout_seconds);
  if (isRun(step)) return options.default_timeout_ms ?? MAX_CHILD_MS;
  return toMs(DEFAULT_STEP_SECONDS);
}

function isAttached(step: StepDefinition): boolean {
  return !isRun(step) && taskTypeOf(step) === "local";
}

/** Whether the step is a run of another resource. */
function isRun(step: StepDefinition): boolean {
  const kind = kindOf(step);
  return kind === "pipeline" || kind === "skill" || kind === "agent";
}

function toMs(seconds: number): number {
  return Math.ceil(seconds * 1000);
}

function toMsOrNull(seconds: number | null | undefined): number | null {
  return seconds === null || seconds === undefined ? null : toMs(seconds);
}
