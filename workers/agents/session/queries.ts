/** What is read of a session. */
import { madeByCall } from "../call-key.ts";
import { callsOf } from "../machine/state.ts";
import type {
  LedgerRow,
  PendingApproval,
  SessionEventRow,
  SessionMessage,
  TurnLog,
} from "../session-port.ts";
import { SPAWN_AGENT } from "../spawn.ts";
import type { SessionEngine } from "./engine.ts";

export class Queries {
  readonly #engine: SessionEngine;

  constructor(engine: SessionEngine) {
    this.#engine = engine;
  }

  /** A message that waited comes again when its turn takes it, under a new seq. */
  messages(after: number, limit: number): readonly SessionMessage[] {
    return this.#engine.store.messages.read(after, limit).map(({ step: _, ...message }) => message);
  }

  events(after: number, limit: number): readonly SessionEventRow[] {
    return this.#engine.store.log.read(after, limit);
  }

  ledger(after: number, limit: number): readonly LedgerRow[] {
    return this.#engine.store.ledger.read(after, limit);
  }

  /** Null for a turn that there is not. */
  turn(number: number | null): TurnLog | null {
    const { head, state, store } = this.#engine;
    const turn = store.turns.get(number ?? state.turns);
    if (turn === null) return null;
    const caller = store.messages.callerOf(turn.input_id) ?? head.caller;
    return {
      spec: head.spec,
      number: turn.number,
      trace: caller.trace ?? null,
      events: store.log.ofTurn(turn.number),
      ledger: store.ledger.ofTurn(turn.number),
    };
  }

  /** Ids of the sessions that its calls have made, or would have. */
  children(): readonly string[] {
    const { head, store } = this.#engine;
    return store.calls.named(SPAWN_AGENT).map((call) => madeByCall(head.id, head.project_id, call));
  }

  approvals(): readonly PendingApproval[] {
    const { turn } = this.#engine.state;
    if (turn === null) return [];
    return callsOf(turn)
      .filter(({ status }) => status === "approval")
      .flatMap(({ id, expires_at, digest }) => {
        const ref = { turn: turn.number, step: turn.step, call: id };
        const stored = this.#engine.store.calls.get(ref);
        if (stored === null) return [];
        const { name, input, requested_at, is_rerun } = stored;
        return [
          {
            ...ref,
            tool: name,
            input,
            digest,
            is_rerun,
            requested_at: requested_at ?? 0,
            expires_at,
          },
        ];
      });
  }
}
