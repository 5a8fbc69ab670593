/** The life of dispatches in a pool: claimed, queued, assigned, and how each ends. */
import { logWarning } from "../../http/log.ts";
import {
  attemptKey,
  type Claim,
  type DetachedRef,
  type Dispatch,
  dispatchKey,
  type OfferAnswer,
  type Waiting,
} from "../detached.ts";
import type { StopReason } from "../port.ts";
import type { Assigner } from "./assigner.ts";
import type { Connections } from "./connections.ts";
import { retryDelay } from "./leases.ts";
import { fits, whyNone } from "./matching.ts";
import type { PoolStore } from "./pool-store.ts";
import {
  type FinalReport,
  isActive,
  type PoolAttempt,
  type PoolOwner,
  refOf,
} from "./pool-types.ts";
import { backendNameOf } from "./pools.ts";
import { GRACE_MS } from "./protocol.ts";
import type { Reporter } from "./reporter.ts";
import type { Roster } from "./roster.ts";

/** Dispatches that wait in one pool. */
export const MAX_QUEUED = 1_000;
const FULL_RETRY_SECONDS = 5;
/** Tries at a claim before whoever offers is to offer again. */
const CLAIM_TRIES = 4;
/** A dispatch that is over is recognised for this long. */
export const REMEMBERED_MS = 10 * 60_000;

export interface DispatchesDeps {
  readonly store: PoolStore;
  readonly roster: Roster;
  readonly connections: Connections;
  readonly reporter: Reporter;
  readonly assigner: Assigner;
  /** The pool's own name. */
  readonly pool: string;
  /** Dispatches that may wait. */
  readonly maxQueued: number;
  owner(place: Pick<Dispatch, "placement" | "resource_id">): PoolOwner;
  arm(): void;
}

interface Claiming {
  readonly answer: Promise<OfferAnswer>;
  isStopped: boolean;
}

export class Dispatches {
  readonly #deps: DispatchesDeps;
  /** Claims under way, by attempt and epoch. */
  readonly #claiming = new Map<string, Claiming>();

  constructor(deps: DispatchesDeps) {
    this.#deps = deps;
  }

  /** Takes a dispatch; offered again while its claim is under way, it is the same offer. */
  async offer(dispatch: Dispatch): Promise<OfferAnswer> {
    const place = dispatchKey(dispatch);
    const under = this.#claiming.get(place);
    if (under) return under.answer;
    const known = this.#deps.store.find(attemptKey(dispatch));
    if (known !== null && known.epoch > dispatch.epoch) return { status: "taken" };
    if (known?.epoch === dispatch.epoch) return this.#known(known);
    const refused = this.#refusal(dispatch);
    if (refused !== null) return refused;
    const claiming: Claiming = {
      answer: Promise.resolve().then(() => this.#claim(dispatch, claiming)),
      isStopped: false,
    };
    this.#claiming.set(place, claiming);
    try {
      return await claiming.answer;
    } finally {
      this.#claiming.delete(place);
    }
  }

  async #known(row: PoolAttempt): Promise<OfferAnswer> {
    if (row.state === "queued" || isActive(row)) {
      const answer = await this.#deps.owner(row).reportAttempt(refOf(row), [{ type: "alive" }]);
      if (answer.status === "fenced") this.fenced(row);
    }
    return { status: "taken" };
  }

  /** What can be refused before it is claimed. */
  #refusal({ task_type, patient }: Dispatch): OfferAnswer | null {
    const { store, pool, roster, maxQueued } = this.#deps;
    if (!patient) {
      const reason = whyNone(pool, roster.offerings(), { task_type, runs_on: [] });
      if (reason !== null) return { status: "unavailable", reason, by: backendNameOf(pool) };
    }
    return store.queueLength() + this.#claiming.size >= maxQueued
      ? { status: "full", retry_after_seconds: FULL_RETRY_SECONDS }
      : null;
  }

  async #claim(dispatch: Dispatch, claiming: Claiming): Promise<OfferAnswer> {
    const { store, pool, roster, assigner } = this.#deps;
    const claim = await this.#claimOf(dispatch);
    if (claim.status === "fenced" || claiming.isStopped) return { status: "taken" };
    const { epoch, resource_id, run, step, placement, project_id, task_type, patient } = dispatch;
    const attempt = attemptKey(dispatch);
    const { runs_on, priority, timeout_ms } = claim;
    if (!patient) {
      const reason = whyNone(pool, roster.offerings(), { task_type, runs_on });
      if (reason !== null) return { status: "unavailable", reason, by: backendNameOf(pool) };
    }
    const before = store.find(attempt);
    if (before !== null && before.epoch >= epoch) return { status: "taken" };
    if (before !== null) this.fenced(before);
    store.queue({
      ...{ attempt, epoch, resource_id, run, step, placement, project_id, task_type },
      ...{ runs_on, priority, timeout_ms, queued_at: Date.now() },
    });
    assigner.keep(attempt, epoch, claim);
    assigner.assign();
    return { status: "taken" };
  }

  async #claimOf(dispatch: Dispatch): Promise<Claim> {
    const { resource_id, run, step, epoch, task_type } = dispatch;
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#deps
          .owner(dispatch)
          .claimAttempt({ resource_id, run, step, epoch }, task_type);
      } catch (error) {
        logWarning("claim_failed", error, { resource_id, run, step, epoch, tries });
        if (tries >= CLAIM_TRIES) throw error;
        await scheduler.wait(retryDelay(tries));
      }
    }
  }

  stop(ref: DetachedRef, reason: StopReason): { status: "stopping" | "unknown" } {
    const { store, assigner } = this.#deps;
    const claiming = this.#claiming.get(dispatchKey(ref));
    // Its claim may have been granted already; it is not carried out.
    if (claiming) claiming.isStopped = true;
    const row = store.find(attemptKey(ref));
    if (row === null || row.epoch > ref.epoch) return { status: "unknown" };
    if (row.epoch < ref.epoch) {
      // A newer dispatch exists, so that this one is not wanted.
      this.fenced(row);
      return { status: "unknown" };
    }
    if (row.state === "done") return { status: "unknown" };
    if (row.state === "ending") return { status: "stopping" };
    if (row.state === "queued" || assigner.isPreparing(row)) {
      this.forget(row);
      return { status: "unknown" };
    }
    store.setStop(row.attempt, reason);
    this.sendStop({ ...row, stop: reason });
    return { status: "stopping" };
  }

  /** Asks the runner to stop, if it is there and has been asked for. */
  sendStop({ attempt, epoch, runner_id, stop }: PoolAttempt): void {
    if (stop === null || runner_id === null) return;
    const frame = { type: "cancel", attempt, epoch, reason: stop, grace_ms: GRACE_MS } as const;
    this.#deps.connections.of(runner_id)?.send(frame);
  }

  waiting(ref: DetachedRef): Waiting | null {
    const { store, pool, roster, assigner } = this.#deps;
    const row = store.find(attemptKey(ref));
    if (row?.epoch !== ref.epoch || row.state !== "queued") return null;
    const runners = roster.offerings();
    const reason = whyNone(pool, runners, row);
    if (reason !== null) return { reason, position: null };
    const paused = assigner.whyPaused(row.attempt);
    if (paused !== null) return { reason: paused, position: null };
    const able = runners.filter((runner) => fits(runner, row)).length;
    return {
      reason: `Every slot of the ${able === 1 ? "runner that fits" : `${able} runners that fit`} in the pool "${pool}" is taken.`,
      position: store.ahead(row) + 1,
    };
  }

  /** Puts a dispatch that its runner does not have back into the queue; a stopped one has ended. */
  requeue(row: PoolAttempt): void {
    if (row.stop !== null) {
      this.end(row, { type: "ended", outcome: { status: "cancelled" } });
      return;
    }
    this.#deps.reporter.drop(row.attempt);
    this.#deps.store.requeue(row.attempt);
  }

  /** Nobody knows what became of it. */
  lose(row: PoolAttempt): void {
    this.end(row, { type: "lost" });
  }

  /** Ends it from this side; the owner is told until it answers. */
  end(row: PoolAttempt, final: FinalReport): void {
    const { store, reporter, assigner } = this.#deps;
    store.end(row.attempt, final);
    assigner.drop(row.attempt);
    const tracker = reporter.of(row);
    tracker.final = final;
    reporter.wake(tracker);
    this.#deps.arm();
  }

  /** Tells again what the owner has not answered. */
  tellEnding(): void {
    const { store, reporter } = this.#deps;
    for (const row of store.ending()) reporter.wake(reporter.of(row));
  }

  /** The owner has taken the last report; `isCompleted` says that it is the runner's. */
  finished({ attempt, epoch }: PoolAttempt, final: FinalReport, isCompleted: boolean): void {
    const { store, roster, assigner, connections } = this.#deps;
    const row = store.find(attempt);
    if (row?.epoch !== epoch) return;
    store.finish(attempt, final, Date.now() + REMEMBERED_MS);
    assigner.drop(attempt);
    if (isCompleted && row.runner_id !== null) {
      roster.vacate(row.runner_id, attempt);
      connections.of(row.runner_id)?.send({ type: "complete_ack", attempt, epoch });
    }
    if (final.type === "lost") this.#dismiss(row);
    assigner.assign();
  }

  /** It is not wanted any more: whoever has it is told to kill it. */
  fenced({ attempt, epoch }: PoolAttempt): void {
    const { store, reporter, assigner } = this.#deps;
    const row = store.find(attempt);
    if (row?.epoch !== epoch || row.state === "done") return;
    if (row.state === "queued" || assigner.isPreparing(row)) {
      this.forget(row);
      return;
    }
    reporter.drop(attempt);
    store.finish(attempt, null, Date.now() + REMEMBERED_MS);
    this.#dismiss(row);
    assigner.assign();
  }

  #dismiss(row: PoolAttempt): void {
    const { roster, connections } = this.#deps;
    if (row.runner_id === null) return;
    const { attempt, epoch } = row;
    const connection = connections.of(row.runner_id);
    if (connection === null) return;
    roster.occupy(row.runner_id, row);
    connection.send({ type: "fenced", attempt, epoch });
  }

  /** Nothing of it has reached a runner, nor will. */
  forget(row: PoolAttempt): void {
    const { store, reporter, assigner } = this.#deps;
    const current = store.find(row.attempt);
    if (current?.epoch === row.epoch) store.remove(row.attempt);
    reporter.drop(row.attempt);
    assigner.drop(row.attempt);
    assigner.assign();
  }
}
