/** What a pipeline answers for its run: whether a step runs, and what the run comes to. */
import { conditionHolds, EvaluationFailed, resolveJson, resolveText } from "../runs/expressions.ts";
import { type Conclusion, type Decision, type RunView, StepNotReady } from "../runs/ports.ts";
import type { StepError } from "../runs/types.ts";
import { asText, RunScopes, within } from "./contexts.ts";
import type { StepDefinition } from "./definition-schema.ts";
import { expandMatrix } from "./matrix.ts";
import { prepare, stepOf } from "./prepared.ts";

export { work } from "./work.ts";

/** The longest that a wait may be told to last. */
const MAX_WAIT_SECONDS = 366 * 86_400;

/**
 * Whether a ready step runs: its condition, then the items of its matrix, then how long it waits.
 * What cannot be evaluated fails the step. Throws `ResultNotLoaded`.
 */
export function decide(view: RunView, step: number): Decision {
  const state = view.state.steps[step];
  const definition = stepOf(view, step);
  if (!definition) return failed({ code: "internal", message: `The run has no step ${step}.` });
  // The group's decision was taken for its items too.
  if (typeof state?.group === "number") return RUN;
  try {
    return decideStep(new RunScopes(view, step), definition);
  } catch (error) {
    return failed(errorOf(error));
  }
}

/**
 * The run's outputs. Throws `ResultNotLoaded`.
 */
export function conclude(view: RunView): Conclusion {
  const { outputs } = prepare(view).definition;
  try {
    const scope = new RunScopes(view, null).condition();
    return { result: resolveJson(outputs, scope, ["outputs"]), error: null };
  } catch (error) {
    return { result: null, error: errorOf(error) };
  }
}

/**
 * What an approval gate asks, expressions resolved; null for a step without a message. What cannot
 * be evaluated is shown as it was written. Throws `ResultNotLoaded`.
 */
export function approvalMessage(view: RunView, step: number): string | null {
  const definition = prepare(view).definition.tasks[step];
  if (!definition?.approval || definition.approval === true) return null;
  const { message } = definition.approval;
  if (!message) return null;
  try {
    return asText(resolveText(message, new RunScopes(view, step).values(definition)), "message");
  } catch (error) {
    if (error instanceof EvaluationFailed) return message;
    throw error;
  }
}

/** The failure of a step or run whose expressions come to nothing; rethrows anything else. */
function errorOf(error: unknown): StepError {
  if (error instanceof StepNotReady) return { code: error.code, message: error.message };
  if (!(error instanceof EvaluationFailed)) throw error;
  const message = error.place === "" ? error.message : `${error.place}: ${error.message}`;
  return { code: "expression_invalid", message };
}

const RUN: Decision = { verdict: { do: "run" }, items: [] };

function failed(error: StepError): Decision {
  return { verdict: { do: "fail", error }, items: [] };
}

function decideStep(scopes: RunScopes, step: StepDefinition): Decision {
  const scope = scopes.condition();
  if (step.if !== undefined && step.if !== null) {
    const condition = String(step.if);
    const holds = within("if", () => conditionHolds(condition, scope));
    if (!holds) return { verdict: { do: "skip" }, items: [] };
  }
  if (step.strategy) {
    const matrix = resolveJson(step.strategy.matrix, scope, ["strategy", "matrix"]);
    const { items, problem } = expandMatrix(matrix);
    if (problem === null) return { verdict: { do: "expand", items: items.length }, items };
    const place = ["strategy.matrix", problem.member].filter((part) => part !== "").join(".");
    return failed({ code: "matrix_invalid", message: `${place}: ${problem.message}` });
  }
  const seconds = step.wait?.seconds;
  if (typeof seconds !== "string") return RUN;
  const value = within("wait.seconds", () => resolveText(seconds, scopes.values(step)));
  return { verdict: { do: "run", wait_ms: waitMs(value) }, items: [] };
}

function waitMs(value: unknown): number {
  const seconds = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof seconds === "number" && seconds >= 0 && seconds <= MAX_WAIT_SECONDS) {
    return Math.ceil(seconds * 1000);
  }
  throw new EvaluationFailed(
    `It must come to a number of seconds from 0 to ${MAX_WAIT_SECONDS}.`,
    "wait.seconds",
  );
}
