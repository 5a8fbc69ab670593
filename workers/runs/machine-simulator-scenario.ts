/** Test support: what a simulated run is made of, and what its surroundings answer when asked. */
import type { RunEvent, RunPlan, RunState, StepPlan, StepState, Verdict } from "./types.ts";

/** What the code of one attempt does after `after_ms`. */
export interface Behaviour {
  readonly kind: "complete" | "exit" | "error" | "stop_itself" | "hang" | "vanish" | "poison";
  readonly after_ms: number;
}

export type StatusFunction = "success" | "failure" | "always" | "cancelled";

/** What becomes of a step, whatever the machine does with it. */
export interface Script {
  /** What its condition comes to: a literal, what a status function says, or no answer at all. */
  readonly answer: "yes" | "no" | "broken" | StatusFunction;
  /** For a step, or for each item of a group: the behaviour of each try; the last one repeats. */
  readonly tries: readonly (readonly Behaviour[])[];
  /** Who passes its gate, or how long one lasts that is asked for; null when nobody does. */
  readonly passage: { readonly approved: boolean; readonly after_ms: number } | null;
}

export interface Scenario {
  readonly plan: RunPlan;
  readonly scripts: readonly Script[];
  /** Why the run's outputs cannot be made; null when they can. */
  readonly outputs_error: string | null;
  readonly commands: readonly { readonly at: number; readonly event: RunEvent }[];
  /** Chances in percent that a fault happens where it can; `budget` faults happen at most. */
  readonly faults: Readonly<Record<Fault, number>> & { readonly budget: number };
  readonly seed: number;
}

export type Fault = "crash" | "duplicate" | "drop" | "delay" | "jump" | "slot";

/** Whether the machine has to ask before such a step begins. */
export function isAsked({ condition, matrix, gate }: StepPlan): boolean {
  return condition !== null || matrix !== null || (gate?.type === "duration" && gate.ms === null);
}

/** The flags that status functions look at. */
export type Flags = Pick<StepState, "blocked" | "failed_above" | "cancelled_above">;

export function holds(answer: Script["answer"], flags: Flags): boolean {
  switch (answer) {
    case "success":
      return !flags.blocked;
    case "failure":
      return flags.failed_above;
    case "cancelled":
      return flags.cancelled_above;
    default:
      return answer !== "no";
  }
}

/** The answer to whether a step runs. */
export function verdictOf(plan: StepPlan, script: Script, flags: Flags): Verdict {
  if (script.answer === "broken") {
    return { do: "fail", error: { code: "expression_invalid", message: "It has no value." } };
  }
  if (plan.condition && !holds(script.answer, flags)) return { do: "skip" };
  if (plan.matrix) return { do: "expand", items: script.tries.length };
  if (plan.gate?.type !== "duration" || plan.gate.ms !== null) return { do: "run" };
  return { do: "run", wait_ms: script.passage?.after_ms ?? 0 };
}

/** Where a step stands: the index of its plan and, of an item, its place. */
export function placeOf(state: Pick<RunState, "steps">, index: number): Place {
  const step = state.steps[index];
  return { plan: step?.group ?? index, item: step?.item ?? 0 };
}

export interface Place {
  readonly plan: number;
  readonly item: number;
}

/** What the code does in a try of a step. */
export function behaviourOf({ scripts }: Scenario, place: Place, attempt: number): Behaviour {
  const tries = scripts[place.plan]?.tries[place.item] ?? [];
  const behaviour = tries[Math.min(attempt, tries.length) - 1];
  if (!behaviour) throw new Error(`step ${place.plan} has no behaviour for attempt ${attempt}`);
  return behaviour;
}
