/**
 * Delivers to one target. Messages are taken from the outbox onto a disk of its own, so that a
 * target that is down holds up neither the outbox nor another target. Those of one entity are
 * delivered in their order; entities do not wait for each other. What fails is tried again, and
 * parked when that has been of no use too often; when the target itself cannot be reached, one entity
 * at a time finds out whether it can again.
 */
import pMap from "p-map";
import { logWarning } from "../http/log.ts";
import type { Outbox } from "./outbox.ts";
import { entityPauseMs, targetPauseMs } from "./schedule.ts";
import type { CourierTables, EntityRow } from "./tables.ts";
import type { Outcome, Target } from "./target.ts";

/** Messages that are taken from the outbox at a time. */
const TAKEN_AT_ONCE = 200;
/** Messages of one entity that one delivery is given. */
const DELIVERED_AT_ONCE = 100;
/** An alarm's work ends after so long, and goes on with the next. */
const ROUND_MS = 20_000;
/** What a process leaves that dies in a round is taken up so long after the round began, or at its restart. */
const RECOVERED_AFTER_MS = 1_000;
/** A delivery that takes longer is given up. */
const DELIVERY_MS = 60_000;
/** How often the outbox is told how far this is. */
const CURSOR_EVERY_MS = 5_000;
/** While the outbox cannot be read it is asked again after so long. */
const OUTBOX_RETRY_MS = 2_000;

export interface CourierPorts {
  readonly name: string;
  readonly outbox: Pick<Outbox, "after" | "newest" | "passed">;
  readonly target: Target;
  /** Where it begins, the first time: null for the newest message. */
  readonly from: number | null;
}

export class Courier {
  readonly #storage: DurableObjectStorage;
  readonly #tables: CourierTables;
  readonly #ports: CourierPorts;
  #isWoken = false;
  #cursorToldAt = 0;
  #toldCursor: number | null = null;
  /** When the outbox is to be looked at, though nobody woke this; null for not by itself. */
  #lookAt: number | null = null;

  constructor(storage: DurableObjectStorage, tables: CourierTables, ports: CourierPorts) {
    this.#storage = storage;
    this.#tables = tables;
    this.#ports = ports;
  }

  /** There may be something new, in the outbox or among what was parked. */
  async wake(): Promise<void> {
    this.#isWoken = true;
    await this.#storage.setAlarm(Date.now());
  }

  /** Delivers what is due; to be called by the alarm, which it sets again when there is more to do. */
  async round(): Promise<void> {
    const ends = Date.now() + ROUND_MS;
    // Whatever becomes of this process, another looks after what it leaves. While this round is at
    // work the alarm waits: an object has one at a time.
    await this.#storage.setAlarm(Date.now() + RECOVERED_AFTER_MS);
    do {
      this.#isWoken = false;
      await this.#takeIn();
      while (Date.now() < ends && !this.#isWoken && (await this.#deliverDue()));
    } while (this.#isWoken && Date.now() < ends);
    await this.#tellCursor();
    await this.#arm();
  }

  async #takeIn(): Promise<void> {
    const { outbox, target, from } = this.#ports;
    this.#lookAt = null;
    try {
      let { cursor } = this.#tables.state();
      if (cursor === null) {
        cursor = from ?? (await outbox.newest());
        this.#tables.change({ cursor });
      }
      for (;;) {
        const messages = await outbox.after(cursor, TAKEN_AT_ONCE);
        const last = messages.at(-1);
        if (last === undefined) return;
        this.#storage.transactionSync(() => {
          for (const message of messages) {
            if (target.wants(message, this.#tables))
              this.#tables.take(target.entityOf(message), message);
          }
          this.#tables.change({ cursor: last.position });
        });
        cursor = last.position;
        if (messages.length < TAKEN_AT_ONCE) return;
      }
    } catch (error) {
      logWarning("outbox_not_read", error, { courier: this.#ports.name });
      this.#lookAt = Date.now() + OUTBOX_RETRY_MS;
    }
  }

  /** Delivers to the entities that are due, some at once; false when none is. */
  async #deliverDue(): Promise<boolean> {
    const { target } = this.#ports;
    const state = this.#tables.state();
    const now = Date.now();
    if (state.closed !== null || state.next_try_at > now) return false;
    // Of a target that has failed, one finds out whether it can be reached again.
    const parallel = state.failures > 0 ? 1 : target.parallel;
    const due = this.#tables.due(now, parallel);
    if (due.length === 0) return false;
    await pMap(due, (entity) => this.#deliver(entity), { concurrency: parallel });
    return true;
  }

  async #deliver({ entity, tries, begun }: EntityRow): Promise<void> {
    const tables = this.#tables;
    const messages = tables.messages(entity, DELIVERED_AT_ONCE);
    const { failing_since } = tables.state();
    tables.begin(entity);
    const delivery = {
      entity,
      messages,
      attempt: tries + 1,
      is_repeated: begun === 1,
      memory: tables,
      failing_ms: failing_since === null ? 0 : Date.now() - failing_since,
    };
    const outcome = await this.#ports.target
      .deliver(delivery, AbortSignal.timeout(DELIVERY_MS))
      .catch((error: unknown): Outcome => {
        logWarning("delivery_failed", error, { courier: this.#ports.name, entity });
        const why = error instanceof Error ? error.message : String(error);
        return {
          ...{ status: "failed", through: 0, scope: "entity", retry_after_ms: null },
          ...{ error: `The delivery broke off: ${why}`, is_final: false },
        };
      });
    this.#storage.transactionSync(() => this.#settle(entity, tries, outcome));
  }

  #settle(entity: string, tries: number, outcome: Outcome): void {
    const tables = this.#tables;
    const now = Date.now();
    if (outcome.through > 0) tables.done(entity, outcome.through);
    if (outcome.status === "delivered") {
      const { again_ms } = outcome;
      tables.settle(entity, again_ms === undefined ? null : now + again_ms);
      const { delivered } = tables.state();
      const well = { failures: 0, failing_since: null, next_try_at: 0 };
      tables.change({ ...well, delivered_at: now, delivered: delivered + 1 });
      return;
    }
    const { error } = outcome;
    const { failures, failing_since, next_try_at } = tables.state();
    tables.change({ error, error_at: now });
    if (outcome.status === "closed") {
      tables.change({ closed: error });
      return;
    }
    const since = failing_since ?? now;
    if (outcome.scope === "target") {
      // Those that fail beside each other are one failure.
      const isCounted = next_try_at <= now;
      const pause = outcome.retry_after_ms ?? targetPauseMs(failures + 1, Math.random());
      tables.change({
        failing_since: since,
        ...(isCounted && { failures: failures + 1, next_try_at: now + pause }),
      });
      tables.failed(entity, tries, error, now, now);
      return;
    }
    // Who answers about one entity can be reached.
    tables.change({ failures: 0, failing_since: null, next_try_at: 0 });
    // What is done of it is progress: the pauses begin anew.
    const counted = outcome.through > 0 ? 1 : tries + 1;
    const { retry_delays_ms } = this.#ports.target;
    const pause = outcome.is_final
      ? null
      : (outcome.retry_after_ms ?? entityPauseMs(counted, retry_delays_ms, Math.random()));
    tables.failed(entity, counted, error, pause === null ? null : now + pause, now);
  }

  async #tellCursor(): Promise<void> {
    const { cursor } = this.#tables.state();
    const now = Date.now();
    if (cursor === null || cursor === this.#toldCursor) return;
    if (now - this.#cursorToldAt < CURSOR_EVERY_MS) {
      this.#lookAt = Math.min(this.#lookAt ?? Infinity, this.#cursorToldAt + CURSOR_EVERY_MS);
      return;
    }
    try {
      await this.#ports.outbox.passed(this.#ports.name, cursor, now);
      this.#toldCursor = cursor;
      this.#cursorToldAt = now;
    } catch (error) {
      logWarning("cursor_not_told", error, { courier: this.#ports.name });
      this.#lookAt = now + OUTBOX_RETRY_MS;
    }
  }

  async #arm(): Promise<void> {
    const { closed, next_try_at } = this.#tables.state();
    const due = closed === null ? this.#tables.nextDueAt() : null;
    const times = due === null ? [] : [Math.max(due, next_try_at)];
    if (this.#lookAt !== null) times.push(this.#lookAt);
    if (this.#isWoken) times.push(Date.now());
    if (times.length === 0) await this.#storage.deleteAlarm();
    else await this.#storage.setAlarm(Math.ceil(Math.max(Math.min(...times), Date.now())));
  }
}
