/** The life of dispatches in a pool: claimed, queued, assigned, and how each ends. */
import { logWarning } from "../../http/log.ts";
import {
  attemptKey,
  DETACHED_TYPES,
  type DetachedRef,
  type Dispatch,
  dispatchKey,
  type OfferAnswer,
  refOf,
  type Waiting,
} from "../detached.ts";
import type { StopReason } from "../port.ts";
import type { Assigner } from "./assigner.ts";
import type { Connections } from "./connections.ts";
import type { Failover } from "./failover.ts";
import { fits, whyNone } from "./matching.ts";
import type { PoolStore } from "./pool-store.ts";
import { type FinalReport, isActive, type PoolAttempt, type PoolOwner } from "./pool-types.ts";
import { backendNameOf } from "./pools.ts";
import { GRACE_MS } from "./protocol.ts";
import type { Reporter } from "./reporter.ts";
import type { Returns } from "./returns.ts";
import type { Roster } from "./roster.ts";

/** Dispatches that wait in one pool. */
export const MAX_QUEUED = 1_000;
const FULL_RETRY_SECONDS = 5;
/** A dispatch that is over is recognised for this long. */
export const REMEMBERED_MS = 10 * 60_000;

export interface DispatchesDeps {
  readonly store: PoolStore;
  readonly roster: Roster;
  readonly connections: Connections;
  readonly reporter: Reporter;
  readonly assigner: Assigner;
  readonly failover: Failover;
  readonly returns: Returns;
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
  /** Claims under way, by dispatch and type: one that goes to another type is claimed anew. */
  readonly #claiming = new Map<string, Claiming>();

  constructor(deps: DispatchesDeps) {
    this.#deps = deps;
  }

  /** Takes a dispatch; offered again while its claim is under way, it is the same offer. */
  async offer(dispatch: Dispatch): Promise<OfferAnswer> {
    const place = claimKey(dispatch, dispatch.task_type);
    const under = this.#claiming.get(place);
    if (under) return under.answer;
    const known = this.#deps.store.find(attemptKey(dispatch));
    if (known !== null && known.epoch > dispatch.epoch) return { status: "taken" };
    if (known !== null && isOf(known, dispatch)) return this.#known(known, dispatch);
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

  async #known(row: PoolAttempt, { patient }: Dispatch): Promise<OfferAnswer> {
    const { store, failover, pool, arm, returns } = this.#deps;
    if (row.state === "queued" && returns.isLeft(row.task_type)) {
      this.forget(row);
      return { status: "returned", by: backendNameOf(pool) };
    }
    // A dispatch that no executor could have comes back to the first, and waits there.
    if (patient && !row.patient) store.setPatient(row.attempt);
    else if (row.state === "queued") {
      const reason = failover.reason(row, Date.now());
      if (reason !== null) {
        this.forget(row);
        return { status: "unavailable", reason, by: backendNameOf(pool) };
      }
      arm();
    }
    if (row.state === "queued" || isActive(row)) {
      const answer = await this.#deps.owner(row).reportAttempt(refOf(row), [{ type: "alive" }]);
      if (answer.status === "fenced") this.fenced(row);
    }
    return { status: "taken" };
  }

  /** What can be refused before it is claimed. */
  #refusal({ task_type, patient }: Dispatch): OfferAnswer | null {
    const { store, pool, roster, maxQueued, returns } = this.#deps;
    if (returns.isLeft(task_type)) return { status: "returned", by: backendNameOf(pool) };
    if (!patient) {
      const reason = whyNone(pool, roster.offerings(), { task_type, runs_on: [] });
      if (reason !== null) return { status: "unavailable", reason, by: backendNameOf(pool) };
    }
    return store.queueLength() + this.#claiming.size >= maxQueued
      ? { status: "full", retry_after_seconds: FULL_RETRY_SECONDS }
      : null;
  }

  async #claim(dispatch: Dispatch, claiming: Claiming): Promise<OfferAnswer> {
    const { store, pool, roster, assigner, returns } = this.#deps;
    const { epoch, resource_id, run, step, placement, project_id, task_type, patient } = dispatch;
    const claim = await this.#deps.owner(dispatch).claimAttempt(refOf(dispatch), task_type);
    if (claim.status === "fenced" || claiming.isStopped) return { status: "taken" };
    const attempt = attemptKey(dispatch);
    const { runs_on, priority, timeout_ms } = claim;
    if (returns.isLeft(task_type)) return { status: "returned", by: backendNameOf(pool) };
    if (!patient) {
      const reason = whyNone(pool, roster.offerings(), { task_type, runs_on });
      if (reason !== null) return { status: "unavailable", reason, by: backendNameOf(pool) };
    }
    const before = store.find(attempt);
    if (before !== null && before.epoch > epoch) return { status: "taken" };
    if (before?.epoch === epoch && !this.#replace(before, task_type)) return { status: "taken" };
    if (before !== null) this.fenced(before);
    store.queue({
      ...{ attempt, epoch, resource_id, run, step, placement, project_id, task_type, patient },
      ...{ runs_on, priority, timeout_ms, queued_at: Date.now() },
    });
    assigner.keep(attempt, epoch, claim);
    assigner.assign();
    return { status: "taken" };
  }

  /**
   * Whether a dispatch that was claimed for another type may take the place of what is known of it.
   * What a runner may have had of it under this epoch is lost first: frames name no type, so that the
   * runner would take the one for the other. Its owner then dispatches the step anew.
   */
  #replace(before: PoolAttempt, type: Dispatch["task_type"]): boolean {
    if (before.task_type === type) return false;
    if (before.state === "queued" || this.#deps.assigner.isPreparing(before)) return true;
    if (before.state !== "ending") this.lose(before);
    return false;
  }

  stop(ref: DetachedRef, reason: StopReason): { status: "stopping" | "unknown" } {
    const { store, assigner } = this.#deps;
    for (const type of DETACHED_TYPES) {
      const claiming = this.#claiming.get(claimKey(ref, type));
      // Its claim may have been granted already; it is not carried out.
      if (claiming) claiming.isStopped = true;
    }
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
    const { reporter, assigner, store } = this.#deps;
    reporter.drop(row.attempt);
    assigner.recall(row.attempt);
    store.requeue(row.attempt);
  }

  /** The runner is gone for good: what it never got is for others, and the rest of its is lost. */
  leave(runnerId: string): void {
    const { store, assigner } = this.#deps;
    for (const row of store.activeOf(runnerId)) {
      if (assigner.isPreparing(row)) this.requeue(row);
      else this.lose(row);
    }
    assigner.assign();
  }

  /** Sends away what does not wait for a runner and has had none that fits for a lease. */
  failOver(now: number): void {
    const { failover, owner } = this.#deps;
    for (const row of failover.due(now)) {
      // Before its owner hears of it, so that no runner is given what goes elsewhere. An owner that
      // does not hear sends it again, and it is claimed and refused anew.
      this.forget(row);
      void owner(row)
        .attemptUnavailable(refOf(row), row.task_type)
        .catch((error: unknown) =>
          logWarning("owner_not_told", error, { attempt: row.attempt, epoch: row.epoch }),
        );
    }
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
    if (current === null || !isOf(current, row)) return;
    store.remove(row.attempt);
    reporter.drop(row.attempt);
    assigner.drop(row.attempt);
    assigner.assign();
  }
}

/** Whether a row is of a dispatch: one that goes to another executor keeps its epoch. */
function isOf(row: PoolAttempt, dispatch: Pick<Dispatch, "epoch" | "task_type">): boolean {
  return row.epoch === dispatch.epoch && row.task_type === dispatch.task_type;
}

function claimKey(ref: DetachedRef, type: Dispatch["task_type"]): string {
  return `${dispatchKey(ref)} ${type}`;
}
