/**
 * Attempts that live outside the coordinator's process: what passes between the coordinator, which
 * owns every attempt and alone mints epochs, and the backends that carry attempts out. Whatever names
 * an epoch that is no longer the newest is answered `fenced`, and its backend stops that work.
 */
import { z } from "zod";
import {
  type AttemptRequest,
  type LogStream,
  type Outcome,
  type StopReason,
  TASK_TYPES,
  type TaskType,
} from "./port.ts";

export const DETACHED_TYPES = TASK_TYPES.filter((type) => type !== "local");
export type DetachedType = (typeof DETACHED_TYPES)[number];

/** One dispatch of one step. */
export const detachedRefSchema = z.object({
  resource_id: z.string(),
  run: z.int().positive(),
  /** Index of the step in its run. */
  step: z.int().nonnegative(),
  epoch: z.int().positive(),
});
export type DetachedRef = Readonly<z.output<typeof detachedRefSchema>>;

/** A message of the queue `dispatch`: ids alone, the coordinator holds the truth. */
export const dispatchSchema = detachedRefSchema.extend({
  version: z.literal(1),
  project_id: z.string(),
  /** How the coordinator of the resource is found. */
  placement: z.enum(["shared", "own"]),
  task_type: z.enum(DETACHED_TYPES),
  /** Whether it waits for a backend to connect; else another type is tried when none is. */
  patient: z.boolean(),
  /** Name of the backend that claimed it, of a dispatch that is sent again. */
  claimed_by: z.string().nullable(),
  /** When the coordinator sends it again of its own accord, in milliseconds since 1970. */
  expires_at: z.int().positive(),
});
export type Dispatch = Readonly<z.output<typeof dispatchSchema>>;

/** The reference alone, of whatever has one. */
export function refOf({ resource_id, run, step, epoch }: DetachedRef): DetachedRef {
  return { resource_id, run, step, epoch };
}

/** Names one dispatch. */
export function dispatchKey(ref: DetachedRef): string {
  return `${attemptKey(ref)}/${ref.epoch}`;
}

/** Names the step of a run that a backend works on, whichever its dispatch. */
export function attemptKey({ resource_id, run, step }: Omit<DetachedRef, "epoch">): string {
  return `${resource_id}/${run}/${step}`;
}

export interface Fenced {
  readonly status: "fenced";
  /** The newest epoch; 0 when there is no such step any more. */
  readonly epoch: number;
}

/** What a claim comes to. A dispatch that was stopped before it was claimed is fenced as well. */
export type Claim =
  | Fenced
  | {
      readonly status: "wanted";
      readonly request: AttemptRequest;
      /** The attempt's time, counted from its start. */
      readonly timeout_ms: number;
      /** Every label that a runner has to have. */
      readonly runs_on: readonly string[];
      readonly priority: number;
    };

export type OutputEntry = readonly [stream: LogStream, text: string];

/** What an attempt used that somebody pays for. */
export const usageSchema = z.object({
  /** How long the sandboxes of the attempt lived, until this was told. */
  sandbox_seconds: z.number(),
  usd: z.number(),
});
export type Usage = Readonly<z.output<typeof usageSchema>>;

/** What carries an attempt out: an executor and, where one of its runners does, which. */
export interface Carrier {
  readonly executor: TaskType;
  readonly runner_id: string | null;
}

/** `runner_id` names the runner that had it, since the report of its start may be lost. */
export type DetachedReport =
  | { readonly type: "started"; readonly runner_id?: string }
  /** It is there, and at work or in a queue: the answer to a dispatch that is known already. */
  | { readonly type: "alive" }
  /** `from` counts the entries of this dispatch before these; entries that were taken are skipped. */
  | {
      readonly type: "output";
      readonly from: number;
      readonly entries: readonly OutputEntry[];
    }
  /** A file that lies where `artifactPlace` said. */
  | {
      readonly type: "artifact";
      readonly path: string;
      readonly bytes: number;
      readonly sha256: string;
    }
  /** The code has stopped, and all its output was taken before. */
  | {
      readonly type: "ended";
      readonly outcome: Outcome;
      readonly usage?: Usage;
      readonly runner_id?: string;
    }
  /** The backend lost it. Unless `is_code_dead`, nobody knows whether the code still runs. */
  | { readonly type: "lost"; readonly usage?: Usage; readonly is_code_dead?: boolean }
  /** What an attempt used that ended for its owner before its backend was done with it. */
  | { readonly type: "spent"; readonly usage: Usage };

export type ReportAnswer =
  | Fenced
  | {
      readonly status: "accepted";
      /** Entries of output of this dispatch that are on the disk. */
      readonly output: number;
    };

/** The coordinator, as backends call it. Calls may be repeated; a repeated one changes nothing. */
export interface AttemptOwner {
  /**
   * The first backend to claim a dispatch has it; `by` names it, and every other one is fenced. So is
   * one of another `type` than the dispatch was last sent to.
   */
  claimAttempt(ref: DetachedRef, by: string, type: DetachedType): Promise<Claim>;
  /** Applies the reports in their order, in one commit. */
  reportAttempt(ref: DetachedRef, reports: readonly DetachedReport[]): Promise<ReportAnswer>;
  /** Key in the blob store for a file that the attempt keeps. */
  artifactPlace(
    ref: DetachedRef,
    path: string,
  ): Promise<Fenced | { readonly status: "wanted"; readonly key: string }>;
}

/** Code of an attempt that failed since its dispatch could not be delivered. */
export const DISPATCH_UNDELIVERABLE = "dispatch_undeliverable";

/** The coordinator, as the queue's consumers call it. */
export interface DispatchOwner {
  /** Nothing that is connected to the backend `by` can run it: the next of its executors is tried. */
  attemptUnavailable(ref: DetachedRef, type: DetachedType, by: string): Promise<void>;
  /** The backend `by` has nothing for the type any more: it is dispatched anew, to whoever has. */
  attemptReturned(ref: DetachedRef, type: DetachedType, by: string): Promise<void>;
  /** Its dispatch could not be delivered, however often it was tried: DISPATCH_UNDELIVERABLE. */
  attemptUndeliverable(ref: DetachedRef, message: string): Promise<void>;
}

export type OfferAnswer =
  /** It has it, now or since earlier, or it is fenced. */
  | { readonly status: "taken" }
  /** It has too much queued: offer it again later. */
  | { readonly status: "full"; readonly retry_after_seconds: number }
  /** Nothing that is connected to the backend `by` can run it, and nothing of it was kept. */
  | { readonly status: "unavailable"; readonly reason: string; readonly by: string }
  /** The backend `by` is not the one for the type any more, and nothing of it was kept. */
  | { readonly status: "returned"; readonly by: string };

/** Why a dispatch has not started, for `why`. */
export interface Waiting {
  readonly reason: string;
  /** Place in the backend's queue, from 1; null when that is not what it waits for. */
  readonly position: number | null;
}

/** What carries attempts out: the pool of runners, or the driver of one sandbox. */
export interface AttemptBackend {
  /**
   * Claims the dispatch and carries it out. A patient one waits for a backend to connect; another is
   * refused as `unavailable`, also later while it waits, so that the next of its executors is tried.
   */
  offer(dispatch: Dispatch): Promise<OfferAnswer>;
  /**
   * Stops the code; the end is reported to the owner. `unknown` says that nothing of the dispatch
   * runs here nor will, since a claim that comes later is fenced.
   */
  stop(ref: DetachedRef, reason: StopReason): Promise<{ readonly status: "stopping" | "unknown" }>;
  /** Null for a dispatch that runs, or is not known here. */
  waiting(ref: DetachedRef): Promise<Waiting | null>;
}
