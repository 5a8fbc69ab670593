/** Test support: what a simulated session is made of, and its time and chance. */
import { generator } from "../../runs/machine-simulator.ts";
import type { Recovery } from "./call-types.ts";
import type { Command } from "./events.ts";
import type { Limits, SessionSettings } from "./types.ts";

/** What a caller does; ids, calls and amounts are filled in when it is done. */
export type Act =
  | Extract<
      Command,
      { type: "initialize" | "pause" | "resume" | "budget_changed" | "configured" | "terminate" }
    >
  | { readonly type: "message"; readonly policy: "enqueue" | "reject" | "interrupt" | "rollback" }
  | { readonly type: "compact" | "cancel_turn" | "charged" | "hold" | "slot_lost" | "faulted" }
  /** Of a call that waits for it, or of none. */
  | { readonly type: "approve" | "deny" | "answer" };

export type Fault =
  | "crash"
  | "duplicate"
  | "late"
  | "jump"
  | "slot"
  /** A step fails, or a preparation. */
  | "failure"
  /** A call elsewhere waits there, or goes on. */
  | "rest"
  /** The pool of the parent has no room. */
  | "pool";

export interface Scenario {
  readonly settings: SessionSettings;
  readonly limits: Limits;
  readonly acts: readonly { readonly at: number; readonly act: Act }[];
  /** Chances in percent that a fault happens where it can; `budget` faults happen at most. */
  readonly faults: Readonly<Record<Fault, number>> & { readonly budget: number };
  /** What the tools declare. */
  readonly recoveries: readonly Recovery[];
  readonly seed: number;
}

export class Dice {
  readonly #faults: Scenario["faults"];
  readonly #next: () => number;
  #left: number;

  constructor({ seed, faults }: Scenario) {
    this.#next = generator(seed);
    this.#faults = faults;
    this.#left = faults.budget;
  }

  chance(share: number): boolean {
    return this.#next() < share;
  }

  between(low: number, high: number): number {
    return low + Math.floor(this.#next() * (high - low + 1));
  }

  fault(kind: Fault): boolean {
    if (this.#left === 0 || !this.chance(this.#faults[kind] / 100)) return false;
    this.#left -= 1;
    return true;
  }

  /** How often a report arrives. */
  copies(): number {
    return this.fault("duplicate") ? 2 : 1;
  }
}

/** Virtual time, in which everything that happens has its place. */
export class Timeline {
  #turns: { readonly at: number; readonly act: () => void }[] = [];
  now = 0;
  /** Wall clock minus virtual time. */
  skew = 0;

  get wall(): number {
    return this.now + this.skew;
  }

  later(delay: number, act: () => void): void {
    const at = this.now + delay;
    let index = this.#turns.length;
    while (index > 0 && (this.#turns[index - 1]?.at ?? 0) > at) index -= 1;
    this.#turns.splice(index, 0, { at, act });
  }

  /** Lets the next thing happen; false when there is none. */
  pass(): boolean {
    const turn = this.#turns.shift();
    if (turn === undefined) return false;
    this.now = turn.at;
    turn.act();
    return true;
  }
}
