/** Test support: watches every transition of a run and throws at the first broken invariant. */
import { isTerminal, nextDeadline } from "./machine.ts";
import { judgeCounters } from "./machine-witness-counters.ts";
import { hasFailedFast, judgeGroups, judgeHalt } from "./machine-witness-groups.ts";
import { CommitLog, LAST_WORDS } from "./machine-witness-log.ts";
import { isOut, isOver, isSatisfying, isStopped, must, planAt } from "./machine-witness-rules.ts";
import { judgeClock, judgeDeadlines, judgeQuestions, judgeSlot } from "./machine-witness-waits.ts";
import { headOf, LEASE_MS, restore, type StoredHead } from "./state.ts";
import type { Effect, RunEvent, RunPlan, RunState, Transition } from "./types.ts";

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

export class Witness {
  readonly #plan: RunPlan;
  readonly #log: CommitLog;

  constructor(plan: RunPlan) {
    this.#plan = plan;
    this.#log = new CommitLog(plan);
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
      const was = old.steps[index];
      must(!was || !isOver(was), `step ${index} changed after it had ended as ${was?.status}`);
    });
    must(rows.steps.length >= before.steps.length, "a step is gone");
    this.#restored(rows, state);
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
    judgeCounters(this.#plan, old, state);
    judgeGroups(this.#plan, state);
    if (!isTerminal(state)) judgeHalt(this.#plan, state);
    judgeDeadlines(this.#plan, state);
    judgeClock(this.#plan, state);
    judgeSlot(this.#plan, old, event, transition);
    judgeQuestions(this.#plan, old, event, transition);
  }

  /** Takes in what a commit made durable. */
  committed(effects: readonly Effect[], state: RunState): void {
    this.#log.append(effects, state);
  }

  /** Judges the whole log once nothing more is to come. */
  history(state: RunState): void {
    this.#log.judge(state);
  }

  /** What is stored is the whole state, but for the order of what is ready. */
  #restored(rows: Rows, state: RunState): void {
    const restored = fromRows(rows);
    const indexOf = ({ ready, timed, deciding }: RunState) =>
      JSON.stringify([sorted(ready), sorted(timed), deciding]);
    must(indexOf(restored) === indexOf(state), "what is ready, timed, decided can be restored");
    must(
      Object.keys(restored).sort().join() === Object.keys(state).sort().join(),
      "nothing of the state goes unstored",
    );
  }

  #dispatches(old: RunState, event: RunEvent, { state, effects }: Transition): void {
    for (const effect of effects) {
      if (effect.type !== "dispatch") continue;
      const { step: index, epoch, attempt } = effect;
      const plan = planAt(this.#plan, state, index);
      const step = state.steps[index];
      // An item may begin in the transition that made it.
      const was = old.steps[index] ?? { epoch: 0, status: "pending", stopping: null };
      must(!step?.items && !plan.gate, `step ${index} has nothing to run`);
      must(step?.group !== null || plan.matrix === null, `group ${index} runs as a step`);
      must(state.cancel_requested_at === null, `step ${index} dispatched after the cancel`);
      must(!state.expired, `step ${index} dispatched after the run's time`);
      const last = effects.findLast((each) => "step" in each && each.step === index);
      must(!step?.stopping || last?.type === "kill", `step ${index} sent after its kill`);
      must(
        attempt >= 1 && attempt <= plan.retry.max_attempts,
        `attempt ${attempt} of step ${index}`,
      );
      for (const above of this.#above(plan.needs)) {
        const step = state.steps[above];
        must(step !== undefined && isOver(step), `step ${index} begins before ${above} has ended`);
      }
      for (const need of plan.needs) {
        const needed = state.steps[need];
        const satisfied = isSatisfying(needed, this.#plan.steps[need]);
        must(
          satisfied || plan.condition?.calls_status === true,
          `step ${index} dispatched while its need ${need} is ${needed?.status}`,
        );
      }
      if (epoch === was.epoch) {
        must(event.type === "timer" || event.type === "recovered", `step ${index} sent twice`);
        must(
          !plan.attached && (was.status === "queued" || plan.durable),
          `step ${index} sent twice as ${was.status}`,
        );
        continue;
      }
      must(epoch === was.epoch + 1, `epoch of step ${index} went from ${was.epoch} to ${epoch}`);
      must(!state.pause_requested, `step ${index} dispatched while paused`);
      must(!isStopped(this.#plan, state, index), `step ${index} began after a failure`);
      must(!hasFailedFast(this.#plan, state, index), `item ${index} began after its group failed`);
    }
  }

  /** Steps, and all that they depend on, however far. */
  #above(needs: readonly number[]): ReadonlySet<number> {
    const above = new Set(needs);
    for (const index of above) {
      for (const need of this.#plan.steps[index]?.needs ?? []) above.add(need);
    }
    return above;
  }

  #kills(old: RunState, event: RunEvent, { state, effects }: Transition, now: number): void {
    const killed = (index: number) =>
      effects.some((effect) => effect.type === "kill" && effect.step === index);
    state.steps.forEach((step, index) => {
      const was = old.steps[index];
      const same = isOut(step) && step.epoch === was?.epoch;
      if (event.type === "cancel" && old.cancel_requested_at === null) {
        must(!same || killed(index), `live step ${index} not killed by the cancel`);
      }
      if (state.cancel_requested_at !== null && isOut(step)) {
        must(step.stopping?.reason === "cancel", `step ${index} is not stopped by the cancel`);
      }
      if (event.type === "recovered" && same) {
        const { attached, durable } = planAt(this.#plan, state, index);
        must(!attached, `attached step ${index} outlived its process`);
        must(!step.stopping || killed(index), `step ${index}'s kill not repeated`);
        const sent = effects.some((effect) => effect.type === "dispatch" && effect.step === index);
        const isSent = !step.stopping && (step.status === "queued" || durable);
        must(sent === isSent, `step ${index} not sent again`);
        const lease = step.lease_until ?? step.stopping?.give_up_at ?? 0;
        must(lease >= now + LEASE_MS, `step ${index} got no lease of grace`);
      }
      must(!step.stopping || isOut(step), `step ${index} is stopped as ${step.status}`);
      const stopped = step.stopping !== null && was?.stopping === null;
      must(!stopped || killed(index), `step ${index} is stopped without a kill`);
    });
  }
}

function sorted(indexes: Iterable<number>): readonly number[] {
  return [...indexes].sort((a, b) => a - b);
}
