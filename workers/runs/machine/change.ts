/** One application of one event: the state it changes and what it has said so far. */
import { isTimed, planOf } from "../state.ts";
import type { Effect, MachineEvent, RunPlan, RunState, StepPlan, StepState } from "../types.ts";

export class Change {
  readonly plan: RunPlan;
  readonly state: RunState;
  readonly now: number;
  readonly effects: Effect[] = [];
  readonly touched = new Set<number>();
  /** A failure of this change stops the run from starting anything more. */
  stopsStarting = false;

  constructor(plan: RunPlan, state: RunState, now: number) {
    this.plan = plan;
    this.state = state;
    this.now = now;
  }

  /** Marks a step as changed; to be called after each change of its status. */
  touch(index: number, step: StepState): void {
    this.touched.add(index);
    if (isTimed(step)) this.state.timed.add(index);
    else this.state.timed.delete(index);
  }

  planOf(index: number): StepPlan {
    return planOf(this.plan, this.state, index);
  }

  due(at: number | null): boolean {
    return at !== null && at <= this.now;
  }

  emit(event: MachineEvent): void {
    this.effects.push({ type: "emit", event });
  }

  /** The run has failed and starts nothing more but what asks for the status of others. */
  get isFailing(): boolean {
    return this.plan.stop_on_failure && this.state.failures > 0;
  }

  /** An item whose group failed fast on another one. */
  isUnwanted(index: number): boolean {
    const group = this.state.steps[index]?.group ?? null;
    if (group === null || !this.planOf(index).matrix?.fail_fast) return false;
    return (this.state.steps[group]?.items?.failed ?? 0) > 0;
  }

  /** Whether a step may begin, or begin again, as far as the run and its group are concerned. */
  mayGoOn(index: number): boolean {
    if (this.state.cancel_requested_at !== null || this.state.expired) return false;
    if (this.isUnwanted(index)) return false;
    return !this.isFailing || this.planOf(index).condition?.calls_status === true;
  }
}
