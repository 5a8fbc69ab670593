/**
 * The run machine: a function of (plan, state, event, now) and nothing else. It decides what
 * starts, what stops and what ends; the coordinator stores what it says and performs the effects.
 *
 * Readiness is by counters: the end of a step costs its out-degree, not the size of the graph.
 * The state handed to `reduce` is consumed: the transition's state is the same object, changed.
 */
import { fraction, retryDelayMs } from "./retry.ts";
import {
  dependents,
  type Failure,
  isTerminal,
  KILL_GRACE_MS,
  LEASE_MS,
  LOST,
  MAX_LOSSES,
  RESEND_MS,
  STOPPED_BY_BACKEND,
  timedOut,
  UNCONFIRMED,
} from "./state.ts";
import { earnsProbation, oneRunsAttached, POISON_DEATHS, POISONED, takeReady } from "./suspects.ts";
import type {
  AttemptResult,
  Effect,
  MachineEvent,
  RunEvent,
  RunPlan,
  RunState,
  StepPlan,
  StepState,
  StepStatus,
  StopCause,
  Transition,
} from "./types.ts";

export { createRun, isTerminal, nextDeadline } from "./state.ts";

/** Applies one event. An event that no longer applies leaves the state as it is. */
export function reduce(plan: RunPlan, state: RunState, event: RunEvent, now: number): Transition {
  const change = new Change(plan, state, now);
  if (!isTerminal(state)) change.apply(event);
  else if ("epoch" in event) change.refuse(event);
  return { state, effects: change.effects, touched: change.touched };
}

/** What names one dispatch of a step. */
function dispatchOf(index: number, step: StepState) {
  return { step: index, attempt: step.attempt, epoch: step.epoch };
}

/** One application of one event: the state it changes and what it has said so far. */
class Change {
  readonly effects: Effect[] = [];
  readonly touched = new Set<number>();
  readonly #plan: RunPlan;
  readonly #state: RunState;
  readonly #now: number;
  /** A failure of this change stops the run from starting anything more. */
  #stopsStarting = false;

  constructor(plan: RunPlan, state: RunState, now: number) {
    this.#plan = plan;
    this.#state = state;
    this.#now = now;
  }

  apply(event: RunEvent): void {
    switch (event.type) {
      case "start":
        this.#start();
        break;
      case "cancel":
        this.#cancel();
        break;
      case "pause":
        this.#pause(event.mode);
        break;
      case "resume":
        this.#resume();
        break;
      case "timer":
        this.#timer();
        break;
      case "recovered":
        this.#recovered();
        break;
      default:
        this.#report(event);
    }
    this.#settle();
  }

  /** Records a report that came too late, or for a dispatch that never was. */
  refuse(event: Extract<RunEvent, { epoch: number }>): void {
    const current = this.#state.steps[event.step]?.epoch ?? 0;
    this.#emit({
      type: "attempt.refused",
      step: event.step,
      epoch: event.epoch,
      current_epoch: current,
      report: event.type,
    });
  }

  #start(): void {
    if (this.#state.started_at !== null || this.#state.ready.length > 0) return;
    if (this.#state.steps.some((step) => step.status !== "pending")) return;
    this.#emit({ type: "run.queued" });
    this.#state.steps.forEach((step, index) => {
      if (step.open_needs === 0) this.#state.ready.push(index);
    });
  }

  #report(event: Extract<RunEvent, { epoch: number }>): void {
    const step = this.#state.steps[event.step];
    const live = step && (step.status === "queued" || step.status === "running");
    if (!live || step.epoch !== event.epoch) {
      this.refuse(event);
      return;
    }
    switch (event.type) {
      case "attempt_started":
        this.#started(event.step, step);
        break;
      case "heartbeat":
        this.#started(event.step, step);
        this.#renew(event.step, step);
        break;
      case "probation_passed":
        if (earnsProbation(step)) step.alone = false;
        this.touched.add(event.step);
        break;
      case "attempt_lost":
        this.#lost(event.step, step, "backend");
        break;
      case "attempt_finished":
        if (event.result.status !== "cancelled" || !step.stopping) this.#started(event.step, step);
        this.#finished(event.step, step, event.result);
        break;
    }
  }

  /** Notes that an attempt runs; its first report says so when the one of its start was lost. */
  #started(index: number, step: StepState): void {
    if (step.status !== "queued") return;
    const plan = this.#planOf(index);
    step.status = "running";
    step.started_at ??= this.#now;
    if (!step.stopping) step.deadline_at = this.#now + plan.timeout_ms;
    this.#renew(index, step);
    if (this.#state.status === "queued") this.#state.status = "running";
    if (this.#state.started_at === null) {
      this.#state.started_at = this.#now;
      if (this.#plan.timeout_ms !== null) {
        this.#state.deadline_at = this.#now + this.#plan.timeout_ms;
      }
      this.#emit({ type: "run.started" });
    }
    this.#emit({ type: "attempt.started", ...dispatchOf(index, step), alone: step.alone });
  }

  #renew(index: number, step: StepState): void {
    this.touched.add(index);
    step.lease_until = this.#planOf(index).attached ? null : this.#now + LEASE_MS;
  }

  #finished(index: number, step: StepState, result: AttemptResult): void {
    const { stopping } = step;
    const started = step.status === "running";
    if (started) this.#emit({ type: "attempt.finished", ...dispatchOf(index, step), result });
    this.#land(index, step);
    step.losses = 0;
    if (result.status === "cancelled" && result.unconfirmed) step.error = UNCONFIRMED;
    if (result.status === "completed") {
      step.exit_code = result.exit_code;
      step.error = null;
      this.#end(index, step, "completed");
    } else if (result.status === "failed") this.#fail(index, step, result);
    else if (!stopping) this.#fail(index, step, STOPPED_BY_BACKEND);
    else if (stopping.reason === "pause") this.#again(index, step);
    else this.#stopped(index, step, stopping.reason, started, result.unconfirmed === true);
  }

  /** Ends an attempt that was stopped for good; one that never started leaves its step unstarted. */
  #stopped(
    index: number,
    step: StepState,
    reason: Exclude<StopCause, "pause">,
    started: boolean,
    unconfirmed: boolean,
  ): void {
    if (!started) this.#abandon(index, step, reason === "cancel" ? "cancelled" : "skipped");
    else if (reason === "cancel") this.#end(index, step, "cancelled");
    else this.#fail(index, step, timedOut(reason, this.#planOf(index).timeout_ms, unconfirmed));
  }

  /** Makes a step ready to be dispatched again as the same try. */
  #again(index: number, step: StepState): void {
    if (this.#failing()) {
      this.#abandon(index, step, "skipped");
      return;
    }
    step.attempt -= 1;
    step.status = "pending";
    this.#state.ready.unshift(index);
  }

  /** Takes an attempt out of flight, whatever comes next. */
  #land(index: number, step: StepState): void {
    this.touched.add(index);
    this.#state.in_flight -= 1;
    step.deadline_at = null;
    step.lease_until = null;
    step.stopping = null;
    step.alone = false;
  }

  #fail(index: number, step: StepState, failure: Failure): void {
    const policy = this.#planOf(index).retry;
    step.exit_code = failure.exit_code;
    step.error = { code: failure.code, message: failure.message };
    const again =
      step.attempt < policy.max_attempts &&
      policy.on.includes(failure.reason) &&
      this.#state.cancel_requested_at === null &&
      !this.#state.expired &&
      !this.#failing();
    if (!again) {
      this.#end(index, step, "failed");
      return;
    }
    const spread = fraction(this.#state.seed, index, step.attempt);
    step.status = "waiting";
    step.retry_at = this.#now + retryDelayMs(policy, step.attempt, spread);
    this.#emit({
      type: "step.waiting",
      step: index,
      attempt: step.attempt,
      retry_at: step.retry_at,
    });
  }

  /** Ends a step and lets its dependents know; skips cascade without recursion. */
  #end(first: number, step: StepState, status: StepStatus): void {
    const queue: [number, StepState, StepStatus][] = [[first, step, status]];
    for (let item = queue.pop(); item; item = queue.pop()) {
      const [index, current, ended] = item;
      this.#close(index, current, ended);
      const tolerated = this.#planOf(index).continue_on_error;
      if (ended === "failed" && !tolerated) {
        if (this.#state.failures === 0) this.#stopsStarting = this.#plan.stop_on_failure;
        this.#state.failures += 1;
        this.#state.error ??= current.error;
      }
      const satisfies = ended === "completed" || (ended === "failed" && tolerated);
      for (const next of dependents(this.#plan)[index] ?? []) {
        const dependent = this.#state.steps[next];
        if (dependent?.status !== "pending") continue;
        dependent.open_needs -= 1;
        if (!satisfies) dependent.blocked = true;
        this.touched.add(next);
        if (dependent.open_needs > 0) continue;
        if (dependent.blocked) {
          this.#emit({ type: "step.skipped", step: next });
          queue.push([next, dependent, "skipped"]);
        } else {
          this.#state.ready.push(next);
        }
      }
    }
  }

  /** Ends a step that does not start, or not again, together with all that has not started. */
  #abandon(index: number, step: StepState, status: "cancelled" | "skipped"): void {
    this.#emit({ type: status === "cancelled" ? "step.cancelled" : "step.skipped", step: index });
    this.#close(index, step, status);
  }

  #close(index: number, step: StepState, status: StepStatus): void {
    step.status = status;
    step.completed_at = this.#now;
    step.retry_at = null;
    this.touched.add(index);
    this.#state.open_steps -= 1;
    if (step.suspicion > 0) this.#state.suspects -= 1;
  }

  #cancel(): void {
    if (this.#state.cancel_requested_at !== null) return;
    this.#state.cancel_requested_at = this.#now;
    this.#emit({ type: "run.cancelling" });
    this.#stopAll("cancel", "cancelled");
  }

  /** Ends every step that has not started and stops every one that has. */
  #stopAll(reason: StopCause, status: "cancelled" | "skipped"): void {
    this.#abandonUnstarted(status);
    this.#state.steps.forEach((step, index) => {
      if (step.status === "queued" || step.status === "running") this.#stop(index, step, reason);
    });
  }

  #stop(index: number, step: StepState, reason: StopCause): void {
    step.stopping = { reason, give_up_at: this.#now + KILL_GRACE_MS };
    step.deadline_at = null;
    if (step.status === "queued") step.lease_until = null;
    this.touched.add(index);
    this.effects.push({ type: "kill", step: index, epoch: step.epoch, reason });
  }

  #pause(mode: "boundary" | "now"): void {
    if (this.#state.cancel_requested_at !== null || this.#state.expired) return;
    if (!this.#state.pause_requested) {
      this.#state.pause_requested = true;
      this.#emit({ type: "run.pausing" });
    }
    if (mode === "boundary") return;
    this.#state.steps.forEach((step, index) => {
      const live = step.status === "queued" || step.status === "running";
      if (live && !step.stopping) this.#stop(index, step, "pause");
    });
  }

  #resume(): void {
    if (!this.#state.pause_requested) return;
    this.#state.pause_requested = false;
    if (this.#state.status === "paused") {
      this.#state.status = this.#state.started_at === null ? "queued" : "running";
    }
    this.#emit({ type: "run.resumed" });
    this.#wake();
  }

  #timer(): void {
    if (this.#due(this.#state.deadline_at) && !this.#state.expired) {
      this.#state.expired = true;
      this.#state.error ??= {
        code: "run_timeout",
        message: `The run was stopped after ${(this.#plan.timeout_ms ?? 0) / 1000} s, its timeout_seconds.`,
      };
      this.#stopAll("run_timeout", "skipped");
    }
    this.#state.steps.forEach((step, index) => {
      if (step.stopping && this.#due(step.stopping.give_up_at)) {
        this.#finished(index, step, { status: "cancelled", unconfirmed: true });
      } else if (this.#due(step.lease_until) && step.status === "queued") {
        this.#send(index, step);
      } else if (this.#due(step.lease_until)) {
        this.#lost(index, step, "lease_expired");
      } else if (this.#due(step.deadline_at)) {
        this.#stop(index, step, "timeout");
      }
    });
    if (!this.#state.pause_requested) this.#wake();
  }

  /** Makes waiting steps ready whose time has come. */
  #wake(): void {
    this.#state.steps.forEach((step, index) => {
      if (step.status !== "waiting" || !this.#due(step.retry_at)) return;
      step.status = "pending";
      step.retry_at = null;
      this.touched.add(index);
      this.#state.ready.push(index);
    });
  }

  #recovered(): void {
    const { steps } = this.#state;
    const sole = oneRunsAttached(this.#plan, this.#state);
    // From the last to the first, so that what goes back to the head of the queue keeps its order.
    for (let index = steps.length - 1; index >= 0; index -= 1) {
      const step = steps[index];
      if (step?.status !== "queued" && step?.status !== "running") continue;
      if (this.#planOf(index).attached) this.#died(index, step, sole);
      else this.#regain(index, step);
    }
  }

  /** Gives a detached attempt a full lease, and repeats what a crash may have kept from being sent. */
  #regain(index: number, step: StepState): void {
    this.touched.add(index);
    step.lease_until = this.#now + LEASE_MS;
    if (step.stopping) this.#stop(index, step, step.stopping.reason);
    else if (step.status === "queued") this.#send(index, step);
  }

  /** An attached attempt ended with its process; one that was running is a suspect. */
  #died(index: number, step: StepState, sole: boolean): void {
    if (step.status === "running") {
      if (step.suspicion === 0) this.#state.suspects += 1;
      step.suspicion += 1;
      if (step.alone && sole) step.alone_deaths += 1;
    }
    this.#lost(index, step, "process_died");
  }

  /** A loss of the infrastructure: the epoch rises with the next dispatch, the attempt does not. */
  #lost(index: number, step: StepState, cause: "process_died" | "lease_expired" | "backend"): void {
    const { stopping } = step;
    const started = step.status === "running";
    if (started) this.#emit({ type: "attempt.lost", ...dispatchOf(index, step), cause });
    this.#land(index, step);
    if (cause !== "process_died") step.error = UNCONFIRMED;
    if (stopping && stopping.reason !== "pause") {
      this.#stopped(index, step, stopping.reason, started, cause !== "process_died");
      return;
    }
    if (cause !== "process_died") step.losses += 1;
    if (step.alone_deaths >= POISON_DEATHS) {
      step.error = POISONED;
      this.#end(index, step, "failed");
    } else if (step.losses >= MAX_LOSSES) {
      step.losses = 0;
      this.#fail(index, step, LOST);
    } else this.#again(index, step);
  }

  /** Dispatches what may start, then ends or pauses the run if nothing is left to do. */
  #settle(): void {
    const state = this.#state;
    if (this.#stopsStarting) this.#abandonUnstarted("skipped");
    const held = state.pause_requested || state.expired || state.cancel_requested_at !== null;
    while (!held && state.in_flight < this.#plan.max_parallel) {
      const index = takeReady(this.#plan, state);
      if (index === undefined) break;
      this.#dispatch(index);
    }
    if (state.open_steps === 0) this.#finish();
    else if (state.pause_requested && state.in_flight === 0 && state.status !== "paused") {
      state.status = "paused";
      this.#emit({ type: "run.paused" });
    }
  }

  /** Ends every step that is not in flight. */
  #abandonUnstarted(status: "cancelled" | "skipped"): void {
    this.#state.ready.length = 0;
    this.#state.steps.forEach((step, index) => {
      if (step.status === "pending" || step.status === "waiting") {
        this.#abandon(index, step, status);
      }
    });
  }

  /** The run has failed and starts nothing more. */
  #failing(): boolean {
    return this.#plan.stop_on_failure && this.#state.failures > 0;
  }

  #dispatch(index: number): void {
    const step = this.#state.steps[index];
    if (!step) return;
    step.status = "queued";
    step.attempt += 1;
    step.epoch += 1;
    step.alone = step.suspicion > 0;
    this.#state.in_flight += 1;
    this.#send(index, step);
  }

  /** Hands an attempt to its backend, which knows one that it already has by its epoch. */
  #send(index: number, step: StepState): void {
    this.touched.add(index);
    step.lease_until = this.#planOf(index).attached ? null : this.#now + RESEND_MS;
    this.effects.push({ type: "dispatch", ...dispatchOf(index, step), alone: step.alone });
  }

  #finish(): void {
    const state = this.#state;
    state.completed_at = this.#now;
    state.pause_requested = false;
    if (state.cancel_requested_at !== null) {
      state.status = "cancelled";
      this.#emit({ type: "run.cancelled" });
    } else if (state.failures > 0 || state.expired) {
      state.status = "failed";
      this.#emit({ type: "run.failed", error: state.error });
    } else {
      state.status = "completed";
      this.#emit({ type: "run.completed" });
    }
  }

  #due(at: number | null): boolean {
    return at !== null && at <= this.#now;
  }

  #planOf(index: number): StepPlan {
    const plan = this.#plan.steps[index];
    if (!plan) throw new RangeError(`the plan has no step ${index}`);
    return plan;
  }

  #emit(event: MachineEvent): void {
    this.effects.push({ type: "emit", event });
  }
}
