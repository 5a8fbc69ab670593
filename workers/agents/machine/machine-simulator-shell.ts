/**
 * Test support: the process of a session and what outlives it, its store and its alarm. It dies
 * before and after commits and between effects, and comes back when something wakes it.
 */
import type { Effect, MachineEvent } from "./effects.ts";
import type { SessionEvent } from "./events.ts";
import { nextDeadline, reduce } from "./machine.ts";
import type { Dice, Timeline } from "./machine-simulator-scenario.ts";
import type { Witness } from "./machine-witness.ts";
import type { SessionState } from "./types.ts";

/** Who hears of what the session does. */
export interface Surroundings {
  /** What is answered within the commit that asks. */
  atOnce(effect: Effect): SessionEvent | null;
  perform(effect: Effect): void;
  watch(event: MachineEvent): void;
}

const JUMPS_MS = [-40_000, 25_000, 3_600_000];

export class Shell {
  readonly #time: Timeline;
  readonly #dice: Dice;
  readonly #witness: Witness;
  readonly #around: Surroundings;
  #stored: string;
  /** Null while there is no process. */
  #memory: SessionState | null = null;
  #alarm = 0;
  readonly log: MachineEvent[] = [];
  /** Processes that have died. */
  life = 0;

  constructor(
    state: SessionState,
    on: { time: Timeline; dice: Dice; witness: Witness; around: Surroundings },
  ) {
    this.#stored = JSON.stringify(state);
    this.#time = on.time;
    this.#dice = on.dice;
    this.#witness = on.witness;
    this.#around = on.around;
  }

  /** As it is stored. */
  get state(): SessionState {
    return JSON.parse(this.#stored);
  }

  get isUp(): boolean {
    return this.#memory !== null;
  }

  /** False when there was no answer: the event is not committed, or its sender does not know. */
  handle(event: SessionEvent): boolean {
    if (this.#memory === null) {
      this.#memory = this.state;
      if (!this.#commit(this.#memory, { type: "recovered" })) return false;
    }
    return this.#memory !== null && this.#commit(this.#memory, event);
  }

  /** The same until there is an answer. */
  deliver(event: SessionEvent): void {
    if (!this.handle(event)) this.#time.later(1_000, () => this.deliver(event));
  }

  /** An event of this life of the process. */
  inLife(event: SessionEvent): () => void {
    const { life } = this;
    return () => {
      if (this.life === life && this.isUp) this.handle(event);
    };
  }

  #commit(from: SessionState, first: SessionEvent): boolean {
    if (this.#dice.fault("jump")) this.#time.skew += JUMPS_MS[this.#dice.between(0, 2)] ?? 0;
    const { wall } = this.#time;
    const effects: Effect[] = [];
    const answered = new Set<Effect>();
    const events = [first];
    let state = from;
    this.#witness.begin();
    for (let event = events.shift(); event; event = events.shift()) {
      const transition = reduce(frozen(state), event, wall);
      this.#witness.transition(state, event, transition, wall);
      state = transition.state;
      effects.push(...transition.effects);
      for (const effect of transition.effects) {
        const answer = this.#around.atOnce(effect);
        if (answer === null) continue;
        answered.add(effect);
        events.push(answer);
      }
    }
    if (this.#dice.fault("crash")) return this.#crash();
    this.#memory = state;
    this.#stored = JSON.stringify(state);
    this.#witness.commit(effects);
    for (const effect of effects) if (effect.type === "emit") this.log.push(effect.event);
    this.#arm(nextDeadline(state, wall));
    for (const effect of effects) {
      if (effect.type === "emit") this.#around.watch(effect.event);
      else if (!answered.has(effect)) {
        if (this.#dice.fault("crash")) return this.#crash();
        this.#around.perform(effect);
      }
    }
    return true;
  }

  #crash(): false {
    this.#memory = null;
    this.life += 1;
    return false;
  }

  /** The alarm outlives the process, and comes again until it is heard. */
  #arm(deadline: number | null): void {
    this.#alarm += 1;
    const alarm = this.#alarm;
    if (deadline === null) return;
    this.#time.later(Math.max(0, deadline - this.#time.wall), () => {
      if (alarm !== this.#alarm) return;
      if (!this.handle({ type: "timer" }) && alarm === this.#alarm) this.#arm(deadline);
    });
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
