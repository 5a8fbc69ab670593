/**
 * Attempts that backends elsewhere carry out: sends their dispatches, answers claims, and takes what
 * is reported. Everything names the dispatch by its epoch; what names another one is fenced.
 */
import type {
  Carrier,
  Claim,
  DetachedRef,
  DetachedReport,
  DetachedType,
  Dispatch,
  Fenced,
  ReportAnswer,
  Usage,
  Waiting,
} from "../executors/detached.ts";
import { failed } from "../executors/outcome.ts";
import type { Outcome, Work } from "../executors/port.ts";
import { logWarning } from "../http/log.ts";
import type { Ticket } from "./attempts.ts";
import type { DetachedRow, DetachedTable, Sent } from "./detached-table.ts";
import type { LateUsage } from "./late-usage.ts";
import { patiently } from "./patiently.ts";
import { type CodeWork, type DetachedPorts, StepNotReady } from "./ports.ts";
import type { RunAttempts } from "./run-attempts.ts";
import { stepName } from "./run-attempts.ts";
import type { RunHost } from "./run-host.ts";
import { isInFlight, planOf, RESEND_MS, stopReasonOf } from "./state.ts";
import type { LiveRun } from "./store-types.ts";
import type { StopCause } from "./types.ts";

type Ended = Extract<DetachedReport, { type: "ended" }>;

/** The queue did not take a dispatch that was noted as sent. */
export class DispatchNotSent extends Error {}

export class DetachedAttempts {
  readonly #host: RunHost;
  readonly #attempts: RunAttempts;
  readonly #table: DetachedTable;
  readonly #ports: DetachedPorts;
  readonly #late: LateUsage;

  constructor(
    host: RunHost,
    attempts: RunAttempts,
    table: DetachedTable,
    ports: DetachedPorts,
    late: LateUsage,
  ) {
    this.#late = late;
    this.#host = host;
    this.#attempts = attempts;
    this.#table = table;
    this.#ports = ports;
  }

  /** Sends a dispatch again; false for one that was never sent. */
  async repeat(live: LiveRun, step: number, epoch: number): Promise<boolean> {
    const ref = refOf(live, step, epoch);
    if (this.#table.get(ref) === null) return false;
    await this.#send(ref);
    return true;
  }

  /** Sends a dispatch for the first time, unless a cache has its result. Throws `StepNotReady`. */
  async begin(live: LiveRun, step: number, epoch: number, prepared: CodeWork): Promise<void> {
    const ref = refOf(live, step, epoch);
    const ticket = this.#ticket(ref);
    if (!ticket) return;
    const work = await this.#attempts.withFiles(live, prepared);
    if (await this.#takeCached(ticket, work)) return;
    // What takes long is done before anybody waits for the answer to a claim.
    await this.#attempts.mounted(live, work);
    const [first, second] = this.#usable(work);
    if (!this.#ticket(ref)) return;
    const is_cached = work.cache !== null;
    const patient = second === undefined;
    const shares = this.#shares(ref, work, first);
    const sent = { task_type: first, patient, is_cached, shares };
    this.#host.commit(() => this.#table.sent(ref, sent));
    await this.#send(ref);
  }

  /** A backend asks for the work of a dispatch. */
  async claim(ref: DetachedRef, by: string, type: DetachedType): Promise<Claim> {
    const isMine = (row: DetachedRow | null): row is DetachedRow =>
      row?.task_type === type && (row.claimed_by ?? by) === by;
    const work = isMine(this.#table.get(ref)) ? await this.#claimed(ref) : null;
    const ticket = this.#ticket(ref);
    const row = this.#table.get(ref);
    if (!work || !ticket || !isMine(row)) return this.#fenced(ref);
    const { live, step, attempt, epoch } = ticket;
    if (row.claimed_by === null) this.#host.commit(() => this.#table.claimed(ref, by));
    const { timeout_ms } = planOf(live.plan, live.state, step);
    return {
      status: "wanted",
      request: {
        ref: {
          resource_id: ref.resource_id,
          run: ref.run,
          step: stepName(ticket),
          attempt,
          epoch,
        },
        project_id: live.resource.project_id,
        work: { ...work.mounted, task_type: row.task_type },
        deadline_at: Date.now() + timeout_ms,
        timeout_ms,
      },
      timeout_ms,
      runs_on: work.runs_on,
      priority: ticket.priority,
    };
  }

  /**
   * The backend `by` says that nothing connected to it can run it: the next of its executors is
   * tried, and when there is none the first is waited for. Code that has begun stays where it is.
   */
  async unavailable(ref: DetachedRef, type: DetachedType, by: string): Promise<void> {
    const work = await this.#work(ref);
    const row = this.#unbegun(ref, type, by);
    if (!work || row === null || row.patient) return;
    const usable = this.#usable(work);
    const next = usable[usable.indexOf(type) + 1];
    const { is_cached } = row;
    const task_type = next ?? usable[0];
    const shares = this.#shares(ref, work, task_type);
    const sent = { task_type, patient: next === undefined, is_cached, shares };
    this.#move(ref, sent);
  }

  /** The backend `by` serves the type no more: it is dispatched as it was, to whoever serves it. */
  returned(ref: DetachedRef, type: DetachedType, by: string): void {
    const row = this.#unbegun(ref, type, by);
    if (row !== null) this.#move(ref, row);
  }

  /** The row of a dispatch that the backend has, or is to have, and that has not begun. */
  #unbegun(ref: DetachedRef, type: DetachedType, by: string): DetachedRow | null {
    const row = this.#table.get(ref);
    const status = this.#ticket(ref)?.live.state.steps[ref.step]?.status;
    const isTheirs = row?.task_type === type && (row.claimed_by ?? by) === by;
    return isTheirs && status === "queued" ? row : null;
  }

  /** Under a new epoch: the backend that gives it up may have taken a copy since. */
  #move(ref: DetachedRef, sent: Sent): void {
    const live = this.#ticket(ref)?.live;
    if (!live) return;
    const { step, epoch } = ref;
    this.#host.commit((now) => {
      this.#host.drive(live, { type: "attempt_moved", step, epoch }, now);
      const { epoch: fresh = epoch } = live.state.steps[step] ?? {};
      this.#table.sent({ ...ref, epoch: fresh }, sent);
    });
  }

  /** Takes what a backend says of a dispatch, in its order. */
  async report(ref: DetachedRef, reports: readonly DetachedReport[]): Promise<ReportAnswer> {
    const ticket = this.#ticket(ref, true);
    const ended = reports.find((report) => report.type === "ended");
    if (!ticket) {
      if (ended) this.#refuse(ref);
      const usage = usageIn(reports);
      if (usage !== null) this.#late.note(ref, usage);
      return this.#fenced(ref);
    }
    const output = this.#host.commit((now) => this.#apply(ref, ticket, reports, now));
    if (ended) await this.#end(ref, ticket, ended);
    return { status: "accepted", output };
  }

  /** Key in the blob store for a file that the attempt keeps. */
  artifactPlace(
    ref: DetachedRef,
    path: string,
  ): Fenced | { readonly status: "wanted"; readonly key: string } {
    const ticket = this.#ticket(ref, true);
    if (!ticket) return this.#fenced(ref);
    return { status: "wanted", key: this.#attempts.artifactKey(ticket, path) };
  }

  /** Stops a dispatch; one that no backend has will never begin, as its claim is fenced from now on. */
  async stop(live: LiveRun, step: number, epoch: number, cause: StopCause): Promise<void> {
    const ref = refOf(live, step, epoch);
    const reason = stopReasonOf(cause);
    const claimedBy = this.#table.get(ref)?.claimed_by ?? null;
    try {
      if (claimedBy !== null) {
        const backend = this.#ports.backend(claimedBy);
        const { status } = await patiently(() => backend.stop(ref, reason));
        if (status === "stopping") return;
      }
      const result = { status: "cancelled" } as const;
      this.#host.tell(live, { type: "attempt_finished", step, epoch, result });
    } catch (error) {
      // Not confirmed in time, the stop is reported as unconfirmed.
      logWarning("attempt_not_stopped", error, { resource_id: live.resource.id });
    }
  }

  /** What carries a dispatch out; null for one that was never sent. */
  carrier(live: LiveRun, step: number, epoch: number): Carrier | null {
    const row = this.#table.get(refOf(live, step, epoch));
    return row && { executor: row.task_type, runner_id: row.runner_id };
  }

  /** What a dispatch waits for that has not started; null when nobody knows. */
  async waiting(live: LiveRun, step: number): Promise<Waiting | null> {
    const epoch = live.state.steps[step]?.epoch ?? 0;
    const ref = refOf(live, step, epoch);
    const row = this.#table.get(ref);
    if (!row) return null;
    if (row.claimed_by === null) {
      return { reason: `It is on its way to an executor "${row.task_type}".`, position: null };
    }
    return this.#ports
      .backend(row.claimed_by)
      .waiting(ref)
      .catch(() => null);
  }

  /** Ends a dispatch that could not be delivered. */
  async undeliverable(ref: DetachedRef, message: string): Promise<void> {
    const ticket = this.#ticket(ref);
    if (!ticket || this.#table.get(ref)?.claimed_by !== null) return;
    const outcome = failed("error", "dispatch_undeliverable", message);
    await this.#attempts.end(ticket, outcome, [], () => undefined);
  }

  /** Forgets the dispatches of a run that has ended; to be called inside a commit. */
  forget(live: LiveRun): void {
    const { id } = live.resource;
    for (const key of this.#table.shared(id, live.run)) {
      // One that does not hear of it ends by itself, when nobody has used it for a while.
      this.#host.afterCommit(() => {
        void this.#ports.endShared(key).catch((error: unknown) => {
          logWarning("shared_not_ended", error, { resource_id: id, run: live.run });
        });
      });
    }
    this.#table.forget(id, live.run);
  }

  #shares(ref: DetachedRef, { work }: CodeWork, task_type: DetachedType): string | null {
    return this.#ports.shared(ref, { ...work, task_type });
  }

  async #takeCached(ticket: Ticket, { cache }: CodeWork): Promise<boolean> {
    const known = cache && (await this.#attempts.cached(ticket, cache));
    if (!known) return false;
    await this.#attempts.end(ticket, known, [], () => undefined);
    return true;
  }

  /** The executors that can be used here at all, in their order. Throws `StepNotReady` without one. */
  #usable({ work, executors }: CodeWork): readonly [DetachedType, ...DetachedType[]] {
    const { task_type: own } = work;
    const wanted = executors.length > 0 || own === "local" ? executors : [own];
    const [first, ...rest] = [...new Set(wanted)].filter(
      (type) => this.#ports.problem(type) === null,
    );
    if (first !== undefined) return [first, ...rest];
    const [wish = "subprocess"] = wanted;
    const why = this.#ports.problem(wish);
    throw new StepNotReady("executor_unavailable", why ?? `Name an executor beside "${own}".`);
  }

  /** Hands a dispatch that was noted as sent to the queue. */
  async #send(ref: DetachedRef): Promise<void> {
    const live = this.#ticket(ref)?.live;
    const row = this.#table.get(ref);
    if (!live || !row) return;
    const { task_type, patient, claimed_by } = row;
    const dispatch: Dispatch = {
      ...ref,
      version: 1,
      project_id: live.resource.project_id,
      placement: this.#ports.placement(live.resource.kind),
      ...{ task_type, patient, claimed_by },
      expires_at: Date.now() + RESEND_MS,
    };
    await this.#ports.send(dispatch).catch((cause: unknown) => {
      throw new DispatchNotSent("The queue did not take a dispatch.", { cause });
    });
  }

  async #work(ref: DetachedRef, reports = false): Promise<CodeWork | null> {
    const ticket = this.#ticket(ref, reports);
    if (!ticket) return null;
    const work = await this.#attempts.work(ticket);
    return work.type === "work" ? work : null;
  }

  /** The work of a dispatch that is claimed; one that cannot be begun any more ends with the reason. */
  async #claimed(ref: DetachedRef): Promise<(CodeWork & { readonly mounted: Work }) | null> {
    const ticket = this.#ticket(ref);
    const work = await this.#work(ref);
    if (!ticket || !work) return null;
    try {
      return { ...work, mounted: await this.#attempts.mounted(ticket.live, work) };
    } catch (error) {
      if (!(error instanceof StepNotReady)) throw error;
      const outcome = failed("error", error.code, error.message);
      await this.#attempts.end(ticket, outcome, [], () => undefined);
      return null;
    }
  }

  #apply(
    ref: DetachedRef,
    ticket: Ticket,
    reports: readonly DetachedReport[],
    now: number,
  ): number {
    const { step, epoch } = ref;
    const { live } = ticket;
    let output = this.#table.get(ref)?.output ?? 0;
    for (const report of reports) {
      if ("runner_id" in report) this.#table.hadBy(ref, report.runner_id);
      switch (report.type) {
        case "started":
          this.#host.drive(live, { type: "attempt_started", step, epoch }, now);
          break;
        case "alive":
          if (live.state.steps[step]?.status === "running") {
            this.#host.drive(live, { type: "heartbeat", step, epoch }, now);
          }
          break;
        case "output": {
          const fresh = report.entries.slice(Math.max(0, output - report.from));
          // A gap is left to the backend, which hears what was taken.
          if (report.from > output || fresh.length === 0) break;
          const entries = fresh.map(([stream, text]) => ({ stream, text }));
          this.#attempts.appendOutput(ticket, entries, now);
          output += fresh.length;
          this.#table.took(ref, output);
          break;
        }
        case "artifact":
          this.#attempts.noteArtifact(ticket, report, now);
          break;
        case "lost": {
          const { usage, is_code_dead } = report;
          const event = { type: "attempt_lost", step, epoch, usage, is_code_dead } as const;
          this.#host.drive(live, event, now);
          break;
        }
        case "ended":
        case "spent":
          break;
      }
    }
    return output;
  }

  async #end(ref: DetachedRef, ticket: Ticket, { outcome, usage }: Ended): Promise<void> {
    if (outcome.status === "completed" && this.#table.get(ref)?.is_cached) {
      // A result that is not kept for others is a result all the same.
      await this.#keepCached(ref, ticket, outcome).catch((error: unknown) =>
        logWarning("cache_failed", error, { resource_id: ref.resource_id }),
      );
    }
    await this.#attempts.end(ticket, outcome, [], () => undefined, usage);
  }

  async #keepCached(ref: DetachedRef, ticket: Ticket, outcome: Outcome): Promise<void> {
    const work = await this.#work(ref, true);
    if (work?.cache) await this.#attempts.keepCached(ticket, work.cache, outcome);
  }

  /** Records a result that came too late; one that is repeated is no news. */
  #refuse(ref: DetachedRef): void {
    const { step, epoch } = ref;
    const live = this.#host.runs.find(ref.resource_id, ref.run)?.live;
    const current = live?.state.steps[step]?.epoch ?? 0;
    if (!live || current === epoch) return;
    const result = { status: "cancelled" } as const;
    this.#host.tell(live, { type: "attempt_finished", step, epoch, result });
  }

  #fenced(ref: DetachedRef): Fenced {
    const live = this.#host.runs.find(ref.resource_id, ref.run)?.live;
    return { status: "fenced", epoch: live?.state.steps[ref.step]?.epoch ?? 0 };
  }

  /** The dispatch, while its reports count; one that is being stopped only for its `reports`. */
  #ticket(ref: DetachedRef, reports = false): Ticket | null {
    const { resource_id, run, step, epoch } = ref;
    const live = this.#host.runs.find(resource_id, run)?.live;
    const state = live?.state.steps[step];
    if (!live || !state || state.epoch !== epoch || !isInFlight(state)) return null;
    if (state.stopping && !reports) return null;
    const priority = this.#host.kind(live.resource).priority(live.resource);
    const { attempt } = state;
    return { live, step, attempt, epoch, alone: false, priority, held_back: false };
  }
}

function usageIn(reports: readonly DetachedReport[]): Usage | null {
  return reports.flatMap((report) => ("usage" in report ? (report.usage ?? []) : []))[0] ?? null;
}

function refOf(live: LiveRun, step: number, epoch: number): DetachedRef {
  return { resource_id: live.resource.id, run: live.run, step, epoch };
}
