/**
 * A sub-agent as a member of the pools above it: its account, which changes with what it has used and
 * wants held, and is told to every session above it until they all have the newest.
 */
import { logWarning } from "../../http/log.ts";
import {
  type Account,
  type AccountAnswer,
  type Used,
  usedSince,
  type WaitingStep,
  type WantedHold,
} from "../accounts.ts";
import type { Report } from "../machine/events.ts";
import { isAtRest } from "../machine/machine.ts";
import { ancestorsOf, type SessionObject } from "../session-port.ts";
import type { SessionEngine } from "./engine.ts";

const RETRY_MS = 1_500;

interface Kept {
  readonly newest: Account;
  /** Number of the newest one that everybody above has. */
  readonly told: number;
}

type Requested = "known" | "unreached" | { readonly refused_by: string };

type Quoted = Omit<Extract<Report, { type: "step_quoted" }>, "is_pool_exhausted">;

export class Membership {
  readonly #engine: SessionEngine;
  readonly #sessionOf: (id: string) => Pick<SessionObject, "account">;
  /** The newest step that was refused, of this process. */
  #refused: WaitingStep | null = null;
  /** The quote that a step waits for; of an earlier life of the process none does. */
  #asked: Quoted | null = null;
  #cached: Kept | null = null;
  #telling: Promise<void> | null = null;

  constructor(engine: SessionEngine, sessionOf: (id: string) => Pick<SessionObject, "account">) {
    this.#engine = engine;
    this.#sessionOf = sessionOf;
  }

  /**
   * Asks all above for what a step may use, once the running commit is written; what they say comes to
   * the machine as `step_quoted`. False for a session that has nobody above it.
   */
  ask(quoted: Quoted): boolean {
    if (this.#engine.head.parent === null) return false;
    this.#asked = quoted;
    return true;
  }

  /** Writes the account anew when the running commit has changed it. */
  settle(): void {
    const { parent } = this.#engine.head;
    if (parent === null) return;
    const kept = this.#kept();
    const account = this.#account(parent.call, kept?.newest ?? null);
    if (kept !== null && JSON.stringify(kept.newest) === JSON.stringify(account)) return;
    const newest = { ...account, number: account.number + 1 };
    this.#keep({ newest, told: kept?.told ?? 0 });
  }

  /** When a crash now would have to be made good; null when all above know the newest. */
  dueAt(): number | null {
    return this.#isBehind() ? Date.now() + RETRY_MS : null;
  }

  /** Tells those above what the newest commit has changed; ends when they know, or cannot be reached. */
  look(): Promise<void> {
    if (this.#telling !== null) return this.#telling;
    if (!this.#isBehind()) return Promise.resolve();
    this.#telling = this.#tell().then((isTold) => {
      this.#telling = null;
      this.#engine.arm();
      return isTold ? this.look() : undefined;
    });
    return this.#telling;
  }

  /** Throws when somebody above cannot be told what was used. */
  async flush(): Promise<void> {
    await this.look();
    if (this.#isBehind()) {
      throw new Error("a session above could not be told what this one has used");
    }
  }

  /** Until all above have the newest; false when one of them cannot be reached. */
  async #tell(): Promise<boolean> {
    for (let kept = this.#kept(); kept && this.#isBehind(); kept = this.#kept()) {
      const { newest } = kept;
      const asked = this.#asked?.epoch === newest.hold?.epoch ? this.#asked : null;
      const outcome = await (asked === null ? this.#report(newest) : this.#request(newest));
      if (outcome === "unreached") return false;
      if (!this.#engine.isLoaded) return true;
      this.#engine.commit((now) => {
        if (outcome === "known") this.#keep({ ...(this.#kept() ?? kept), told: newest.number });
        if (asked === null || asked !== this.#asked) return;
        this.#asked = null;
        this.#refused = outcome === "known" ? null : { at: outcome.refused_by, ...asked.quote };
        this.#engine.drive({ ...asked, is_pool_exhausted: outcome !== "known" }, now);
      });
    }
    return true;
  }

  /** Has everybody know; nothing of it is asked for. */
  async #report(account: Account): Promise<"known" | "unreached"> {
    let outcome: "known" | "unreached" = "known";
    for (const id of ancestorsOf(this.#engine.head)) {
      if ((await this.#tellOne(id, account)) === null) outcome = "unreached";
    }
    return outcome;
  }

  /**
   * The nearest first. All of them hold what it wants, or the first refusal ends it: those further up
   * hear of it by the next account, which wants it no more.
   */
  async #request(account: Account): Promise<Requested> {
    for (const id of ancestorsOf(this.#engine.head)) {
      const answer = await this.#tellOne(id, account);
      if (answer === null) return "unreached";
      if (!answer.is_granted) return { refused_by: id };
    }
    return "known";
  }

  async #tellOne(id: string, account: Account): Promise<AccountAnswer | null> {
    try {
      const answer = await this.#sessionOf(id).account(account);
      return "refused" in answer ? { is_granted: false } : answer;
    } catch (error) {
      logWarning("session_above_not_told", error, { session_id: id });
      return null;
    }
  }

  /** As the state has it, under the number of the one before. */
  #account(call: string, before: Account | null): Account {
    const { head, state, setup, progress } = this.#engine;
    const { spent } = state.budget;
    const all: Used = {
      usd_nanos: spent.usd_nanos,
      tokens: spent.tokens,
      sandbox_ms: spent.sandbox_ms,
      input_tokens: progress.input_tokens,
      output_tokens: progress.output_tokens,
      cached_input_tokens: progress.cached_input_tokens,
    };
    const isRefused = state.turn?.blocked_by.includes("pool") ?? false;
    const isUnderWay = state.turn !== null || state.queue.length > 0;
    return {
      agent_id: head.id,
      call,
      number: before?.number ?? 0,
      model: setup?.model ?? null,
      used: usedSince(progress.pooled, all),
      is_partly_unknown: progress.is_partly_unknown,
      hold: this.#hold(before),
      waiting: isRefused ? (this.#refused ?? before?.waiting ?? null) : null,
      is_resting: state.phase === "ready" && isUnderWay && isAtRest(state),
    };
  }

  /** Of the step that runs, or is about to. */
  #hold(before: Account | null): WantedHold | null {
    const { turn, budget } = this.#engine.state;
    const [running] = budget.holds;
    if (running !== undefined) {
      const { epoch, usd_nanos, tokens } = running;
      return before?.hold?.epoch === epoch ? before.hold : { epoch, usd_nanos, tokens };
    }
    const asked = this.#asked;
    if (asked === null || turn?.work.status !== "quoting" || turn.work.epoch !== asked.epoch) {
      return null;
    }
    const { usd_nanos, tokens } = asked.quote;
    return { epoch: asked.epoch, usd_nanos, tokens };
  }

  #isBehind(): boolean {
    const kept = this.#kept();
    return kept !== null && kept.told < kept.newest.number;
  }

  /** Null for a session that has nobody above it. */
  #kept(): Kept | null {
    if (!this.#engine.isLoaded || this.#engine.head.parent === null) return null;
    this.#cached ??= this.#engine.store.documents.get("account");
    return this.#cached;
  }

  /** To be called inside a commit. */
  #keep(kept: Kept): void {
    this.#cached = kept;
    this.#engine.store.documents.set("account", kept);
  }
}
