/**
 * Test support: a run with everything around it, in virtual time and from one seed. The process
 * dies before and after commits and between effects, reports are lost, repeated, late and out of
 * order, and the wall clock jumps. `Witness` judges each transition.
 */
import { createRun, isTerminal, nextDeadline, reduce } from "./machine.ts";
import { fromRows, isLive, type Rows, toRows, Witness } from "./machine-witness.ts";
import type { AttemptResult, Effect, RunEvent, RunPlan, RunState, StopCause } from "./types.ts";

/** What the code of one attempt does after `after_ms`. */
export interface Behaviour {
  readonly kind: "complete" | "exit" | "error" | "stop_itself" | "hang" | "vanish" | "poison";
  readonly after_ms: number;
}

export interface Scenario {
  readonly plan: RunPlan;
  /** For each step the behaviour of its first, second, … try; the last one repeats. */
  readonly behaviours: readonly (readonly Behaviour[])[];
  readonly commands: readonly { readonly at: number; readonly event: RunEvent }[];
  /** Chances in percent that a fault happens where it can; `budget` faults happen at most. */
  readonly faults: Readonly<Record<Fault, number>> & { readonly budget: number };
  readonly seed: number;
}

export type Fault = "crash" | "duplicate" | "drop" | "delay" | "jump";

export interface Outcome {
  readonly state: RunState;
  /** Deaths of the process: those that faults caused, and those that attempts did. */
  readonly crashes: number;
  readonly poisonings: number;
}

interface Body {
  readonly step: number;
  readonly epoch: number;
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

export function simulate(scenario: Scenario): Outcome {
  return new Simulation(scenario).run();
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
  #life = 0;
  #alarm = 0;
  #crashes = 0;
  #poisonings = 0;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#witness = new Witness(scenario.plan);
    this.#random = generator(scenario.seed);
    this.#budget = scenario.faults.budget;
    this.#memory = createRun(scenario.plan, scenario.seed);
    this.#rows = toRows(this.#memory);
  }

  run(): Outcome {
    this.#command({ type: "start" });
    for (const { at, event } of this.#scenario.commands) {
      this.#later(at, () => this.#command(event));
    }
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
      if (state.status !== "paused") throw new Error("broken invariant: nothing moves the run");
      this.#command({ type: "resume" });
    }
    const state = fromRows(this.#rows);
    this.#witness.history(state);
    return { state, crashes: this.#crashes, poisonings: this.#poisonings };
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
    const begun = new Set<Effect>();
    const events: RunEvent[] = [first];
    for (let event = events.shift(); event; event = events.shift()) {
      const before = toRows(state);
      const transition = reduce(this.#scenario.plan, state, event, wall);
      this.#witness.transition(before, event, transition, wall);
      for (const index of transition.touched) stored[index] = JSON.stringify(state.steps[index]);
      effects.push(...transition.effects);
      for (const effect of transition.effects) {
        // An attached attempt whose slot is free starts in the commit that dispatches it.
        if (effect.type !== "dispatch" || !this.#attached(effect.step) || effect.alone) continue;
        if (this.#random() < 0.3) continue;
        begun.add(effect);
        events.push({ type: "attempt_started", step: effect.step, epoch: effect.epoch });
      }
    }
    if (this.#fault("crash")) {
      this.#crash();
      return false;
    }
    const ended = isTerminal(state) && !isTerminal(fromRows(this.#rows));
    if (ended) this.#survivors(state);
    this.#rows = { run: toRows(state).run, steps: stored };
    this.#witness.committed(effects);
    this.#arm();
    for (const effect of effects) {
      if (effect.type !== "dispatch" && effect.type !== "kill") continue;
      if (this.#fault("crash")) this.#crash();
      if (this.#memory !== state) return false;
      this.#perform(effect, begun.has(effect));
    }
    return true;
  }

  #perform(effect: Extract<Effect, { type: "dispatch" | "kill" }>, begun: boolean): void {
    const { step, epoch } = effect;
    const key = `${step}/${epoch}`;
    if (this.#attached(step)) {
      const life = this.#life;
      const inLife = (act: () => void) => () => {
        if (this.#life === life && this.#memory) act();
      };
      if (effect.type === "kill") {
        this.#later(
          this.#between(0, 2_000),
          inLife(() => this.#stopped(key, step, epoch, effect.reason)),
        );
      } else if (begun) this.#execute(step, epoch, effect.attempt);
      else {
        this.#later(
          this.#between(0, 2_000),
          inLife(() => this.#begin(step, epoch, effect.attempt)),
        );
      }
      return;
    }
    for (let copies = this.#fault("duplicate") ? 2 : 1; copies > 0; copies -= 1) {
      if (effect.type === "kill" && this.#fault("drop")) continue;
      this.#later(this.#between(0, 1_000), () => {
        if (effect.type === "kill") this.#stopped(key, step, epoch, effect.reason);
        else this.#arrive(key, step, epoch, effect.attempt);
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
  #arrive(key: string, step: number, epoch: number, attempt: number): void {
    const known = this.#bodies.get(key);
    if (!known) this.#execute(step, epoch, attempt);
    else if (known.result === null) this.#report(known, { type: "attempt_started", step, epoch });
    else this.#tell(known);
  }

  #execute(step: number, epoch: number, attempt: number): void {
    const life = this.#attached(step) ? this.#life : null;
    const body: Body = { step, epoch, life, result: null };
    const tries = this.#scenario.behaviours[step] ?? [];
    const behaviour = tries[Math.min(attempt, tries.length) - 1];
    if (!behaviour) throw new Error(`step ${step} has no behaviour for attempt ${attempt}`);
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
  #stopped(key: string, step: number, epoch: number, reason: StopCause): void {
    const life = this.#attached(step) ? this.#life : null;
    const body = this.#bodies.get(key) ?? { step, epoch, life, result: null };
    this.#bodies.set(key, body);
    if (body.result === null) {
      const late = reason === "timeout" || reason === "run_timeout";
      body.result = late && this.#random() < 0.5 ? TIMED_OUT : { status: "cancelled" };
    }
    this.#tell(body);
  }

  #beat(body: Body): void {
    if (this.#ended(body)) return;
    this.#report(body, { type: "heartbeat", step: body.step, epoch: body.epoch });
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
      if (this.#fault("drop")) continue;
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
    const refused = step && (step.epoch !== body.epoch || !isLive(step.status));
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

  #attached(step: number): boolean {
    return this.#scenario.plan.steps[step]?.attached === true;
  }
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
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
