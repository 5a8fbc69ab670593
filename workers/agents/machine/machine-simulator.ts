/**
 * Test support: a session with everything around it, in virtual time and from one seed. The process
 * dies before and after commits and between effects, and comes back when its alarm, a caller or a
 * report wakes it; reports come twice, late and from processes that are gone, and the clock jumps.
 */
import { generator } from "../../runs/machine-simulator.ts";
import type { Effect, MachineEvent } from "./effects.ts";
import type { Command, SessionEvent } from "./events.ts";
import { createSession, isAtRest, nextDeadline, reduce } from "./machine.ts";
import type { Act, Fault, Scenario } from "./machine-simulator-scenario.ts";
import { World } from "./machine-simulator-world.ts";
import { Witness } from "./machine-witness.ts";
import { callsOf } from "./state.ts";
import { NO_LIMITS, type SessionState } from "./types.ts";

export interface Outcome {
  readonly state: SessionState;
  readonly log: readonly MachineEvent[];
  readonly crashes: number;
  /** Executions of each call of each step, by what is declared for its recovery. */
  readonly witness: Witness;
}

/** Work that an epoch names; `life` is the process that it dies with, null for work elsewhere. */
interface Job {
  readonly life: number | null;
  readonly isStep: boolean;
  is_over: boolean;
}

const JUMPS_MS = [-40_000, 25_000, 3_600_000];
/** Far above what the longest scenario takes: reached only by a session that spins. */
const MAX_TURNS = 20_000;

export function simulate(scenario: Scenario): Outcome {
  return new Simulation(scenario).run();
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #world: World;
  readonly #witness: Witness;
  readonly #chance: () => number;
  readonly #jobs = new Map<number, Job>();
  readonly #log: MachineEvent[] = [];
  #turns: { readonly at: number; readonly act: () => void }[] = [];
  #now = 0;
  /** Wall clock minus virtual time. */
  #skew = 0;
  #faults: number;
  #stored: string;
  /** Null while there is no process. */
  #memory: SessionState | null = null;
  #life = 0;
  #alarm = 0;
  #ids = 0;
  #crashes = 0;

  constructor(scenario: Scenario) {
    const { settings, limits, seed } = scenario;
    const state = createSession({ settings, limits, seed });
    this.#scenario = scenario;
    this.#chance = generator(seed);
    this.#world = new World(this.#chance);
    this.#witness = new Witness(state);
    this.#faults = scenario.faults.budget;
    this.#stored = JSON.stringify(state);
  }

  run(): Outcome {
    for (const { at, act } of this.#scenario.acts) this.#later(at, () => this.#act(act));
    for (let turns = 0; ; turns += 1) {
      if (turns > MAX_TURNS) throw new Error("broken invariant: the session spins");
      const turn = this.#turns.shift();
      if (turn) {
        this.#now = turn.at;
        turn.act();
      } else if (!this.#help()) break;
    }
    // Whoever looks at a session wakes its process, which accounts for what the last one left.
    while (!this.#handle({ type: "timer" }));
    const state = this.#state();
    this.#witness.history(state, this.#log);
    return { state, log: this.#log, crashes: this.#crashes, witness: this.#witness };
  }

  /** The state as it is stored. */
  #state(): SessionState {
    return JSON.parse(this.#stored);
  }

  /** Does what a session that is at rest waits for; false when that is only a message. */
  #help(): boolean {
    const state = this.#state();
    if (!isAtRest(state)) throw new Error("broken invariant: nothing moves the session");
    if (state.phase === "terminated") return false;
    const awaited = callsOf(state.turn).find(({ status }) => /approval|input/.test(status));
    if (state.phase !== "ready") this.#command({ type: "initialize" });
    else if (state.pause !== null) this.#command({ type: "resume" });
    else if (state.turn === null) return false;
    else if (state.turn.blocked_by.length > 0) {
      this.#command({ type: "budget_changed", limits: NO_LIMITS });
      for (const { id } of state.budget.pool) this.#settleHold(id);
    } else if (awaited === undefined) throw new Error("broken invariant: it waits for nothing");
    else if (awaited.status === "input") this.#command({ type: "answer", call: awaited.id });
    else this.#command(approval(awaited.id));
    return true;
  }

  #later(delay: number, act: () => void): void {
    const at = this.#now + delay;
    let index = this.#turns.length;
    while (index > 0 && (this.#turns[index - 1]?.at ?? 0) > at) index -= 1;
    this.#turns.splice(index, 0, { at, act });
  }

  #between(low: number, high: number): number {
    return low + Math.floor(this.#chance() * (high - low + 1));
  }

  #fault(kind: Fault): boolean {
    if (this.#faults === 0 || this.#chance() * 100 >= this.#scenario.faults[kind]) return false;
    this.#faults -= 1;
    return true;
  }

  #act(act: Act): void {
    const state = this.#state();
    this.#ids += 1;
    const id = `i${this.#ids}`;
    switch (act.type) {
      case "message":
        this.#command({ ...act, id });
        break;
      case "compact":
        this.#command({ type: "compact", id });
        break;
      case "cancel_turn":
        this.#command({ type: "cancel_turn", turn: this.#chance() < 0.5 ? null : state.turns });
        break;
      case "approve":
      case "deny":
      case "answer":
        this.#decide(act.type, state);
        break;
      case "charged":
        this.#charge();
        break;
      case "hold":
        this.#command({ type: "hold", id, usd_nanos: 100, tokens: this.#between(0, 300) });
        this.#later(this.#between(0, 20_000), () => this.#settleHold(id));
        break;
      case "slot_lost":
        this.#handle({ type: "slot_lost" });
        break;
      case "faulted":
        this.#handle({
          type: "faulted",
          error: { code: "gone", message: "Its codebase is gone." },
        });
        break;
      default:
        this.#command(act);
    }
  }

  #decide(type: "approve" | "deny" | "answer", state: SessionState): void {
    const waits = type === "answer" ? "input" : "approval";
    const calls = callsOf(state.turn);
    const call = calls.find(({ status }) => status === waits)?.id ?? "c0";
    if (type === "answer") this.#command({ type, call });
    else if (type === "deny") this.#command({ type, call, by: "user", reason: null });
    else {
      const digest = this.#chance() < 0.2 ? "other" : null;
      const edited_digest = this.#chance() < 0.3 ? "edited" : null;
      this.#command({ ...approval(call), digest, edited_digest });
    }
  }

  #charge(): void {
    const [usd_nanos, tokens] = [this.#between(0, 300), this.#between(0, 300)];
    const charge: SessionEvent = {
      type: "charged",
      usd_nanos,
      tokens,
      sandbox_ms: this.#between(0, 900),
    };
    const send = () => {
      if (!this.#handle(charge)) this.#later(500, send);
    };
    send();
  }

  #settleHold(id: string): void {
    const settled: SessionEvent = { type: "hold_settled", id, usd_nanos: 50, tokens: 0 };
    for (let copies = this.#copies(); copies > 0; copies -= 1) this.#deliver(settled);
  }

  /** A caller's request, repeated until it has an answer. */
  #command(command: Command): void {
    if ("id" in command && this.#witness.hasTaken(command.id)) return;
    if (!this.#handle(command)) this.#later(500, () => this.#command(command));
  }

  #deliver(event: SessionEvent): void {
    if (!this.#handle(event)) this.#later(1_000, () => this.#deliver(event));
  }

  #copies(): number {
    return this.#fault("duplicate") ? 2 : 1;
  }

  /** False when there was no answer: the event is not committed, or its sender does not know. */
  #handle(event: SessionEvent): boolean {
    if (this.#memory === null) {
      this.#memory = this.#state();
      if (!this.#commit({ type: "recovered" })) return false;
    }
    return this.#commit(event);
  }

  #commit(first: SessionEvent): boolean {
    if (this.#fault("jump")) this.#skew += JUMPS_MS[this.#between(0, 2)] ?? 0;
    const wall = this.#now + this.#skew;
    const effects: Effect[] = [];
    const answered = new Set<Effect>();
    const events = [first];
    let state = this.#memory;
    if (state === null) return false;
    this.#witness.begin();
    for (let event = events.shift(); event; event = events.shift()) {
      const transition = reduce(frozen(state), event, wall);
      this.#witness.transition(state, event, transition, wall);
      state = transition.state;
      effects.push(...transition.effects);
      for (const effect of transition.effects) {
        const answer = this.#atOnce(effect);
        if (answer === null) continue;
        answered.add(effect);
        events.push(answer);
      }
    }
    if (this.#fault("crash")) return this.#crash();
    this.#memory = state;
    this.#stored = JSON.stringify(state);
    this.#witness.commit(effects);
    for (const effect of effects) if (effect.type === "emit") this.#log.push(effect.event);
    this.#arm(nextDeadline(state, wall));
    for (const effect of effects) {
      if (effect.type === "emit") this.#watch(effect.event);
      else if (!answered.has(effect)) {
        if (this.#fault("crash")) return this.#crash();
        this.#perform(effect);
      }
    }
    return true;
  }

  #crash(): false {
    this.#memory = null;
    this.#life += 1;
    this.#crashes += 1;
    return false;
  }

  /** The alarm outlives the process. */
  #arm(deadline: number | null): void {
    this.#alarm += 1;
    const alarm = this.#alarm;
    if (deadline === null) return;
    this.#later(Math.max(0, deadline - this.#now - this.#skew), () => {
      if (alarm !== this.#alarm) return;
      if (!this.#handle({ type: "timer" }) && alarm === this.#alarm) this.#arm(deadline);
    });
  }

  /** What the shell answers within the commit that asks. */
  #atOnce(effect: Effect): SessionEvent | null {
    if (this.#chance() < 0.4) return null;
    if (effect.type === "quote_step") return this.#world.quote(effect, this.#fault("failure"));
    return effect.type === "acquire_slot" ? { type: "slot_granted" } : null;
  }

  /** The user sees what is asked. */
  #watch(event: MachineEvent): void {
    if (this.#chance() < 0.4) return;
    const delay = this.#between(0, 8_000);
    if (event.type === "tool.approval_requested") {
      const type = this.#chance() < 0.8 ? "approve" : "deny";
      this.#later(delay, () => this.#act({ type }));
    } else if (event.type === "tool.input_requested") {
      const answer: Act = { type: "answer" };
      const message: Act = { type: "message", policy: "enqueue" };
      this.#later(delay, () => this.#act(this.#chance() < 0.5 ? answer : message));
    }
  }

  #perform(effect: Exclude<Effect, { type: "emit" }>): void {
    switch (effect.type) {
      case "prepare":
        this.#prepare(effect.epoch);
        break;
      case "quote_step":
        this.#work(effect.epoch, () => this.#world.quote(effect, this.#fault("failure")), {
          most: 1_000,
        });
        break;
      case "run_step":
        this.#witness.performs(effect);
        this.#work(
          effect.epoch,
          () =>
            this.#fault("failure")
              ? this.#world.failed(effect.epoch)
              : this.#world.finished(effect),
          { isStep: true },
        );
        break;
      case "run_call":
        this.#call(effect);
        break;
      case "abort":
        this.#abort(effect.epoch);
        break;
      case "acquire_slot":
        this.#later(this.#between(0, 4_000), this.#inLife({ type: "slot_granted" }));
        break;
      case "dispose":
        this.#later(this.#between(0, 2_000), this.#inLife({ type: "disposed" }));
        break;
      case "release_slot":
        break;
    }
    if (effect.type === "acquire_slot" && this.#fault("slot")) {
      this.#later(this.#between(0, 9_000), this.#inLife({ type: "slot_lost" }));
    }
  }

  #prepare(epoch: number): void {
    const error = { code: "codebase_gone", message: "There is no such codebase; mount another." };
    this.#work(epoch, () =>
      this.#fault("failure")
        ? { type: "prepare_failed", epoch, error }
        : { type: "prepared", epoch },
    );
  }

  /** An `attach` call is run once, however often it is asked for, and reports until it is heard. */
  #call(effect: Extract<Effect, { type: "run_call" }>): void {
    const { epoch } = effect;
    const isElsewhere = this.#witness.performs(effect) === "attach";
    if (this.#jobs.has(epoch)) return;
    const is_error = this.#chance() < 0.2;
    const life = isElsewhere ? null : this.#life;
    this.#work(epoch, () => ({ type: "call_finished", epoch, is_error }), { life, most: 9_000 });
  }

  /** Work that reports once it is done, unless it is stopped, or its process died before. */
  #work(
    epoch: number,
    report: () => SessionEvent,
    how: Partial<Job> & { most?: number } = {},
  ): void {
    const { life = this.#life, isStep = false, most = 5_000 } = how;
    const job: Job = { life, isStep, is_over: false };
    this.#jobs.set(epoch, job);
    this.#later(this.#between(0, most), () => {
      const isGone = life !== null && life !== this.#life;
      // A report may come after all: from a process that is gone, or of what was being stopped.
      if ((isGone || job.is_over) && !this.#fault("late")) return;
      job.is_over = true;
      const event = report();
      const deliver = () => void (life === null ? this.#deliver(event) : this.#handle(event));
      if (this.#copies() === 2) this.#later(this.#between(0, 6_000), deliver);
      deliver();
    });
  }

  #abort(epoch: number): void {
    const job = this.#jobs.get(epoch);
    if (job === undefined || job.is_over) return;
    job.is_over = true;
    if (!job.isStep) return;
    const usage = this.#world.usage(epoch);
    const told = this.#inLife({ type: "step_aborted", epoch, usage });
    for (let copies = this.#copies(); copies > 0; copies -= 1) {
      this.#later(this.#between(0, 1_000), told);
    }
  }

  /** An event of this life of the process. */
  #inLife(event: SessionEvent): () => void {
    const life = this.#life;
    return () => {
      if (this.#life === life && this.#memory !== null) this.#handle(event);
    };
  }
}

/** One that nothing can change. */
function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) frozen(inner);
  }
  return value;
}

function approval(call: string): Extract<Command, { type: "approve" }> {
  return { type: "approve", call, by: "user", digest: null, edited_digest: null };
}
