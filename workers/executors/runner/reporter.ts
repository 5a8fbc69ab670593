/**
 * Tells owners what happens to their dispatches. The calls for one dispatch follow each other, and
 * each takes along what piled up during the one before. A call that fails is repeated.
 */
import { logWarning } from "../../http/log.ts";
import { type ReportAnswer, refOf } from "../detached.ts";
import { retryDelay } from "./leases.ts";
import type { FinalReport, PoolAttempt, PoolOwner } from "./pool-types.ts";
import { type Telling, Tracker } from "./tracker.ts";

/** Output of all dispatches that waits for its owners; past it, runners keep theirs. */
export const MAX_BUFFERED_CHARS = 16 * 1024 * 1024;

export interface ReporterHost {
  owner(row: PoolAttempt): PoolOwner;
  /** The owner has this much. `isAcknowledged` says that the runner is waiting to hear it. */
  told(row: PoolAttempt, output: number, isStartedTold: boolean, isAcknowledged: boolean): void;
  /** The owner has taken the last report; `isCompleted` says that it is the runner's. */
  finished(row: PoolAttempt, final: FinalReport, isCompleted: boolean): void;
  fenced(row: PoolAttempt): void;
}

type Answered = (answer: ReportAnswer | null) => void;

export class Reporter {
  readonly #host: ReporterHost;
  readonly #trackers = new Map<string, Tracker>();
  readonly #pumping = new Set<Tracker>();
  readonly #waiters = new Map<Tracker, Answered[]>();

  constructor(host: ReporterHost) {
    this.#host = host;
  }

  /** The tracker of a dispatch; that of an earlier one of the same step ends. */
  of(row: PoolAttempt): Tracker {
    const known = this.#trackers.get(row.attempt);
    if (known?.row.epoch === row.epoch) return known;
    if (known) this.drop(row.attempt);
    const fresh = new Tracker(row);
    this.#trackers.set(row.attempt, fresh);
    return fresh;
  }

  /** Nothing more is told of it. */
  drop(attempt: string): void {
    const tracker = this.#trackers.get(attempt);
    if (!tracker) return;
    tracker.isClosed = true;
    this.#trackers.delete(attempt);
    this.#answer(tracker, null);
  }

  /** Whether the runner has said all there is to say of it, so that it need not be there any more. */
  isWhole({ attempt, epoch }: PoolAttempt): boolean {
    const tracker = this.#trackers.get(attempt);
    return tracker?.row.epoch === epoch && tracker.isWhole;
  }

  get isFull(): boolean {
    let chars = 0;
    for (const { buffer } of this.#trackers.values()) chars += buffer.chars;
    return chars >= MAX_BUFFERED_CHARS;
  }

  /** Begins to tell what there is to tell. */
  wake(tracker: Tracker): void {
    if (this.#pumping.has(tracker) || tracker.isClosed) return;
    this.#pumping.add(tracker);
    void this.#pump(tracker);
  }

  /** How much the owner has, after what is being told to it; null when it does not answer. */
  async ask(tracker: Tracker): Promise<ReportAnswer | null> {
    if (tracker.failures > 0) return null;
    tracker.isAsking = true;
    const answer = new Promise<ReportAnswer | null>((resolve) => {
      this.#waiters.set(tracker, [...(this.#waiters.get(tracker) ?? []), resolve]);
    });
    this.wake(tracker);
    return answer;
  }

  async #pump(tracker: Tracker): Promise<void> {
    try {
      while (!tracker.isClosed) {
        const telling = tracker.next();
        if (telling.reports.length === 0) return;
        const answer = await this.#tell(tracker, telling);
        if (tracker.isClosed) return;
        if (answer !== null) {
          tracker.failures = 0;
          this.#take(tracker, telling, answer);
          continue;
        }
        tracker.failures += 1;
        tracker.isAsking = false;
        this.#answer(tracker, null);
        await scheduler.wait(retryDelay(tracker.failures));
      }
    } finally {
      // In the same turn as the last look: what comes after it finds nobody telling.
      this.#pumping.delete(tracker);
    }
  }

  async #tell(tracker: Tracker, { reports }: Telling): Promise<ReportAnswer | null> {
    const { row } = tracker;
    try {
      return await this.#host.owner(row).reportAttempt(refOf(row), reports);
    } catch (error) {
      logWarning("owner_not_told", error, { attempt: row.attempt, epoch: row.epoch });
      return null;
    }
  }

  #take(tracker: Tracker, telling: Telling, answer: ReportAnswer): void {
    const { row, buffer } = tracker;
    if (answer.status === "fenced") {
      this.#answer(tracker, answer);
      this.drop(row.attempt);
      this.#host.fenced(row);
      return;
    }
    const before = buffer.taken;
    buffer.settle(answer.output);
    if (telling.hasStarted) tracker.started = "told";
    // Whoever asked tells the runner itself.
    const isAcknowledged = telling.hasOutput && !tracker.isAsking;
    tracker.isAsking = false;
    this.#answer(tracker, answer);
    if (telling.final !== null) {
      this.drop(row.attempt);
      this.#host.finished(row, telling.final, tracker.complete !== null);
      return;
    }
    if (telling.hasStarted || buffer.taken !== before || isAcknowledged) {
      this.#host.told(row, buffer.taken, tracker.started === "told", isAcknowledged);
    }
  }

  #answer(tracker: Tracker, answer: ReportAnswer | null): void {
    const waiters = this.#waiters.get(tracker) ?? [];
    this.#waiters.delete(tracker);
    for (const resolve of waiters) resolve(answer);
  }
}
