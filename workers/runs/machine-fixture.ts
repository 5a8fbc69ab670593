/** Test support: short plans, and a driver that applies events at literal times. */
import { createRun, reduce } from "./machine.ts";
import type { Failure } from "./state.ts";
import type {
  AttemptResult,
  Effect,
  MachineEvent,
  RetryPolicy,
  RunEvent,
  RunPlan,
  RunState,
  StepPlan,
  StepState,
  Verdict,
} from "./types.ts";

export const ONCE: RetryPolicy = {
  max_attempts: 1,
  backoff: "fixed",
  initial_ms: 1_000,
  max_ms: 60_000,
  jitter: false,
  on: ["exit", "timeout", "lost", "error"],
};

export function step(name: string, needs: readonly number[] = [], more: Partial<StepPlan> = {}) {
  return {
    name,
    needs,
    condition: null,
    matrix: null,
    gate: null,
    continue_on_error: false,
    timeout_ms: 60_000,
    retry: ONCE,
    attached: true,
    durable: false,
    ...more,
  };
}

export function plan(steps: readonly StepPlan[], more: Partial<RunPlan> = {}): RunPlan {
  return {
    steps,
    max_parallel: 100,
    stop_on_failure: false,
    timeout_ms: null,
    slotted: false,
    concludes: false,
    ...more,
  };
}

/** Asked about; with a status function whatever its needs came to. */
export const ASKED = { condition: { calls_status: false } };
export const ALWAYS = { condition: { calls_status: true } };

export function matrix(max_parallel: number | null = null, fail_fast = false) {
  return { matrix: { max_parallel, fail_fast } };
}

export function approval(ms: number | null = null) {
  return { gate: { type: "approval" as const, signal: null, ms } };
}

export function awaits(signal: string, ms: number | null = null) {
  return { gate: { type: "signal" as const, signal, ms } };
}

export function lasts(ms: number | null) {
  return { gate: { type: "duration" as const, signal: null, ms } };
}

export const RUN: Verdict = { do: "run" };
export const SKIP: Verdict = { do: "skip" };

export const COMPLETED: AttemptResult = { status: "completed", exit_code: 0 };
export const CANCELLED: AttemptResult = { status: "cancelled" };
export const FAILED: Failure = {
  status: "failed",
  reason: "exit",
  exit_code: 3,
  code: "exit_nonzero",
  message: "The command exited with 3.",
};

/** One run under test. Reports name a step; they carry its newest epoch unless told otherwise. */
export class Driver {
  readonly plan: RunPlan;
  state: RunState;
  /** Effects of the newest event. */
  effects: readonly Effect[] = [];
  touched: ReadonlySet<number> = new Set();

  constructor(runPlan: RunPlan, state: RunState = createRun(runPlan, 7)) {
    this.plan = runPlan;
    this.state = state;
  }

  apply(event: RunEvent, at: number): this {
    const transition = reduce(this.plan, this.state, event, at);
    this.state = transition.state;
    this.effects = transition.effects;
    this.touched = transition.touched;
    return this;
  }

  start(at = 0): this {
    return this.apply({ type: "start" }, at);
  }

  started(index: number, at: number, epoch = this.step(index).epoch): this {
    return this.apply({ type: "attempt_started", step: index, epoch }, at);
  }

  finished(
    index: number,
    at: number,
    result: AttemptResult = COMPLETED,
    epoch: number = this.step(index).epoch,
  ): this {
    return this.apply({ type: "attempt_finished", step: index, epoch, result }, at);
  }

  decided(index: number, verdict: Verdict, at: number): this {
    return this.apply({ type: "decided", step: index, verdict }, at);
  }

  expanded(index: number, items: number, at: number): this {
    return this.decided(index, { do: "expand", items }, at);
  }

  approve(index: number, at: number, approved = true, comment: string | null = null): this {
    return this.apply({ type: "approve", step: index, approved, by: "ada", comment }, at);
  }

  signal(name: string, id: string, at: number): this {
    return this.apply({ type: "signal", name, id }, at);
  }

  granted(at: number): this {
    return this.apply({ type: "slot_granted" }, at);
  }

  pause(at: number, mode: "boundary" | "now" = "boundary"): this {
    return this.apply({ type: "pause", mode }, at);
  }

  resume(at: number): this {
    return this.apply({ type: "resume" }, at);
  }

  cancel(at: number): this {
    return this.apply({ type: "cancel" }, at);
  }

  recovered(at: number): this {
    return this.apply({ type: "recovered" }, at);
  }

  timer(at: number): this {
    return this.apply({ type: "timer" }, at);
  }

  step(index: number): StepState {
    const found = this.state.steps[index];
    if (!found) throw new RangeError(`no step ${index}`);
    return found;
  }

  statuses(): readonly string[] {
    return this.state.steps.map((each) => each.status);
  }

  /** Steps that the newest event dispatched. */
  dispatched(): readonly number[] {
    return this.effects.flatMap((effect) => (effect.type === "dispatch" ? [effect.step] : []));
  }

  /** Steps that the newest event killed. */
  killed(): readonly number[] {
    return this.effects.flatMap((effect) => (effect.type === "kill" ? [effect.step] : []));
  }

  /** Steps that the newest event asks about. */
  asked(): readonly number[] {
    return this.effects.flatMap((effect) => (effect.type === "decide" ? [effect.step] : []));
  }

  /** What else the newest event has the shell do. */
  others(): readonly Effect["type"][] {
    const known: readonly Effect["type"][] = ["dispatch", "kill", "decide", "emit"];
    return this.effects.map(({ type }) => type).filter((type) => !known.includes(type));
  }

  /** Types of the events that the newest event emitted. */
  emitted(): readonly MachineEvent["type"][] {
    return this.effects.flatMap((effect) => (effect.type === "emit" ? [effect.event.type] : []));
  }
}
