/** Test support: what the simulated model writes and its user decides, the same however often it is asked. */
import { fraction } from "../../runs/retry.ts";
import type { CallOutcome, CallRef, CallSpec } from "./call-types.ts";
import type { Scenario } from "./machine-simulator-scenario.ts";
import type { StopReason } from "./types.ts";

/** More steps than this the model does not take. */
const MAX_STEPS = 5;

const POLICIES = ["allow", "allow", "allow", "allow", "ask", "ask", "deny", "invalid"] as const;
const FINISHES = ["stop", "stop", "stop", "length", "refusal", "content_filter", "other"] as const;

export interface ScriptedCall extends CallSpec {
  readonly is_error: boolean;
  readonly is_approved: boolean;
  /** The user answers a question by a message, or else by naming it. */
  readonly by_message: boolean;
}

export interface ScriptedStep {
  readonly finish_reason: (typeof FINISHES)[number] | "tool_calls";
  readonly calls: readonly ScriptedCall[];
}

export class Script {
  readonly #scenario: Scenario;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
  }

  step(turn: number, step: number): ScriptedStep {
    const draw = drawer(this.#scenario.seed, turn, step);
    if (step >= MAX_STEPS || draw() < 0.25)
      return { finish_reason: one(FINISHES, draw), calls: [] };
    const count = 1 + Math.floor(draw() * 4);
    const calls = Array.from({ length: count }, (_, index) => this.#call(index, draw));
    return { finish_reason: "tool_calls", calls };
  }

  call({ turn, step, call }: CallRef): ScriptedCall {
    const found = this.step(turn, step).calls.find(({ id }) => id === call);
    if (found === undefined) throw new Error(`broken invariant: nobody asked for call ${call}`);
    return found;
  }

  /** The ids of one step's calls come again in other steps. */
  #call(index: number, draw: () => number): ScriptedCall {
    return {
      id: `c${index}`,
      name: "tool",
      policy: one(POLICIES, draw),
      kind: draw() < 0.12 ? "input" : "tool",
      recovery: one(this.#scenario.recoveries, draw),
      is_parallel: draw() < 0.6,
      digest: "seen",
      is_error: draw() < 0.2,
      is_approved: draw() < 0.8,
      by_message: draw() < 0.5,
    };
  }

  /** What a turn must come to when nobody stops it: how each call was answered, and its end. */
  foresee(turn: number): { readonly calls: readonly string[]; readonly end: StopReason } {
    const calls: string[] = [];
    for (let number = 1; ; number += 1) {
      const step = this.step(turn, number);
      if (step.calls.length === 0) return { calls, end: ENDS[step.finish_reason] };
      for (const call of step.calls) calls.push(`${number}/${call.id} ${outcomeOf(call)}`);
      if (number >= this.#scenario.settings.max_steps) return { calls, end: "max_steps" };
    }
  }
}

const ENDS: Readonly<Record<ScriptedStep["finish_reason"], StopReason>> = {
  stop: "end_turn",
  tool_calls: "end_turn",
  other: "end_turn",
  length: "max_tokens",
  refusal: "refusal",
  content_filter: "refusal",
};

function outcomeOf({ policy, kind, is_approved, is_error }: ScriptedCall): CallOutcome {
  if (policy === "invalid") return "invalid";
  if (policy === "deny") return "denied";
  if (kind === "input") return "answered";
  if (policy === "ask" && !is_approved) return "denied";
  return is_error ? "failed" : "succeeded";
}

function drawer(seed: number, turn: number, step: number): () => number {
  let drawn = 0;
  return () => {
    drawn += 1;
    return fraction(seed ^ Math.imul(drawn, 0x9e3779b1), turn, step);
  };
}

function one<T>(of: readonly T[], draw: () => number): T {
  const chosen = of[Math.floor(draw() * of.length)];
  if (chosen === undefined) throw new Error("nothing to choose from");
  return chosen;
}
