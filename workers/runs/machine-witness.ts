/** Test support: watches every transition of a run and throws at the first broken invariant. */
import { isTerminal, nextDeadline } from "./machine.ts";
import { headOf, LEASE_MS, restore, type StoredHead } from "./state.ts";
import { SOLITARY_DEATHS } from "./suspects.ts";
import type {
  Effect,
  MachineEvent,
  RunEvent,
  RunPlan,
  RunState,
  StepStatus,
  Transition,
} from "./types.ts";

const ENDED: readonly StepStatus[] = ["completed", "failed", "cancelled", "skipped"];
const LAST_WORDS: readonly MachineEvent["type"][] = [
  "run.completed",
  "run.failed",
  "run.cancelled",
];

/** What the store keeps: the run without its steps, and a row for each step. */
export interface Rows {
  readonly run: string;
  readonly steps: readonly string[];
}

export function toRows(state: RunState): Rows {
  return {
    run: JSON.stringify(headOf(state)),
    steps: state.steps.map((step) => JSON.stringify(step)),
  };
}

export function fromRows(rows: Rows): RunState {
  const head: StoredHead = JSON.parse(rows.run);
  return restore(
    head,
    rows.steps.map((row) => JSON.parse(row)),
  );
}

export function isLive(status: StepStatus): boolean {
  return status === "queued" || status === "running";
}

function must(holds: boolean, says: string): void {
  if (!holds) throw new Error(`broken invariant: ${says}`);
}

export class Witness {
  /** The committed event log. */
  readonly log: MachineEvent[] = [];
  readonly #plan: RunPlan;

  constructor(plan: RunPlan) {
    this.#plan = plan;
  }

  /** Judges one call of `reduce`. `before` are the rows of the state it consumed. */
  transition(before: Rows, event: RunEvent, transition: Transition, now: number): void {
    const { state, effects, touched } = transition;
    const old = fromRows(before);
    const rows = toRows(state);
    const changed = rows.run !== before.run || rows.steps.some((row, i) => row !== before.steps[i]);
    rows.steps.forEach((row, index) => {
      if (row === before.steps[index]) return;
      must(touched.has(index), `step ${index} changed untouched`);
      const was = old.steps[index]?.status ?? "pending";
      must(!ENDED.includes(was), `step ${index} changed after it had ended as ${was}`);
    });
    const ends = effects.filter((e) => e.type === "emit" && LAST_WORDS.includes(e.event.type));
    must(ends.length === (isTerminal(state) && !isTerminal(old) ? 1 : 0), "one end, said once");
    if (isTerminal(old)) {
      must(!changed, "a terminal run changed");
      for (const effect of effects) {
        must(
          effect.type === "emit" && effect.event.type === "attempt.refused",
          "an act after the end",
        );
      }
      return;
    }
    const due = nextDeadline(old);
    if (event.type === "timer") {
      must(
        changed === (due !== null && due <= now),
        `a timer at ${now}, due ${due}, changed ${changed}`,
      );
    }
    this.#dispatches(old, event, transition);
    this.#kills(old, event, transition, now);
    this.#structure(state);
    this.#deadlines(state);
  }

  #dispatches(old: RunState, event: RunEvent, { state, effects }: Transition): void {
    for (const effect of effects) {
      if (effect.type !== "dispatch") continue;
      const { step: index, epoch, attempt } = effect;
      const plan = this.#plan.steps[index];
      const was = old.steps[index];
      if (!plan || !was) throw new Error(`broken invariant: dispatch of no step ${index}`);
      must(state.cancel_requested_at === null, `step ${index} dispatched after the cancel`);
      must(!state.expired, `step ${index} dispatched after the run's time`);
      must(
        attempt >= 1 && attempt <= plan.retry.max_attempts,
        `attempt ${attempt} of step ${index}`,
      );
      for (const need of plan.needs) {
        const status = state.steps[need]?.status;
        const tolerated = this.#plan.steps[need]?.continue_on_error === true;
        const satisfied = status === "completed" || (status === "failed" && tolerated);
        must(satisfied, `step ${index} dispatched while its need ${need} is ${status}`);
      }
      if (epoch === was.epoch) {
        must(event.type === "timer" || event.type === "recovered", `step ${index} sent twice`);
        must(
          was.status === "queued" && !plan.attached,
          `step ${index} sent twice as ${was.status}`,
        );
        continue;
      }
      must(epoch === was.epoch + 1, `epoch of step ${index} went from ${was.epoch} to ${epoch}`);
      must(!state.pause_requested, `step ${index} dispatched while paused`);
      must(
        !(this.#plan.stop_on_failure && state.failures > 0),
        `step ${index} began after a failure`,
      );
    }
  }

  #kills(old: RunState, event: RunEvent, { state, effects }: Transition, now: number): void {
    const killed = (index: number) =>
      effects.some((effect) => effect.type === "kill" && effect.step === index);
    state.steps.forEach((step, index) => {
      const was = old.steps[index];
      const same = isLive(step.status) && step.epoch === was?.epoch;
      if (event.type === "cancel" && old.cancel_requested_at === null) {
        must(!same || killed(index), `live step ${index} not killed by the cancel`);
      }
      if (event.type === "recovered" && same) {
        must(
          this.#plan.steps[index]?.attached === false,
          `attached step ${index} outlived its process`,
        );
        must(!step.stopping || killed(index), `step ${index}'s kill not repeated`);
        const sent = effects.some((effect) => effect.type === "dispatch" && effect.step === index);
        must(sent === (step.status === "queued" && !step.stopping), `step ${index} not sent again`);
        const lease = step.lease_until ?? step.stopping?.give_up_at ?? 0;
        must(lease >= now + LEASE_MS, `step ${index} got no lease of grace`);
      }
      must(!step.stopping || isLive(step.status), `step ${index} is stopped as ${step.status}`);
      const stopped = step.stopping !== null && was?.stopping === null;
      must(!stopped || killed(index), `step ${index} is stopped without a kill`);
    });
  }

  #structure(state: RunState): void {
    const { steps, ready } = state;
    const count = (test: (step: (typeof steps)[number], index: number) => boolean) =>
      steps.filter(test).length;
    const ended = (step: { status: StepStatus }) => ENDED.includes(step.status);
    must(state.in_flight === count((s) => isLive(s.status)), "in_flight is what is in flight");
    must(state.in_flight <= this.#plan.max_parallel, "max_parallel");
    must(state.open_steps === count((s) => !ended(s)), "open_steps is what has not ended");
    must(state.suspects === count((s) => !ended(s) && s.suspicion > 0), "suspects is what is open");
    const failures = count(
      (s, i) => s.status === "failed" && !this.#plan.steps[i]?.continue_on_error,
    );
    must(state.failures === failures, "failures is what failed");
    must(isTerminal(state) === (state.open_steps === 0), "the run ends with its last step");
    must(state.status !== "paused" || state.in_flight === 0, "a paused run has nothing in flight");
    must(count((s) => s.alone) <= 1, "suspects run one at a time");
    if (steps.some((s) => s.alone && s.suspicion >= SOLITARY_DEATHS)) {
      const beside = count((s, i) => isLive(s.status) && this.#plan.steps[i]?.attached === true);
      must(beside === 1, "a solitary suspect runs with nothing attached beside it");
    }
    must(new Set(ready).size === ready.length, "ready has no duplicates");
    for (const index of ready) {
      must(steps[index]?.status === "pending", `ready step ${index} is ${steps[index]?.status}`);
    }
    steps.forEach((step, index) => {
      if (step.status !== "pending") return;
      const open = (this.#plan.steps[index]?.needs ?? []).filter(
        (need) => !ENDED.includes(steps[need]?.status ?? "pending"),
      );
      must(step.open_needs === open.length, `step ${index} counts ${step.open_needs} open needs`);
      const begun = state.started_at !== null || state.in_flight > 0 || ready.length > 0;
      if (begun && open.length === 0) must(ready.includes(index), `step ${index} is forgotten`);
    });
    const held = state.pause_requested || state.expired || state.cancel_requested_at !== null;
    if (!held && ready.length > 0 && state.in_flight < this.#plan.max_parallel) {
      const attached = count((s, i) => isLive(s.status) && this.#plan.steps[i]?.attached === true);
      const waits = ready.some((index) => (steps[index]?.suspicion ?? 0) >= SOLITARY_DEATHS);
      const room = count((s) => s.alone) === 0 && !(waits && attached > 0);
      must(!room, "what is ready starts while there is room");
      for (const index of ready) {
        must(
          this.#plan.steps[index]?.attached === true,
          `detached step ${index} waits for suspects`,
        );
      }
    }
    if (!held && state.started_at !== null && !isTerminal(state)) {
      must(
        state.in_flight > 0 || count((s) => s.status === "waiting") > 0,
        "the run has come to a halt",
      );
    }
  }

  /** Everything that can wait for ever has a time at which it stops waiting. */
  #deadlines(state: RunState): void {
    if (isTerminal(state)) return;
    const next = nextDeadline(state) ?? Number.POSITIVE_INFINITY;
    const wakes = (at: number | null | undefined, what: string) =>
      must(typeof at === "number" && next <= at, `${what} is due at ${at}, the timer at ${next}`);
    if (state.deadline_at !== null && !state.expired) wakes(state.deadline_at, "the run");
    state.steps.forEach((step, index) => {
      const detached = this.#plan.steps[index]?.attached === false;
      if (step.status === "waiting" && !state.pause_requested)
        wakes(step.retry_at, `retry ${index}`);
      if (!isLive(step.status)) return;
      if (step.stopping) wakes(step.stopping.give_up_at, `kill ${index}`);
      else if (step.status === "running") wakes(step.deadline_at, `deadline ${index}`);
      if (detached && !step.stopping) wakes(step.lease_until, `lease ${index}`);
    });
  }

  /** Takes in what a commit made durable. */
  committed(effects: readonly Effect[]): void {
    for (const effect of effects) if (effect.type === "emit") this.log.push(effect.event);
  }

  /** Judges the whole log once nothing more is to come. */
  history(state: RunState): void {
    const open = new Map<number, number>();
    const newest = new Map<number, { epoch: number; attempt: number; completed: boolean }>();
    let over = false;
    let begun = false;
    for (const event of this.log) {
      if (event.type === "attempt.refused") continue;
      must(!over, `${event.type} after the end`);
      if (LAST_WORDS.includes(event.type)) over = true;
      if (event.type === "run.started") {
        must(!begun, "the run started twice");
        begun = true;
      }
      if (event.type === "attempt.started") {
        const last = newest.get(event.step);
        must(begun, "an attempt before run.started");
        must(!open.has(event.step), `step ${event.step} started beside itself`);
        must(!last?.completed, `step ${event.step} started after its result`);
        must(event.epoch > (last?.epoch ?? 0), `epochs of step ${event.step} rise`);
        must(event.attempt >= (last?.attempt ?? 1), `attempts of step ${event.step} do not fall`);
        open.set(event.step, event.epoch);
        newest.set(event.step, { ...event, completed: false });
      } else if (event.type === "attempt.finished" || event.type === "attempt.lost") {
        must(
          open.get(event.step) === event.epoch,
          `${event.type} of step ${event.step} without start`,
        );
        open.delete(event.step);
        const completed = event.type === "attempt.finished" && event.result.status === "completed";
        newest.set(event.step, { ...event, completed });
      } else if (event.type === "step.skipped" || event.type === "step.cancelled") {
        must(!open.has(event.step), `${event.type} of step ${event.step}, which runs`);
      }
    }
    must(over, "the log has no end");
    must(open.size === 0, "an attempt without an end");
    state.steps.forEach((step, index) => {
      const completed = newest.get(index)?.completed === true;
      must(completed === (step.status === "completed"), `step ${index} ended as its log says`);
    });
  }
}
