/**
 * Test support: a run with everything around it, in virtual time and from one seed. The process
 * dies before and after commits and between effects, reports are lost, repeated, late and out of
 * order, and the wall clock jumps. `Witness` judges each transition.
 */
import { createRun, isTerminal, nextDeadline, reduce } from "./machine.ts";
import {
  type Behaviour,
  behaviourOf,
  type Fault,
  type Place,
  placeOf,
  type Scenario,
  verdictOf,
} from "./machine-simulator-scenario.ts";
import { fromRows, type Rows, toRows, Witness } from "./machine-witness.ts";
import { isInFlight, planOf } from "./state.ts";
import type { AttemptResult, Effect, RunEvent, RunState, StopCause } from "./types.ts";

export interface Outcome {
  readonly state: RunState;
  /** Deaths of the process: those that faults caused, and those that attempts did. */
  readonly crashes: number;
  readonly poisonings: number;
}

interface Body {
  readonly step: number;
  readonly epoch: number;
  readonly durable: boolean;
  /** It says at times that it only waits; one that is to vanish does not come to that. */
  readonly rests: boolean;
  /** The life of the process that it dies with; null for a detached one. */
  readonly life: number | null;
  /** What it came to; null while it runs. */
  result: AttemptResult | "vanished" | null;
}

const HEARTBEAT_MS = 3_000;
const PROBATION_MS = 1_000;
const JUMPS_MS = [-40_000, 25_000, 3_600_000];
/** Far above what the longest scenario takes: reached only by a run that spins. */
const MAX_TURNS = 20_000;

/** Runs a scenario to its end, from a state that has not begun. */
export function simulate(scenario: Scenario, from?: RunState): Outcome {
  return new Simulation(scenario, from ?? createRun(scenario.plan, scenario.seed)).run();
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #witness: Witness;
  readonly #random: () => number;
  readonly #bodies = new Map<string, Body>();
  #turns: { readonly at: number; readonly act: () => void }[] = [];
  #now = 0;
  /** Wall clock minus virtual time. */
  #skew = 0;
  #budget: number;
  #rows: Rows;
  /** The coordinator's memory; null while its process is down. */
  #memory: RunState | null;
  /** Where each committed step stands. */
  readonly #places: Place[] = [];
  /** Signals that the run has taken in. */
  readonly #signals = new Set<string>();
  #life = 0;
  #alarm = 0;
  #crashes = 0;
  #poisonings = 0;

  constructor(scenario: Scenario, from: RunState) {
    this.#scenario = scenario;
    this.#witness = new Witness(scenario.plan);
    this.#random = generator(scenario.seed);
    this.#budget = scenario.faults.budget;
    this.#memory = from;
    this.#rows = toRows(from);
    this.#place(from);
  }

  run(): Outcome {
    this.#command({ type: "start" });
    for (const { at, event } of this.#scenario.commands) {
      this.#later(at, () => this.#command(event));
    }
    this.#scenario.plan.steps.forEach(({ gate }, index) => {
      const passage = this.#scenario.scripts[index]?.passage;
      if (gate?.type !== "signal" || !passage) return;
      const name = gate.signal ?? "";
      this.#later(passage.after_ms, () => this.#command({ type: "signal", name, id: `s${index}` }));
    });
    for (let turns = 0; ; turns += 1) {
      if (turns > MAX_TURNS) throw new Error("broken invariant: the run spins");
      const turn = this.#turns.shift();
      if (turn) {
        this.#now = turn.at;
        turn.act();
        continue;
      }
      const state = fromRows(this.#rows);
      if (isTerminal(state)) break;
      if (state.status === "paused") this.#command({ type: "resume" });
      else this.#passGates(state);
    }
    const state = fromRows(this.#rows);
    this.#witness.history(state);
    return { state, crashes: this.#crashes, poisonings: this.#poisonings };
  }

  /** What waits without a limit, and nothing else, is passed from outside once nothing else moves. */
  #passGates(state: RunState): void {
    const open = state.steps.flatMap((step, index) =>
      step.status === "waiting" && step.retry_at === null && step.gate_until === null
        ? [index]
        : [],
    );
    if (open.length === 0) throw new Error("broken invariant: nothing moves the run");
    for (const step of open) {
      const gate = this.#scenario.plan.steps[step]?.gate;
      if (gate?.type === "approval") this.#command(approval(step, true));
      else this.#command({ type: "signal", name: gate?.signal ?? "", id: `late${step}` });
    }
  }

  #place(state: RunState): void {
    for (let index = this.#places.length; index < state.steps.length; index += 1) {
      this.#places.push(placeOf(state, index));
    }
  }

  /** At the end of the run no stopped attempt still runs, unless its step says that it may. */
  #survivors(state: RunState): void {
    for (const body of this.#bodies.values()) {
      const step = state.steps[body.step];
      if (this.#ended(body) || step?.epoch !== body.epoch) continue;
      const stopped = step.status === "cancelled" || step.error?.code.endsWith("timeout") === true;
      if (stopped && !step.error?.message.includes("did not confirm")) {
        throw new Error(`broken invariant: step ${body.step} runs on after its stop`);
      }
    }
  }

  #later(delay: number, act: () => void): void {
    const at = this.#now + delay;
    let index = this.#turns.length;
    while (index > 0 && (this.#turns[index - 1]?.at ?? 0) > at) index -= 1;
    this.#turns.splice(index, 0, { at, act });
  }

  #between(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  /** Whether a fault happens here. */
  #fault(kind: Fault): boolean {
    if (this.#budget === 0 || this.#random() * 100 >= this.#scenario.faults[kind]) return false;
    this.#budget -= 1;
    return true;
  }

  /** A client's request, repeated until the process answers. */
  #command(event: RunEvent): void {
    if (event.type === "signal" && this.#signals.has(event.id)) return;
    if (!this.#handle(event)) this.#later(500, () => this.#command(event));
  }

  /** Reduces, commits and performs, as the coordinator does; false when the process gave no answer. */
  #handle(first: RunEvent): boolean {
    const state = this.#memory;
    if (!state) return false;
    if (this.#fault("jump")) this.#skew += JUMPS_MS[this.#between(0, 2)] ?? 0;
    const wall = this.#now + this.#skew;
    const stored = [...this.#rows.steps];
    const effects: Effect[] = [];
    const done = new Set<Effect>();
    const events: RunEvent[] = [first];
    for (let event = events.shift(); event; event = events.shift()) {
      const before = toRows(state);
      const transition = reduce(this.#scenario.plan, state, event, wall);
      this.#witness.transition(before, event, transition, wall);
      for (const index of transition.touched) stored[index] = JSON.stringify(state.steps[index]);
      effects.push(...transition.effects);
      for (const effect of transition.effects) {
        const follow = this.#atOnce(state, effect);
        if (!follow) continue;
        done.add(effect);
        events.push(follow);
      }
    }
    if (this.#fault("crash")) {
      this.#crash();
      return false;
    }
    const ended = isTerminal(state) && !isTerminal(fromRows(this.#rows));
    if (ended) this.#survivors(state);
    this.#rows = { run: toRows(state).run, steps: stored };
    this.#place(state);
    this.#witness.committed(effects, state);
    this.#watch(effects);
    this.#arm();
    for (const effect of effects) {
      if (effect.type === "emit" || effect.type === "take_signal") continue;
      if (this.#fault("crash")) this.#crash();
      if (this.#memory !== state) return false;
      this.#perform(effect, done.has(effect));
    }
    return true;
  }

  /** What an effect leads to within the commit that has it; null when that comes later. */
  #atOnce(state: RunState, effect: Effect): RunEvent | null {
    if (effect.type === "dispatch") {
      // An attached attempt whose place is free starts in the commit that dispatches it.
      const { attached } = planOf(this.#scenario.plan, state, effect.step);
      if (!attached || effect.alone || this.#random() < 0.3) return null;
      return { type: "attempt_started", step: effect.step, epoch: effect.epoch };
    }
    const isQuestion = effect.type === "decide" || effect.type === "conclude";
    return isQuestion && this.#random() < 0.6 ? this.#answer(state, effect) : null;
  }

  #answer(state: RunState, effect: Extract<Effect, { type: "decide" | "conclude" }>): RunEvent {
    if (effect.type === "conclude") {
      const message = this.#scenario.outputs_error;
      const error = message === null ? null : { code: "expression_invalid", message };
      return { type: "concluded", error };
    }
    const { step } = effect;
    const plan = this.#scenario.plan.steps[step];
    const script = this.#scenario.scripts[step];
    const flags = state.steps[step];
    if (!plan || !script || !flags) throw new Error(`broken invariant: no step ${step} to decide`);
    return { type: "decided", step, verdict: verdictOf(plan, script, flags) };
  }

  /** Clients see what was committed, and do their part. */
  #watch(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type !== "emit") continue;
      const { event } = effect;
      if (event.type === "signal.received") this.#signals.add(event.id);
      if (event.type !== "gate.opened" || event.gate !== "approval") continue;
      const passage = this.#scenario.scripts[event.step]?.passage;
      if (!passage) continue;
      for (let copies = this.#fault("duplicate") ? 2 : 1; copies > 0; copies -= 1) {
        this.#later(passage.after_ms, () => this.#command(approval(event.step, passage.approved)));
      }
    }
  }

  #perform(effect: Exclude<Effect, { type: "emit" | "take_signal" }>, done: boolean): void {
    switch (effect.type) {
      case "dispatch":
      case "kill":
        this.#send(effect, done);
        break;
      case "decide":
      case "conclude":
        if (!done) this.#answerLater(effect);
        break;
      case "acquire_slot":
        this.#later(
          this.#between(0, 4_000),
          this.#inLife(() => this.#grant()),
        );
        break;
      case "release_slot":
        break;
    }
  }

  /** An answer that takes time is lost with the process that works on it. */
  #answerLater(effect: Extract<Effect, { type: "decide" | "conclude" }>): void {
    for (let copies = this.#fault("duplicate") ? 2 : 1; copies > 0; copies -= 1) {
      const act = () => {
        if (this.#memory) this.#handle(this.#answer(this.#memory, effect));
      };
      this.#later(this.#between(0, 3_000), this.#inLife(act));
    }
  }

  #grant(): void {
    if (this.#memory?.slot !== "asked") return;
    this.#handle({ type: "slot_granted" });
    if (!this.#fault("slot")) return;
    const lose = () => {
      if (this.#memory?.slot === "held") this.#handle({ type: "slot_lost" });
    };
    this.#later(this.#between(0, 6_000), this.#inLife(lose));
  }

  /** An act of this life of the process. */
  #inLife(act: () => void): () => void {
    const life = this.#life;
    return () => {
      if (this.#life === life && this.#memory) act();
    };
  }

  #send(effect: Extract<Effect, { type: "dispatch" | "kill" }>, begun: boolean): void {
    const { step, epoch } = effect;
    if (this.#plan(step).attached) {
      if (effect.type === "kill") {
        const stop = () => this.#stopped(step, epoch, effect.reason);
        this.#later(this.#between(0, 2_000), this.#inLife(stop));
      } else if (begun) this.#execute(step, epoch, effect.attempt);
      else {
        const begin = () => this.#begin(step, epoch, effect.attempt);
        this.#later(this.#between(0, 2_000), this.#inLife(begin));
      }
      return;
    }
    for (let copies = this.#fault("duplicate") ? 2 : 1; copies > 0; copies -= 1) {
      if (effect.type === "kill" && this.#fault("drop")) continue;
      this.#later(this.#between(0, 1_000), () => {
        if (effect.type === "kill") this.#stopped(step, epoch, effect.reason);
        else this.#arrive(step, epoch, effect.attempt);
      });
    }
  }

  /** A dispatch that waited for its slot starts, unless it was stopped meanwhile. */
  #begin(step: number, epoch: number, attempt: number): void {
    const current = this.#memory?.steps[step];
    if (current?.status !== "queued" || current.epoch !== epoch || current.stopping) return;
    this.#handle({ type: "attempt_started", step, epoch });
    const started = this.#memory?.steps[step];
    if (started?.status === "running" && started.epoch === epoch)
      this.#execute(step, epoch, attempt);
  }

  /** A dispatch reaches its backend, perhaps not for the first time. */
  #arrive(step: number, epoch: number, attempt: number): void {
    const known = this.#bodies.get(`${step}/${epoch}`);
    if (!known) this.#execute(step, epoch, attempt);
    else if (known.result !== null) this.#tell(known);
    else
      this.#report(known, { type: known.durable ? "heartbeat" : "attempt_started", step, epoch });
  }

  #execute(step: number, epoch: number, attempt: number): void {
    const { attached, durable } = this.#plan(step);
    const life = attached ? this.#life : null;
    const place = this.#places[step] ?? { plan: step, item: 0 };
    const behaviour = behaviourOf(this.#scenario, place, attempt);
    const rests = durable && behaviour.kind !== "vanish" && behaviour.kind !== "poison";
    const body: Body = { step, epoch, durable, rests, life, result: null };
    this.#bodies.set(`${step}/${epoch}`, body);
    this.#later(behaviour.after_ms, () => this.#act(body, behaviour.kind));
    if (life === null) {
      this.#report(body, { type: "attempt_started", step, epoch });
      this.#later(HEARTBEAT_MS, () => this.#beat(body));
    } else if (this.#memory?.steps[step]?.alone) {
      const { suspicion } = this.#memory.steps[step];
      this.#later(PROBATION_MS * 2 ** (suspicion - 1), () => {
        if (!this.#ended(body)) this.#handle({ type: "probation_passed", step, epoch });
      });
    }
  }

  #act(body: Body, kind: Behaviour["kind"]): void {
    if (this.#ended(body) || kind === "hang") return;
    if (kind === "poison" && body.life !== null) {
      this.#poisonings += 1;
      this.#crash();
    } else if (kind === "poison" || kind === "vanish") {
      body.result = "vanished";
      if (body.life !== null) this.#tell(body);
    } else {
      body.result = RESULTS[kind];
      this.#tell(body);
    }
  }

  /** A kill reaches the code; one that never arrived will not start any more. */
  #stopped(step: number, epoch: number, reason: StopCause): void {
    const { attached, durable } = this.#plan(step);
    const life = attached ? this.#life : null;
    const key = `${step}/${epoch}`;
    const body = this.#bodies.get(key) ?? {
      step,
      epoch,
      durable,
      rests: false,
      life,
      result: null,
    };
    this.#bodies.set(key, body);
    if (body.result === null) {
      const late = reason === "timeout" || reason === "run_timeout";
      body.result = late && this.#random() < 0.5 ? TIMED_OUT : { status: "cancelled" };
    }
    this.#tell(body);
  }

  #beat(body: Body): void {
    if (this.#ended(body)) return;
    const { step, epoch } = body;
    const resting = body.rests && this.#random() < 0.5 ? { resting: this.#random() < 0.6 } : {};
    this.#report(body, { type: "heartbeat", step, epoch, ...resting });
    this.#later(HEARTBEAT_MS, () => this.#beat(body));
  }

  #tell(body: Body): void {
    const { step, epoch, result } = body;
    if (result === null) return;
    if (result === "vanished") this.#report(body, { type: "attempt_lost", step, epoch });
    else this.#report(body, { type: "attempt_finished", step, epoch, result });
  }

  /** Sends a report: within the process at once, from elsewhere over a channel with faults. */
  #report(body: Body, event: RunEvent): void {
    for (let copies = this.#fault("duplicate") ? 2 : 1; copies > 0; copies -= 1) {
      if (body.life !== null) {
        if (body.life === this.#life) this.#handle(event);
        continue;
      }
      if (this.#fault("drop")) {
        // A durable backend says what it came to until it is heard.
        if (body.durable) this.#later(5_000, () => this.#report(body, event));
        continue;
      }
      const delay = this.#between(0, 1_500) + (this.#fault("delay") ? this.#between(0, 20_000) : 0);
      this.#later(delay, () => this.#deliver(body, event));
    }
  }

  #deliver(body: Body, event: RunEvent): void {
    if (!this.#handle(event)) {
      this.#later(1_000, () => this.#deliver(body, event));
      return;
    }
    const step = this.#memory?.steps[body.step];
    const refused = step && (step.epoch !== body.epoch || !isInFlight(step));
    if (refused) body.result ??= { status: "cancelled" };
  }

  #ended(body: Body): boolean {
    return body.result !== null || (body.life !== null && body.life !== this.#life);
  }

  /** The process dies, and another one takes up what is stored. */
  #crash(): void {
    this.#life += 1;
    this.#crashes += 1;
    this.#memory = null;
    this.#later(this.#between(100, 3_000), () => {
      this.#memory = fromRows(this.#rows);
      this.#handle({ type: "recovered" });
    });
  }

  #arm(): void {
    this.#alarm += 1;
    const alarm = this.#alarm;
    const deadline = nextDeadline(fromRows(this.#rows));
    if (deadline === null) return;
    this.#later(Math.max(0, deadline - this.#now - this.#skew), () => {
      if (alarm === this.#alarm && this.#memory) this.#handle({ type: "timer" });
    });
  }

  #plan(step: number): { readonly attached: boolean; readonly durable: boolean } {
    const plan = this.#scenario.plan.steps[this.#places[step]?.plan ?? step];
    return { attached: plan?.attached === true, durable: plan?.durable === true };
  }
}

function approval(step: number, approved: boolean): RunEvent {
  return { type: "approve", step, approved, by: "someone", comment: null };
}

const TIMED_OUT: AttemptResult = {
  status: "failed",
  reason: "timeout",
  exit_code: null,
  code: "timeout",
  message: "The attempt was stopped for its time.",
};

const RESULTS = {
  complete: { status: "completed", exit_code: 0 },
  exit: { ...TIMED_OUT, reason: "exit", exit_code: 1, code: "exit_nonzero" },
  error: { ...TIMED_OUT, reason: "error", code: "script_error" },
  stop_itself: { status: "cancelled" },
} as const satisfies Record<string, AttemptResult>;

/** Numbers in [0, 1), the same ones for the same seed. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
