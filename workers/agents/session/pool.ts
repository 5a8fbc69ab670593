/**
 * The budget of a session as its sub-agents share it. What they have used counts as the session's own,
 * what their steps may use is set aside in it before they begin, and who finds no room is told when
 * there is some.
 */
import { logWarning } from "../../http/log.ts";
import {
  type Account,
  type AccountAnswer,
  added,
  holderOf,
  holdId,
  isNothing,
  NOTHING_USED,
  type Used,
  usedSince,
} from "../accounts.ts";
import { callKey } from "../call-key.ts";
import { exceededByOther, hasHold } from "../machine/budget.ts";
import type { Command } from "../machine/events.ts";
import { refusal } from "../machine/refusal.ts";
import { callsOf } from "../machine/state.ts";
import type { SessionObject } from "../session-port.ts";
import type { Waiter } from "./account-table.ts";
import type { SessionEngine } from "./engine.ts";

const RETRY_MS = 1_500;

export class Pool {
  readonly #engine: SessionEngine;
  readonly #sessionOf: (id: string) => Pick<SessionObject, "poolChanged">;
  /** As the table has them; null while that is not read. */
  #waiters: readonly Waiter[] | null = null;
  readonly #telling = new Set<string>();

  constructor(
    engine: SessionEngine,
    sessionOf: (id: string) => Pick<SessionObject, "poolChanged">,
  ) {
    this.#engine = engine;
    this.#sessionOf = sessionOf;
  }

  /** Takes an account of a sub-agent, once. */
  take(account: Account): AccountAnswer {
    const engine = this.#engine;
    const known = engine.store.accounts.get(account.agent_id);
    if (known !== null && known.number >= account.number) return { is_granted: this.#has(account) };
    return engine.commit((now) => {
      this.#count(account, known?.used ?? NOTHING_USED, now);
      const is_granted = this.#hold(account, now);
      this.#rest(account, now);
      engine.store.accounts.keep(account, account.waiting?.at === engine.head.id);
      this.#waiters = null;
      return { is_granted };
    });
  }

  /** When a crash now would have to be made good; null when nobody is to be told of room. */
  dueAt(): number | null {
    return this.#roomy().length === 0 ? null : Date.now() + RETRY_MS;
  }

  /** Takes up what the newest commit has made room for. */
  look(): void {
    for (const waiter of this.#roomy()) void this.#tell(waiter);
  }

  /** Counts what the sub-agent has used since it told last, and frees what it needs no more. */
  #count(account: Account, before: Used, now: number): void {
    const engine = this.#engine;
    const { agent_id, hold } = account;
    const used = usedSince(before, account.used);
    const { usd_nanos, tokens, sandbox_ms } = used;
    if (!isNothing(used)) this.#record(account, used, now);
    const held = engine.state.budget.pool.find((each) => holderOf(each) === agent_id);
    const isDone = held !== undefined && (hold === null || held.id !== holdId(agent_id, hold));
    if (isDone) engine.drive({ type: "hold_settled", id: held.id, usd_nanos, tokens }, now);
    const rest = isDone
      ? { usd_nanos: 0, tokens: 0, sandbox_ms }
      : { usd_nanos, tokens, sandbox_ms };
    if (Object.values(rest).some((amount) => amount > 0)) {
      engine.drive({ type: "charged", ...rest }, now);
    }
  }

  #record(account: Account, used: Used, now: number): void {
    const engine = this.#engine;
    const { agent_id, model, is_partly_unknown } = account;
    const { progress, state } = engine;
    const data = { agent_id, model, ...used };
    const turn = state.turn?.number ?? null;
    const seq = engine.append({ type: "usage.pooled", turn, data }, now);
    engine.store.ledger.addPooled({
      ...{ seq, agent_id, model, used },
      at: now,
      turn: turn ?? state.turns,
      step: state.turn?.step ?? 0,
      is_priced: used.usd_nanos > 0 || !is_partly_unknown,
    });
    engine.changeProgress({
      input_tokens: progress.input_tokens + used.input_tokens,
      output_tokens: progress.output_tokens + used.output_tokens,
      cached_input_tokens: progress.cached_input_tokens + used.cached_input_tokens,
      is_partly_unknown: progress.is_partly_unknown || is_partly_unknown,
      pooled: added(progress.pooled, used),
    });
  }

  /** Sets aside what the sub-agent's step may use; false when there is no room, or nothing is wanted. */
  #hold({ agent_id, hold }: Account, now: number): boolean {
    if (hold === null) return false;
    const { usd_nanos, tokens } = hold;
    const command: Command = { type: "hold", id: holdId(agent_id, hold), usd_nanos, tokens };
    const engine = this.#engine;
    if (refusal(engine.state, command) === null) {
      engine.drive(command, now);
      return true;
    }
    const limits = exceededByOther(engine.state, hold);
    const turn = engine.state.turn?.number ?? null;
    if (limits.length > 0) {
      engine.append({ type: "budget.reached", turn, data: { limits, agent_id } }, now);
    }
    return false;
  }

  /** Of the session's own call: whether what it made waits for somebody. */
  #rest({ call, is_resting }: Account, now: number): void {
    const { head, state } = this.#engine;
    const { turn } = state;
    if (turn === null) return;
    const { number, step } = turn;
    const made = callsOf(turn).find(
      ({ id }) => callKey(head.id, { turn: number, step, call: id }) === call,
    );
    if (made === undefined || made.epoch === null || made.is_resting === is_resting) return;
    this.#engine.drive({ type: "call_rested", epoch: made.epoch, is_resting }, now);
  }

  #has({ agent_id, hold }: Account): boolean {
    return hold !== null && hasHold(this.#engine.state.budget, holdId(agent_id, hold));
  }

  /** Those that wait for room, and would find it now. */
  #roomy(): readonly Waiter[] {
    if (!this.#engine.isLoaded) return [];
    const { state, store } = this.#engine;
    this.#waiters ??= store.accounts.waiters();
    if (state.phase === "terminated") return [];
    return this.#waiters.filter(({ step }) => exceededByOther(state, step).length === 0);
  }

  async #tell({ agent_id, number }: Waiter): Promise<void> {
    if (this.#telling.has(agent_id)) return;
    this.#telling.add(agent_id);
    try {
      await this.#sessionOf(agent_id).poolChanged();
      const { accounts } = this.#engine.store;
      // One that has told of itself since then was judged anew.
      if (this.#engine.isLoaded && accounts.get(agent_id)?.number === number) {
        this.#engine.commit(() => {
          accounts.told(agent_id);
          this.#waiters = null;
        });
      }
    } catch (error) {
      logWarning("sub_agent_not_told", error, { agent_id });
    } finally {
      this.#telling.delete(agent_id);
      this.#engine.arm();
    }
  }
}
