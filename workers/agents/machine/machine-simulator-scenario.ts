/** Test support: what a simulated session is made of. */
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
  /** A step that fails, a preparation that does, a pool without room. */
  | "failure";

export interface Scenario {
  readonly settings: SessionSettings;
  readonly limits: Limits;
  readonly acts: readonly { readonly at: number; readonly act: Act }[];
  /** Chances in percent that a fault happens where it can; `budget` faults happen at most. */
  readonly faults: Readonly<Record<Fault, number>> & { readonly budget: number };
  readonly seed: number;
}
