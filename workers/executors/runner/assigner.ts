/** Gives what is queued to runners that have room for it. */
import { ApiError } from "../../http/errors.ts";
import { logWarning } from "../../http/log.ts";
import { type Claim, refOf } from "../detached.ts";
import { secretNames } from "../environment.ts";
import { failed } from "../outcome.ts";
import type { SecretResolver } from "../port.ts";
import type { Connections } from "./connections.ts";
import { type Candidate, matchQueue } from "./matching.ts";
import type { PoolStore } from "./pool-store.ts";
import type { FinalReport, Outgoing, PoolAttempt, PoolOwner } from "./pool-types.ts";

/** A dispatch that could not be given out is not tried again for this long. */
export const PAUSE_MS = 1_000;
/** Requests kept for their assignment, so that they are not asked for twice. */
const MAX_KEPT_REQUESTS = 32;

type Wanted = Extract<Claim, { status: "wanted" }>;

export interface AssignerHost {
  owner(row: PoolAttempt): PoolOwner;
  readonly secrets: SecretResolver;
  readonly leaseMs: number;
  /** Runners with what they can take. */
  candidates(): Candidate[];
  /** The pool ends the dispatch itself. */
  end(row: PoolAttempt, final: FinalReport): void;
  /** The owner does not want it any more; the runner has not heard of it. */
  forget(row: PoolAttempt): void;
  arm(): void;
}

export class Assigner {
  readonly #store: PoolStore;
  readonly #connections: Connections;
  readonly #host: AssignerHost;
  /** By attempt, the assignment that has not been sent yet. */
  readonly #preparing = new Map<string, PoolAttempt>();
  readonly #requests = new Map<string, { readonly epoch: number; readonly wanted: Wanted }>();
  /** When whoever refused a dispatch may be asked again; `*` is everybody. */
  readonly #pauses = new Map<
    string,
    Map<string, { readonly until: number; readonly why: string }>
  >();

  constructor(store: PoolStore, connections: Connections, host: AssignerHost) {
    this.#store = store;
    this.#connections = connections;
    this.#host = host;
  }

  /** Whether the runner cannot have it yet. */
  isPreparing({ attempt, epoch, task_type }: PoolAttempt): boolean {
    const preparing = this.#preparing.get(attempt);
    return preparing?.epoch === epoch && preparing.task_type === task_type;
  }

  /** What is being prepared is not sent. */
  recall(attempt: string): void {
    this.#preparing.delete(attempt);
  }

  /** Keeps a claim's request for the assignment that follows it. */
  keep(attempt: string, epoch: number, wanted: Wanted): void {
    const [oldest] = this.#requests.keys();
    if (this.#requests.size >= MAX_KEPT_REQUESTS && oldest !== undefined) {
      this.#requests.delete(oldest);
    }
    this.#requests.set(attempt, { epoch, wanted });
  }

  /** Does not offer the dispatch to the runner (`*`: to any) for a while. */
  pause(attempt: string, runnerId: string, why: string): void {
    const pauses = this.#pauses.get(attempt) ?? new Map();
    pauses.set(runnerId, { until: Date.now() + PAUSE_MS, why });
    this.#pauses.set(attempt, pauses);
    this.#host.arm();
  }

  /** Why it was not given out when it could have been; null when it was not tried. */
  whyPaused(attempt: string): string | null {
    return [...(this.#pauses.get(attempt)?.values() ?? [])].at(-1)?.why ?? null;
  }

  /** When the next pause ends. */
  nextTry(): number | null {
    let next: number | null = null;
    for (const pauses of this.#pauses.values()) {
      for (const { until } of pauses.values()) next = Math.min(next ?? until, until);
    }
    return next;
  }

  /** Forgets what is kept of a dispatch. */
  drop(attempt: string): void {
    this.recall(attempt);
    this.#requests.delete(attempt);
    this.#pauses.delete(attempt);
  }

  /** Gives out what can be given out now. */
  assign(): void {
    const now = Date.now();
    this.#endPauses(now);
    const avoids = (attempt: string, runnerId: string) => {
      const pauses = this.#pauses.get(attempt);
      return pauses !== undefined && (pauses.has(runnerId) || pauses.has("*"));
    };
    for (const { attempt, runner_id } of matchQueue(
      this.#store.queued(),
      this.#host.candidates(),
      avoids,
    )) {
      this.#store.assign(attempt, runner_id, now + this.#host.leaseMs);
      const row = this.#store.find(attempt);
      if (row === null) continue;
      this.#preparing.set(attempt, row);
      void this.#deliver(row);
    }
    this.#host.arm();
  }

  #endPauses(now: number): void {
    for (const [attempt, pauses] of this.#pauses) {
      for (const [runnerId, { until }] of pauses) if (until <= now) pauses.delete(runnerId);
      if (pauses.size === 0) this.#pauses.delete(attempt);
    }
  }

  async #deliver(row: PoolAttempt): Promise<void> {
    const prepared = await this.#prepare(row).catch((error: unknown) => {
      logWarning("attempt_not_prepared", error, { attempt: row.attempt, epoch: row.epoch });
      return "failed" as const;
    });
    // It may have been stopped, recalled or dispatched anew meanwhile.
    if (this.#preparing.get(row.attempt) !== row) return;
    this.recall(row.attempt);
    const current = this.#store.find(row.attempt);
    if (current?.epoch !== row.epoch || current.state !== "assigned") return;
    if (prepared === "fenced") return this.#host.forget(current);
    if (prepared === "failed") {
      this.#store.requeue(row.attempt);
      this.pause(row.attempt, "*", "What it needs could not be read; it is tried again.");
      return;
    }
    if (prepared.type === "ended") return this.#host.end(current, prepared);
    this.#store.send(row.attempt, Date.now() + this.#host.leaseMs, prepared.work);
    const runner = row.runner_id ?? "";
    if (this.#connections.of(runner)?.send(prepared) === true) {
      this.drop(row.attempt);
      return this.#host.arm();
    }
    this.#store.requeue(row.attempt);
    this.pause(row.attempt, runner, "The connection of the runner that was to have it has ended.");
    this.assign();
  }

  /** The frame that gives it out, with the values of its secrets, which are kept nowhere. */
  async #prepare(
    row: PoolAttempt,
  ): Promise<
    Extract<Outgoing, { type: "assign" }> | Extract<FinalReport, { type: "ended" }> | "fenced"
  > {
    const kept = this.#requests.get(row.attempt);
    const claim =
      kept?.epoch === row.epoch
        ? kept.wanted
        : await this.#host.owner(row).claimAttempt(refOf(row), row.task_type);
    if (claim.status === "fenced") return "fenced";
    const { work, project_id, ref } = claim.request;
    try {
      const values = await this.#host.secrets.resolve(project_id, secretNames(work));
      return {
        type: "assign",
        attempt: row.attempt,
        epoch: row.epoch,
        ref,
        project_id,
        timeout_ms: claim.timeout_ms,
        work,
        secrets: Object.fromEntries(values),
      };
    } catch (error) {
      // What an operator has to correct fails the attempt; anything else passes.
      if (!(error instanceof ApiError) || error.code !== "misconfigured") throw error;
      const outcome = failed("error", "secrets_unreadable", error.detail);
      return { type: "ended", outcome };
    }
  }
}
