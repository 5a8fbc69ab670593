/** Test support: those who use a session, and repeat what they ask until they are answered. */
import { awaitingOf } from "./answers.ts";
import type { CallRef } from "./call-types.ts";
import type { MachineEvent } from "./effects.ts";
import type { Command } from "./events.ts";
import type { Act, Dice, Timeline } from "./machine-simulator-scenario.ts";
import type { Script } from "./machine-simulator-script.ts";
import type { Shell } from "./machine-simulator-shell.ts";
import type { Witness } from "./machine-witness.ts";
import { callsOf, isAtRest } from "./state.ts";
import { NO_LIMITS, type SessionState } from "./types.ts";

/** Who is not answered asks again after so long. */
const RETRY_MS = 500;

export class Callers {
  readonly #time: Timeline;
  readonly #dice: Dice;
  readonly #script: Script;
  readonly #witness: Witness;
  #ids = 0;
  /** Somebody has asked for the preparation, and not been heard yet. */
  #isAsking = false;

  constructor(on: { time: Timeline; dice: Dice; script: Script; witness: Witness }) {
    this.#time = on.time;
    this.#dice = on.dice;
    this.#script = on.script;
    this.#witness = on.witness;
  }

  act(shell: Shell, act: Act): void {
    const { state } = shell;
    const id = this.#id();
    switch (act.type) {
      case "message":
        // Whoever prepares a session writes to it once that has been taken.
        if (this.#isAsking) this.#time.later(RETRY_MS, () => this.act(shell, act));
        else this.#command(shell, { ...act, id });
        break;
      case "compact":
        this.#command(shell, { type: "compact", id });
        break;
      case "cancel_turn": {
        const turn = this.#dice.chance(0.5) ? null : state.turns;
        this.#command(shell, { type: "cancel_turn", turn });
        break;
      }
      case "approve":
      case "deny":
      case "answer":
        this.#decide(shell, act.type, state);
        break;
      case "charged":
        this.#charge(shell);
        break;
      case "hold":
        this.#command(shell, { type: "hold", id, usd_nanos: 100, tokens: 200 });
        this.#time.later(this.#dice.between(0, 20_000), () => this.#settleHold(shell, id));
        break;
      case "slot_lost":
        shell.handle({ type: "slot_lost" });
        break;
      case "faulted":
        shell.handle({ type: "faulted", error: { code: "gone", message: "Mount another one." } });
        break;
      default:
        this.#command(shell, act);
    }
  }

  /** The user sees what is asked, and decides as it is written, soon or only when nothing else moves. */
  watch(shell: Shell, event: MachineEvent): void {
    const isAsked =
      event.type === "tool.approval_requested" || event.type === "tool.input_requested";
    if (!isAsked || this.#dice.chance(0.4)) return;
    const { turn, step, call } = event;
    this.#time.later(this.#dice.between(0, 8_000), () => {
      const { state } = shell;
      if (state.turn?.number === turn && state.turn.step === step) {
        this.#decideAsWritten(shell, { turn, step, call });
      }
    });
  }

  /** Does what a session at rest waits for; false when that is only a message. */
  help(shell: Shell): boolean {
    const { state } = shell;
    const { phase, turn, pause, budget } = state;
    if (!isAtRest(state)) throw new Error("broken invariant: nothing moves the session");
    if (phase === "terminated") return false;
    const awaited = callsOf(turn).find(({ status }) => status === "approval" || status === "input");
    if (phase !== "ready") this.#command(shell, { type: "initialize" });
    else if (pause !== null) this.#command(shell, { type: "resume" });
    else if (turn === null) return false;
    else if (turn.blocked_by.length > 0) {
      this.#command(shell, { type: "budget_changed", limits: NO_LIMITS });
      for (const { id } of budget.pool) this.#settleHold(shell, id);
    } else if (awaited === undefined) throw new Error("broken invariant: it waits for nothing");
    else {
      const { number, step } = turn;
      this.#decideAsWritten(shell, { turn: number, step, call: awaited.id });
    }
    return true;
  }

  #id(): string {
    this.#ids += 1;
    return `i${this.#ids}`;
  }

  #decideAsWritten(shell: Shell, ref: CallRef): void {
    const { turn } = shell.state;
    const { call } = ref;
    const { is_approved, by_message } = this.#script.call(ref);
    if (awaitingOf(turn, call, "approval") !== null) {
      if (is_approved) this.#command(shell, approval(call));
      else this.#command(shell, { type: "deny", call, by: "user", reason: "Not now." });
    } else if (awaitingOf(turn, call, "input") !== null) {
      if (!by_message) this.#command(shell, { type: "answer", call });
      else this.#command(shell, { type: "message", id: this.#id(), policy: "enqueue" });
    }
  }

  /** Somebody else decides, perhaps about what is not asked, or not as it was seen. */
  #decide(shell: Shell, type: "approve" | "deny" | "answer", state: SessionState): void {
    const waits = type === "answer" ? "input" : "approval";
    const call = callsOf(state.turn).find(({ status }) => status === waits)?.id ?? "c0";
    if (type === "answer") this.#command(shell, { type, call });
    else if (type === "deny") this.#command(shell, { type, call, by: "other", reason: null });
    else {
      const digest = this.#dice.chance(0.2) ? "other" : null;
      const edited_digest = this.#dice.chance(0.3) ? "edited" : null;
      this.#command(shell, { ...approval(call), digest, edited_digest });
    }
  }

  #charge(shell: Shell): void {
    const amount = () => this.#dice.between(0, 300);
    shell.deliver({
      type: "charged",
      usd_nanos: amount(),
      tokens: amount(),
      sandbox_ms: amount(),
    });
  }

  #settleHold(shell: Shell, id: string): void {
    for (let copies = this.#dice.copies(); copies > 0; copies -= 1) {
      shell.deliver({ type: "hold_settled", id, usd_nanos: 50, tokens: 0 });
    }
  }

  #command(shell: Shell, command: Command): void {
    if ("id" in command && this.#witness.hasTaken(command.id)) return;
    const isHeard = shell.handle(command);
    if (command.type === "initialize") this.#isAsking = !isHeard;
    if (!isHeard) this.#time.later(RETRY_MS, () => this.#command(shell, command));
  }
}

function approval(call: string): Extract<Command, { type: "approve" }> {
  return { type: "approve", call, by: "user", digest: null, edited_digest: null };
}
