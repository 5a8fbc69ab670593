/**
 * Queued dispatches of a project's own pool for whose type it has no runner any more, as when the
 * last one is revoked. Each goes back to its owner, which dispatches it anew, so that its pool is
 * chosen again. They are told from what is on the disk: a crash forgets none, and what is said twice
 * names an epoch that is over.
 */
import pMap from "p-map";
import { logWarning } from "../../http/log.ts";
import { type DetachedType, refOf } from "../detached.ts";
import { retryDelay } from "./leases.ts";
import type { PoolStore } from "./pool-store.ts";
import type { PoolAttempt, PoolOwner } from "./pool-types.ts";
import type { Roster } from "./roster.ts";

/** Owners that are told at once. */
const MAX_CALLS = 20;
/** An alarm that is set while owners are told: after a crash it goes on with them. */
const WATCH_MS = 5_000;

export interface ReturnsDeps {
  readonly store: PoolStore;
  readonly roster: Roster;
  /** The pool is a project's own: what it cannot serve, another pool can. */
  readonly isOwn: boolean;
  owner(row: PoolAttempt): PoolOwner;
  /** Nothing of it has reached a runner, nor will. */
  forget(row: PoolAttempt): void;
  arm(): void;
}

export class Returns {
  readonly #deps: ReturnsDeps;
  #isTelling = false;
  #failures = 0;
  #retryAt: number | null = null;

  constructor(deps: ReturnsDeps) {
    this.#deps = deps;
  }

  /** Whether the pool is the wrong one for the type: no runner of its own is meant for it. */
  isLeft(type: DetachedType): boolean {
    return this.#deps.isOwn && !this.#deps.roster.fits(type);
  }

  /** When it is to be tried again; null when nothing is to be sent back. */
  nextTry(now: number): number | null {
    return this.#retryAt ?? (this.#isTelling ? now + WATCH_MS : null);
  }

  /** Begins to send back what is to be sent back, unless that is under way. */
  begin(now: number): void {
    if (this.#isTelling || (this.#retryAt ?? 0) > now || this.#left().length === 0) return;
    this.#isTelling = true;
    this.#retryAt = null;
    this.#deps.arm();
    this.#tellAll().catch((error: unknown) => logWarning("returns_not_told", error, {}));
  }

  #left(): DetachedType[] {
    if (!this.#deps.isOwn) return [];
    return this.#deps.store.queuedTypes().filter((type) => this.isLeft(type));
  }

  async #tellAll(): Promise<void> {
    const { store, arm } = this.#deps;
    try {
      for (;;) {
        const rows = this.#left().flatMap((type) => store.queuedOf(type));
        if (rows.length === 0) break;
        const told = await pMap(rows, (row) => this.#tell(row), { concurrency: MAX_CALLS });
        if (told.includes(false)) {
          this.#failures += 1;
          this.#retryAt = Date.now() + retryDelay(this.#failures);
          return;
        }
      }
      this.#failures = 0;
    } finally {
      this.#isTelling = false;
      arm();
    }
  }

  /** Forgets it once its owner has answered; false when that did not. */
  async #tell(row: PoolAttempt): Promise<boolean> {
    const { store, owner, forget } = this.#deps;
    try {
      await owner(row).attemptReturned(refOf(row), row.task_type);
    } catch (error) {
      logWarning("owner_not_told", error, { attempt: row.attempt, epoch: row.epoch });
      return false;
    }
    // A runner that came meanwhile may have it: its first report is fenced.
    const { state, epoch } = store.find(row.attempt) ?? {};
    if (state === "queued" && epoch === row.epoch) forget(row);
    return true;
  }
}
