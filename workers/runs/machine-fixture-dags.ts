/**
 * Test support: runs of random graphs, driven in a random order. Reports are lost with the process,
 * repeated and late; the process dies between any two events, and what it had in memory is restored
 * from what it stored. Every transition is held against a recount.
 */
import { createRun, isTerminal, nextDeadline, reduce } from "./machine.ts";
import { headOf, isInFlight, planOf, restore } from "./state.ts";
import type {
  Effect,
  RunEvent,
  RunPlan,
  RunState,
  StepState,
  StepStatus,
  Verdict,
} from "./types.ts";

/** What becomes of a step when it is asked for, or runs: scripted, so that an oracle can foretell it. */
export interface Script {
  /** The answer to whether it runs, for one that is asked about; an error fails it. */
  readonly verdict: "run" | "skip" | "fail";
  /** Items of a matrix, and for each whether it fails. */
  readonly items: readonly boolean[];
  /** Whether its attempts, or its gate, fail. */
  readonly fails: boolean;
}

export interface DagScenario {
  readonly plan: RunPlan;
  readonly scripts: readonly Script[];
  readonly seed: number;
  /** Chances in percent. */
  readonly crash: number;
  readonly repeat: number;
  readonly cancels: boolean;
  readonly pauses: boolean;
}

const MAX_EVENTS = 5_000;
const ENDED: ReadonlySet<StepStatus> = new Set(["completed", "failed", "cancelled", "skipped"]);

export function runDag(scenario: DagScenario, from: RunState | null = null): RunState {
  return new DagRun(scenario, from).run();
}

function must(holds: boolean, says: string): void {
  if (!holds) throw new Error(`broken invariant: ${says}`);
}

class DagRun {
  readonly #scenario: DagScenario;
  readonly #random: () => number;
  #state: RunState;
  #stored = "";
  #now = 0;
  /** What will be told to the machine some time. */
  #mail: RunEvent[] = [];
  #terminations = 0;
  readonly #accepted = new Map<number, number>();

  constructor(scenario: DagScenario, from: RunState | null) {
    this.#scenario = scenario;
    this.#random = generator(scenario.seed);
    this.#state = from ?? createRun(scenario.plan, scenario.seed);
    this.#store();
  }

  run(): RunState {
    this.#tell({ type: "start" });
    for (let events = 0; !isTerminal(this.#state); events += 1) {
      must(events < MAX_EVENTS, "the run comes to an end");
      this.#now += Math.floor(this.#random() * 50);
      if (this.#chance(this.#scenario.crash)) this.#crash();
      if (this.#scenario.cancels && this.#chance(1)) this.#tell({ type: "cancel" });
      if (this.#scenario.pauses && this.#chance(5))
        this.#tell({ type: "pause", mode: this.#mode() });
      if (this.#state.pause_requested && this.#chance(30)) this.#tell({ type: "resume" });
      if (!isTerminal(this.#state)) this.#step();
    }
    must(this.#terminations === 1, "one end, said once");
    return this.#state;
  }

  #mode(): "boundary" | "now" {
    return this.#chance(50) ? "now" : "boundary";
  }

  #step(): void {
    const index = Math.floor(this.#random() * this.#mail.length);
    const [event] = this.#mail.splice(index, 1);
    if (event) {
      this.#tell(event);
      if (this.#chance(this.#scenario.repeat)) this.#tell(event);
      return;
    }
    if (this.#openGate()) return;
    const deadline = nextDeadline(this.#state);
    if (deadline !== null) {
      this.#now = Math.max(this.#now, deadline);
      this.#tell({ type: "timer" });
    } else if (this.#state.pause_requested) this.#tell({ type: "resume" });
    else throw new Error("broken invariant: nothing moves the run");
  }

  /** Somebody passes, or refuses, a gate that is open. */
  #openGate(): boolean {
    for (const index of this.#state.timed) {
      const { gate } = planOf(this.#scenario.plan, this.#state, index);
      if (this.#state.steps[index]?.status !== "waiting" || gate === null) continue;
      const approved = this.#scriptOf(index)?.fails !== true;
      if (gate.type === "approval") {
        this.#tell({ type: "approve", step: index, approved, by: "me", comment: null });
        return true;
      }
      if (gate.type === "signal" && approved) {
        this.#tell({ type: "signal", name: gate.signal ?? "", id: `${index}` });
        return true;
      }
    }
    return false;
  }

  #tell(first: RunEvent): void {
    const before = JSON.stringify(this.#state.steps);
    const was = isTerminal(this.#state);
    const transition = reduce(this.#scenario.plan, this.#state, first, this.#now);
    this.#state = transition.state;
    this.#judge(JSON.parse(before), was, first, transition.effects, transition.touched);
    this.#store();
    for (const effect of transition.effects) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case "dispatch": {
        const { step, epoch } = effect;
        this.#mail.push({ type: "attempt_started", step, epoch });
        this.#mail.push({ type: "attempt_finished", step, epoch, result: this.#outcome(step) });
        break;
      }
      case "kill": {
        const { step, epoch } = effect;
        this.#mail.push({ type: "attempt_finished", step, epoch, result: { status: "cancelled" } });
        break;
      }
      case "decide":
        this.#mail.push({
          type: "decided",
          step: effect.step,
          verdict: this.#verdict(effect.step),
        });
        break;
      case "conclude":
        this.#mail.push({ type: "concluded", error: null });
        break;
      case "acquire_slot":
        this.#mail.push({ type: "slot_granted" });
        break;
      default:
        break;
    }
  }

  #verdict(step: number): Verdict {
    const script = this.#scriptOf(step);
    if (script?.verdict === "skip") return { do: "skip" };
    if (script?.verdict === "fail") {
      return { do: "fail", error: { code: "decision_failed", message: "no" } };
    }
    const plan = planOf(this.#scenario.plan, this.#state, step);
    if (plan.matrix) return { do: "expand", items: script?.items.length ?? 0 };
    return plan.gate?.type === "duration" ? { do: "run", wait_ms: 10 } : { do: "run" };
  }

  #outcome(index: number) {
    const step = this.#state.steps[index];
    const script = this.#scriptOf(index);
    const fails = step?.item === null ? script?.fails : script?.items[step?.item ?? 0];
    return fails
      ? ({ status: "failed", reason: "exit", exit_code: 1, code: "exit", message: "no" } as const)
      : ({ status: "completed", exit_code: 0 } as const);
  }

  #scriptOf(index: number): Script | undefined {
    return this.#scenario.scripts[this.#state.steps[index]?.group ?? index];
  }

  #store(): void {
    const steps = this.#state.steps;
    this.#stored = JSON.stringify({ head: headOf(this.#state), steps });
    const again = this.#restored();
    const sorted = (list: Iterable<number>) => [...list].sort((a, b) => a - b);
    if (isTerminal(this.#state)) return;
    must(
      JSON.stringify(sorted(again.ready)) === JSON.stringify(sorted(this.#state.ready)),
      `ready is found again: ${sorted(again.ready)} for ${sorted(this.#state.ready)}`,
    );
    must(
      JSON.stringify(sorted(again.timed)) === JSON.stringify(sorted(this.#state.timed)),
      "timed is found again",
    );
    must(again.deciding === this.#state.deciding, "deciding is found again");
  }

  #restored(): RunState {
    const { head, steps } = JSON.parse(this.#stored);
    return restore(head, steps);
  }

  /** The process dies: attached attempts with it, and what was asked and not answered. */
  #crash(): void {
    this.#state = this.#restored();
    this.#mail = this.#mail.filter((event) => "epoch" in event && !this.#isAttached(event.step));
    this.#tell({ type: "recovered" });
  }

  #isAttached(index: number): boolean {
    return planOf(this.#scenario.plan, this.#state, index).attached;
  }

  #chance(percent: number): boolean {
    return this.#random() * 100 < percent;
  }

  #judge(
    before: readonly StepState[],
    wasOver: boolean,
    event: RunEvent,
    effects: readonly Effect[],
    touched: ReadonlySet<number>,
  ): void {
    const { plan } = this.#scenario;
    const state = this.#state;
    const isOver = isTerminal(state);
    if (isOver && !wasOver) this.#terminations += 1;
    state.steps.forEach((step, index) => {
      const old = before[index];
      if (old && JSON.stringify(old) === JSON.stringify(step)) return;
      must(touched.has(index), `step ${index} changed untouched by ${event.type}`);
      must(!old || !ENDED.has(old.status), `step ${index} changed after its end`);
    });
    const own = state.steps.filter((step) => step.group === null);
    must(state.open_steps === state.steps.filter(isOpen).length, "open_steps");
    must(state.in_flight === state.steps.filter(inFlight).length, "in_flight");
    must(state.in_flight <= plan.max_parallel, "max_parallel");
    const failures = own.filter((step, index) => isFailure(plan, state, step, index)).length;
    must(state.failures === failures, `failures: ${state.failures} for ${failures}`);
    for (const [index, step] of own.entries()) this.#judgeGroup(step, index);
    for (const effect of effects) {
      if (effect.type === "dispatch") this.#judgeDispatch(effect.step, effect.epoch);
    }
    if (plan.slotted && state.in_flight > state.resting && event.type !== "recovered") {
      must(state.slot !== "none", "what is in flight has a slot");
    }
  }

  #judgeGroup(step: StepState, index: number): void {
    const { items } = step;
    if (!items) return;
    const all = this.#state.steps.slice(items.first, items.first + items.count);
    must(
      all.length === items.count && all.every((item) => item.group === index),
      "items are there",
    );
    must(items.open === all.filter(isOpen).length, "open items");
    must(ENDED.has(step.status) === (items.open === 0), "a group ends with its last item");
    const limit = this.#scenario.plan.steps[index]?.matrix?.max_parallel ?? items.count;
    must(all.filter(inFlight).length <= limit, "items at once");
  }

  #judgeDispatch(index: number, epoch: number): void {
    const { plan } = this.#scenario;
    const state = this.#state;
    const known = this.#accepted.get(index) ?? 0;
    must(known <= epoch, `epoch ${epoch} of step ${index} does not fall`);
    // What its backend may not have got is sent again, whatever has come of the run.
    if (known === epoch) return;
    this.#accepted.set(index, epoch);
    must(state.cancel_requested_at === null, `step ${index} dispatched after the cancel`);
    must(!state.pause_requested, `step ${index} dispatched while paused`);
    must(!plan.slotted || state.slot === "held", `step ${index} dispatched without a slot`);
    const its = planOf(plan, state, index);
    const asksStatus = its.condition?.calls_status === true;
    if (plan.stop_on_failure && state.failures > 0) {
      must(asksStatus, `step ${index} began after a failure`);
    }
    for (const need of its.needs) {
      const step = state.steps[need];
      must(step !== undefined && ENDED.has(step.status), `need ${need} of ${index} is open`);
      if (!asksStatus) must(satisfies(plan, state, need), `need ${need} of ${index} is not met`);
    }
  }
}

const isOpen = (step: StepState) => !ENDED.has(step.status);
const inFlight = (step: StepState) => isInFlight(step) && step.items === null;

function isFailure(plan: RunPlan, state: RunState, step: StepState, index: number): boolean {
  if (step.reused_from) return false;
  if (step.status === "failed") return plan.steps[index]?.continue_on_error !== true;
  return step.status === "cancelled" && state.cancel_requested_at === null;
}

function satisfies(plan: RunPlan, state: RunState, index: number): boolean {
  const status = state.steps[index]?.status;
  const isTolerated = plan.steps[index]?.continue_on_error === true;
  return status === "completed" || (status === "failed" && isTolerated);
}

/** Numbers in [0, 1), the same ones for the same seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
