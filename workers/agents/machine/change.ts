/** One application of one event: the state it makes and what it has said so far. */
import type { CallRef } from "./call-types.ts";
import type { Effect, MachineEvent } from "./effects.ts";
import type { SessionState, TurnState } from "./types.ts";

export class Change {
  /** A copy: the state that was handed in stays as it is. */
  readonly state: SessionState;
  readonly now: number;
  readonly effects: Effect[] = [];

  constructor(state: SessionState, now: number) {
    this.state = structuredClone(state);
    this.now = now;
  }

  emit(event: MachineEvent): void {
    this.effects.push({ type: "emit", event });
  }

  mintEpoch(): number {
    this.state.epoch += 1;
    return this.state.epoch;
  }

  due(at: number | null): boolean {
    return at !== null && at <= this.now;
  }
}

export function refOf(turn: TurnState, call: string): CallRef {
  return { turn: turn.number, step: turn.step, call };
}
