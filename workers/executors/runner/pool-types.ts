/** What a pool knows of attempts and runners, and what it needs from around it. */
import type {
  AttemptOwner,
  Claim,
  DetachedRef,
  DetachedReport,
  DetachedType,
  Dispatch,
  DispatchOwner,
} from "../detached.ts";
import type { AttemptRef, SecretResolver, StopReason, TaskType, Work } from "../port.ts";
import type { Lease } from "./leases.ts";
import type { Demand } from "./matching.ts";
import type { ToRunner } from "./protocol.ts";

/** The owner of attempts as one pool calls it: what it says is in the pool's name. */
export interface PoolOwner extends Omit<AttemptOwner, "claimAttempt"> {
  claimAttempt(ref: DetachedRef, type: DetachedType): Promise<Claim>;
  attemptUnavailable(ref: DetachedRef, type: DetachedType): Promise<void>;
  attemptReturned(ref: DetachedRef, type: DetachedType): Promise<void>;
}

/** What the coordinator is told last of a dispatch. */
export type FinalReport = Extract<DetachedReport, { type: "ended" | "lost" }>;

/**
 * `assigned` is meant for a runner, which may not have it yet; `running` has been reported as
 * started. `ending` has a last report that the owner has not answered yet; `done` is kept for a
 * while, so that what is said again is recognised.
 */
export const POOL_STATES = ["queued", "assigned", "running", "ending", "done"] as const;
export type PoolState = (typeof POOL_STATES)[number];

/** One dispatch in the pool; a later dispatch of the same step takes its row. */
export interface PoolAttempt extends Lease, DetachedRef {
  /** `attemptKey` of the step. */
  readonly attempt: string;
  readonly placement: Dispatch["placement"];
  readonly project_id: string;
  readonly task_type: DetachedType;
  /** Whether it waits for a runner; else another type is tried when none that fits is connected. */
  readonly patient: boolean;
  readonly state: PoolState;
  readonly priority: number;
  readonly queued_at: number;
  readonly runs_on: readonly string[];
  readonly timeout_ms: number;
  readonly runner_id: string | null;
  readonly is_started_told: boolean;
  /** Entries of output that the owner is known to have. */
  readonly output: number;
  /** Why it is being stopped. */
  readonly stop: StopReason | null;
  readonly final: FinalReport | null;
  /** Blobs that its files are made of. */
  readonly blob_keys: readonly string[];
}

export function isActive({ state }: PoolAttempt): boolean {
  return state === "assigned" || state === "running";
}

/** A runner of the pool, connected or not. */
export interface PoolRunner {
  readonly runner_id: string;
  readonly name: string;
  readonly is_revoked: boolean;
  /** The life of its process that said hello last. */
  readonly boot_id: string | null;
  readonly version: string | null;
  readonly labels: readonly string[];
  readonly task_types: readonly TaskType[] | null;
  readonly unavailable: Readonly<Partial<Record<TaskType, string>>>;
  readonly slots: number;
  readonly is_draining: boolean;
  /** ms since 1970. */
  readonly seen_at: number | null;
}

/** What the service tells about a runner. */
export interface RunnerStatus extends Omit<PoolRunner, "boot_id"> {
  readonly is_connected: boolean;
  readonly running: number;
}

type Assign = Extract<ToRunner, { type: "assign" }>;
/** A frame for a runner. */
export type Outgoing =
  | Exclude<ToRunner, Assign>
  | (Omit<Assign, "work" | "ref"> & { readonly work: Work; readonly ref: AttemptRef });

/** What a runner is told that was revoked, by its connection or by its requests. */
export const REVOKED = {
  type: "refused",
  code: "revoked",
  message: "This runner has been revoked. Register it anew with POST /api/v1/runners.",
} as const satisfies ToRunner;

/** One connection of a runner, by whichever transport. */
export interface Connection {
  readonly runner_id: string;
  /** Whether its hello has been answered; false for good once it is closed. */
  isReady: boolean;
  /** What it still says is not heard. */
  readonly isClosed: boolean;
  /** False when it is known to be gone. */
  send(frame: Outgoing): boolean;
  close(code: number, reason: string): void;
}

/** Of one executor in one pool, as a project sees it. */
export interface PoolFigure {
  /** Of the runners the pool's project, empty for the shared pool; of what is queued its own. */
  readonly project_id: string;
  readonly task_type: TaskType;
  /** Runners that are connected and can run it now. */
  readonly connected: number;
  /** Dispatches that wait for a runner. */
  readonly queued: number;
}

/** What a project's own pool asks of the shared one. */
export interface SharedPool {
  couldRun(demand: Demand): Promise<boolean>;
}

export interface PoolPorts {
  /** The coordinator of a resource. */
  owner(
    env: Env,
    placement: Dispatch["placement"],
    resourceId: string,
  ): AttemptOwner & Pick<DispatchOwner, "attemptUnavailable" | "attemptReturned">;
  /** The pool that serves the projects without runners of their own. */
  sharedPool(env: Env): SharedPool;
  /** Takes what a pool has now, in place of what it had. */
  publish(env: Env, pool: string, figures: readonly PoolFigure[]): Promise<void>;
  secrets(env: Env): SecretResolver;
  /** How long a runner may be silent; LEASE_MS unless set. */
  readonly lease_ms?: number;
  /** How many dispatches may wait; MAX_QUEUED unless set. */
  readonly max_queued?: number;
}

export type Admission = "admitted" | "revoked" | "replayed";
