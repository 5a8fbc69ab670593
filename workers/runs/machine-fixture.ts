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

  constructor(runPlan: RunPlan) {
    this.plan = runPlan;
    this.state = createRun(runPlan, 7);
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

  /** Types of the events that the newest event emitted. */
  emitted(): readonly MachineEvent["type"][] {
    return this.effects.flatMap((effect) => (effect.type === "emit" ? [effect.event.type] : []));
  }
}
