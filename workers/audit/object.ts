/**
 * The Durable Object of one log: its only writer. An entry is numbered, chained and committed before
 * its append returns, so that no entry is ever without its seal.
 */
import { DurableObject } from "cloudflare:workers";
import type { AuditRecord } from "../http/audit-record.ts";
import { logError } from "../http/log.ts";
import type { Page } from "../http/page.ts";
import { type Anchoring, anchor } from "./anchor.ts";
import {
  type Checked,
  type Checkpoint,
  checkEnd,
  checkRows,
  type Head,
  type Sealed,
  seal,
} from "./chain.ts";
import { type EntryFilter, EntryStore, type Newest } from "./store.ts";

/** How late D1 may know of an entry. */
export const ANCHOR_MS = 1_000;
/** The pause after a failure to tell D1. */
const ANCHOR_RETRY_MS = 5_000;
/** Entries that are checked at once: what is to be appended meanwhile waits some milliseconds. */
const SLICE_ENTRIES = 500;

/** An entry, and the newest one before it that shows the same entity. */
export interface FoundEntry {
  readonly entry: Sealed;
  readonly before: Sealed | null;
}

/** What a slice of a check came to. */
export interface Slice extends Checked {
  /** Nothing follows its head. */
  readonly is_end: boolean;
}

export class AuditLog extends DurableObject<Env> {
  readonly #store: EntryStore;
  #newest: Newest;
  /** Whether this instance has set the alarm since it rang last. */
  #isArmed = false;

  constructor(context: DurableObjectState, env: Env) {
    super(context, env);
    this.#store = new EntryStore(context.storage.sql);
    this.#newest = this.#store.newest();
  }

  /** Returns the number of the entry. What has been appended under the same id is not again. */
  append(record: AuditRecord): number {
    const known = this.#store.seqOf(record.id);
    if (known !== null) return known;
    // Numbers and times rise together, whatever the clock does.
    const at = Math.max(Date.now(), this.#newest.created_at);
    const from_state = this.#store.stateOf(record.entity_type, record.entity_id);
    const row = seal(this.#log, this.#newest, record, { at, from_state });
    this.#store.insert(row);
    this.#newest = { seq: row.seq, hash: row.hash, created_at: at };
    this.#arm(ANCHOR_MS);
    return row.seq;
  }

  /** Up to one more than a page. */
  list(filter: EntryFilter, page: Page): readonly Sealed[] {
    return this.#store.list(filter, page);
  }

  entry(seq: number): FoundEntry | null {
    const entry = this.#store.at(seq);
    return entry && { entry, before: this.#store.before(seq) };
  }

  /** Entries after one up to another, in their order. */
  read(after: number, last: number | null, limit: number): readonly Sealed[] {
    return [...this.#store.after(after, limit, last)];
  }

  head(): Head {
    const { seq, hash } = this.#newest;
    return { seq, hash };
  }

  /** Checks the entries that follow `from`, up to a bound. */
  check(from: Head, checkpoints: readonly Checkpoint[]): Slice {
    const checked = checkRows(this.#store.whole(from.seq, SLICE_ENTRIES), from, checkpoints);
    const { head } = checked;
    const is_end = checked.broken === null && head.seq < from.seq + SLICE_ENTRIES;
    const broken = checked.broken ?? (is_end ? checkEnd(head, checkpoints) : null);
    return { head, broken, is_end };
  }

  override async alarm(): Promise<void> {
    // What is appended meanwhile does not set the alarm: this does, once it is done.
    this.#isArmed = true;
    this.#store.index();
    const pause = await this.#anchor();
    this.#isArmed = false;
    if (pause !== null) this.#arm(pause);
  }

  /** Returns when it is to be done again, in ms; null for when something is appended. */
  async #anchor(): Promise<number | null> {
    try {
      const anchored = await anchor(this.env, this.#anchoring());
      return anchored === null || anchored.seq >= this.#newest.seq ? null : ANCHOR_MS;
    } catch (error) {
      logError("audit_head_not_written", error, { log: this.#log });
      return ANCHOR_RETRY_MS;
    }
  }

  #anchoring(): Anchoring {
    const store = this.#store;
    return {
      log: this.#log,
      hashAt: (seq) => store.at(seq)?.hash ?? null,
      after: (seq, limit) => store.after(seq, limit),
    };
  }

  #arm(afterMs: number): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    void this.ctx.storage.setAlarm(Date.now() + afterMs);
  }

  get #log(): string {
    const { name } = this.ctx.id;
    if (name === undefined) throw new Error("An audit log is reached by its name alone.");
    return name;
  }
}
