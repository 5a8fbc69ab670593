/** What attempts in the coordinator's own process need of it: their work, and somebody to report to. */
import pMap from "p-map";
import type { Usage } from "../executors/detached.ts";
import type { Call, Caller, Executor, Outcome, TaskType, Work } from "../executors/port.ts";
import { logWarning } from "../http/log.ts";
import { contentDigest } from "../security/hash.ts";
import type { AttemptHost, CachedOutcome, LogEntry, Ticket } from "./attempts.ts";
import { artifactDigest, artifactMetadata, artifactPrefix } from "./blobs.ts";
import { type CodebasePorts, type MountedCodebase, treeOf } from "./codebases.ts";
import { EndBatch } from "./end-batch.ts";
import type { Examined, Executions } from "./executions.ts";
import type { Nested } from "./nested.ts";
import { type CacheRequest, type CodeWork, StepNotReady, type StepWork } from "./ports.ts";
import { ask } from "./questions.ts";
import { storedRecord } from "./record.ts";
import { fitsInline, inlineResult } from "./results.ts";
import type { RunHost } from "./run-host.ts";
import { type Failure, isInFlight, nameOf } from "./state.ts";
import { StepCache } from "./step-cache.ts";
import type { RunStore } from "./store.ts";
import type { LiveRun } from "./store-types.ts";
import { countFiles, mountsOf, type TakenFiles } from "./taken-files.ts";
import type { AttemptResult, StoredResult } from "./types.ts";
import { keptArtifacts } from "./views.ts";

const MAX_MESSAGE_CHARS = 10_000;
const MAX_CODE_CHARS = 100;
/** Listings of the blob store under way for one step; the platform allows six connections. */
const MAX_LISTINGS = 4;

const encoder = new TextEncoder();

interface StoredArtifact {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface AttemptPorts {
  readonly executors: Partial<Record<TaskType, Executor>>;
  readonly callers: Readonly<Record<Call["via"], Caller>>;
  readonly codebases: CodebasePorts;
  readonly executions: Executions;
  readonly nested: Nested;
}

interface Kept {
  readonly result: AttemptResult;
  readonly stored: StoredResult | null;
}

export class RunAttempts implements AttemptHost {
  readonly #host: RunHost;
  readonly #blobs: R2Bucket;
  readonly #ports: AttemptPorts;
  readonly #store: RunStore;
  readonly #cache: StepCache;
  readonly #ends: EndBatch;

  constructor(host: RunHost, env: Env, ports: AttemptPorts, store: RunStore) {
    this.#host = host;
    this.#blobs = env.BLOBS;
    this.#ports = ports;
    this.#store = store;
    this.#cache = new StepCache(env.BLOBS);
    this.#ends = new EndBatch(
      () => host.inFlight,
      (ends) =>
        host.commit((now) => {
          for (const end of ends) end(now);
        }),
    );
  }

  work({ live, step, epoch }: Ticket): StepWork | Promise<StepWork> {
    const kind = this.#host.kind(live.resource);
    const answer = ask(this.#host.results, live, (view) => kind.work(view, step, epoch));
    const whole = (work: StepWork) => (work.type === "work" ? this.withFiles(live, work) : work);
    return answer instanceof Promise ? answer.then(whole) : whole(answer);
  }

  /** The work with what earlier steps kept in its workspace, and counted in its cache. */
  withFiles(live: LiveRun, step: CodeWork): CodeWork | Promise<CodeWork> {
    if (step.artifacts_from.length === 0) return step.cache ? withTaken(step, []) : step;
    return this.#taken(live, step.artifacts_from).then((taken) => withTaken(step, taken));
  }

  /** The work with the tree of its codebase, made ready to be fetched. Throws `StepNotReady`. */
  mounted(live: LiveRun, { work, codebase = null }: CodeWork): Work | Promise<Work> {
    return codebase === null ? work : this.#mount(live, work, codebase);
  }

  async #mount({ resource }: LiveRun, work: Work, codebase: MountedCodebase): Promise<Work> {
    const key = await this.#ports.codebases.archive(resource.project_id, codebase);
    if (key !== null) return { ...work, tree: treeOf(codebase, key) };
    const { name, snapshot } = codebase;
    throw new StepNotReady(
      "codebase_gone",
      `Snapshot ${snapshot} of the codebase "${name}", which the run is pinned to, was deleted. Push it again and start a new run, or name another snapshot.`,
    );
  }

  async #taken(live: LiveRun, sources: CodeWork["artifacts_from"]): Promise<TakenFiles[]> {
    const taken = async ({ step, path: folder }: CodeWork["artifacts_from"][number]) => {
      const state = live.state.steps[step];
      const { resource } = live;
      const epoch = state?.epoch ?? 0;
      const run = state?.reused_from?.run ?? live.run;
      const name = stepName({ live, step });
      const files = await this.#kept(artifactPrefix({ resource, run, step: name, epoch }));
      const made_by = { resource_id: resource.id, run, step, epoch };
      return { step: name, made_by, folder, files };
    };
    return pMap(sources, taken, { concurrency: MAX_LISTINGS });
  }

  async #kept(prefix: string): Promise<TakenFiles["files"]> {
    const files: TakenFiles["files"][number][] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await this.#blobs.list({
        prefix,
        include: ["customMetadata"],
        ...(cursor ? { cursor } : {}),
      });
      for (const object of page.objects) {
        const { key } = object;
        files.push({ path: key.slice(prefix.length), key, sha256: artifactDigest(object) });
      }
      if (!page.truncated) return files;
      cursor = page.cursor;
    }
  }

  executor(work: Work): Executor | null {
    return this.#ports.executors[work.task_type] ?? null;
  }

  caller(call: Call): Caller {
    return this.#ports.callers[call.via];
  }

  begin(ticket: Ticket): boolean {
    const { live, step, epoch } = ticket;
    const state = live.state.steps[step];
    if (state?.status !== "queued" || state.epoch !== epoch) return false;
    this.#host.tell(live, { type: "attempt_started", step, epoch });
    return live.state.steps[step]?.status === "running";
  }

  output(ticket: Ticket, entries: readonly LogEntry[]): void {
    const live = this.#host.subject(ticket);
    if (live) this.#host.commit((now) => this.appendOutput({ ...ticket, live }, entries, now));
  }

  async artifact(
    ticket: Ticket,
    path: string,
    body: Uint8Array,
    sha256 = contentDigest(body),
  ): Promise<void> {
    const key = this.artifactKey(ticket, path);
    await this.#blobs.put(key, body, { customMetadata: artifactMetadata(sha256) });
    const live = this.#host.subject(ticket);
    if (!live) {
      await this.#blobs.delete(key);
      return;
    }
    const stored = { path, bytes: body.byteLength, sha256 };
    this.#host.commit((now) => this.noteArtifact({ ...ticket, live }, stored, now));
  }

  /** Where the blob store keeps a file of an attempt. */
  artifactKey(ticket: Ticket, path: string): string {
    const { epoch } = ticket;
    const { resource, run } = ticket.live;
    const isTask = this.#host.kind(resource).result === "step";
    const step = isTask ? null : stepName(ticket);
    return `${artifactPrefix({ resource, run, step, epoch })}${path}`;
  }

  /** Records a file that was stored; to be called inside a commit. */
  noteArtifact(ticket: Ticket, stored: StoredArtifact, now: number): void {
    const { live, epoch } = ticket;
    const { path, bytes, sha256 } = stored;
    live.recorded.add("artifact");
    const step = stepName(ticket);
    const data = { step, epoch, path, bytes, sha256 };
    this.#host.append(live.resource, live.run, {
      at: now,
      type: "artifact.stored",
      epoch,
      step,
      data,
    });
  }

  async end(
    ticket: Ticket,
    outcome: Outcome,
    entries: readonly LogEntry[],
    free: () => void,
    usage?: Usage,
  ): Promise<void> {
    const { step, epoch } = ticket;
    const mounts = this.#host.kind(ticket.live.resource).mounts(ticket.live, step);
    const examined = mounts ? await this.#examine(ticket, outcome, entries) : null;
    const kept = this.#keep(ticket, outcome);
    const { result: plain, stored } = kept instanceof Promise ? await kept : kept;
    const result = withLocations(plain, examined);
    let isDropped = false;
    await this.#ends.add((now) => {
      free();
      const live = this.#host.subject(ticket);
      isDropped = live === null;
      if (!live) return;
      this.appendOutput({ ...ticket, live }, entries, now);
      const state = live.state.steps[step];
      if (state?.epoch === epoch && isInFlight(state)) live.results.set(step, stored);
      this.#host.drive(live, { type: "attempt_finished", step, epoch, result, usage }, now);
      if (examined) this.#ports.executions.note(examined.report);
    });
    this.#ports.nested.attemptEnded();
    if (isDropped) await this.#host.results.discard(stored);
  }

  /** Null for what did not run, or cannot be made out any more. */
  async #examine(
    ticket: Ticket,
    outcome: CachedOutcome | Outcome,
    entries: readonly LogEntry[],
  ): Promise<Examined | null> {
    if (outcome.status === "cancelled" || "cached_from" in outcome) return null;
    try {
      const work = await this.work(ticket);
      if (work.type !== "work" || !work.codebase) return null;
      const { codebase } = work;
      const mounted = { work: work.work, codebase };
      return await this.#ports.executions.examine(ticket, mounted, outcome, entries);
    } catch (error) {
      if (error instanceof StepNotReady) return null;
      throw error;
    }
  }

  probationPassed(ticket: Ticket): void {
    const { step, epoch } = ticket;
    const live = this.#host.subject(ticket);
    if (live) this.#host.tell(live, { type: "probation_passed", step, epoch });
  }

  async cached(ticket: Ticket, request: CacheRequest): Promise<CachedOutcome | null> {
    const { live, epoch } = ticket;
    const step = stepName(ticket);
    try {
      const found = await this.#cache.find({ live, step, request }, Date.now());
      const data = found.hit
        ? { step, epoch, hit: true, from: { ...found.origin } }
        : { step, epoch, hit: false, differs: found.differs && [...found.differs] };
      this.#host.commit((now) => {
        const event = { at: now, type: "cache.looked_up", epoch, step, data };
        this.#host.append(live.resource, live.run, event);
      });
      if (!found.hit) return null;
      for (const { path, body, sha256 } of found.artifacts) {
        await this.artifact(ticket, path, body, sha256 ?? undefined);
      }
      const { exit_code, result, origin } = found;
      return { status: "completed", exit_code, result, cached_from: origin };
    } catch (error) {
      // Without its cache a step runs.
      logWarning("cache_failed", error, { resource_id: live.resource.id });
      return null;
    }
  }

  async keepCached(ticket: Ticket, request: CacheRequest, outcome: Outcome): Promise<void> {
    if (outcome.status !== "completed") return;
    const { live, epoch } = ticket;
    const name = stepName(ticket);
    try {
      const record = storedRecord(this.#store, live.resource.id, live.run);
      const artifacts = keptArtifacts(record, (by, at) => by === name && at === epoch);
      const subject = { live, step: name, request };
      await this.#cache.keep(subject, outcome, artifacts, Date.now());
    } catch (error) {
      logWarning("cache_failed", error, { resource_id: live.resource.id });
    }
  }

  /** Appends output to the log; to be called inside a commit. */
  appendOutput(ticket: Ticket, entries: readonly LogEntry[], now: number): void {
    const { live, epoch, attempt } = ticket;
    const step = stepName(ticket);
    for (const { stream, text } of entries) {
      live.recorded.add(stream);
      this.#host.append(live.resource, live.run, {
        at: now,
        type: "log",
        epoch,
        step,
        log: { stream, attempt, bytes: encoder.encode(text).byteLength },
        data: { step, attempt, epoch, stream, text },
      });
    }
  }

  /** Decides where a result lives and, when that is the blob store, puts it there first. */
  #keep(ticket: Ticket, outcome: CachedOutcome | Outcome): Kept | Promise<Kept> {
    if (outcome.status === "cancelled") return { result: outcome, stored: null };
    const { result: value, ...reported } = outcome;
    const result = reported.status === "failed" ? cutMessage(reported) : reported;
    if (value === null) return { result, stored: null };
    const json = JSON.stringify(value);
    if (fitsInline(json)) return { result, stored: inlineResult(json) };
    const place = `${ticket.step}.${ticket.epoch}`;
    return this.#host.results
      .keep(ticket.live, place, value)
      .then((stored) => ({ result, stored }))
      .catch((error: unknown) => ({ result: unstorable(error), stored: null }));
  }
}

function withTaken(step: CodeWork, taken: readonly TakenFiles[]): CodeWork {
  const cache = step.cache && countFiles(step.cache, taken);
  return { ...step, work: { ...step.work, mounts: mountsOf(taken) }, cache };
}

export function stepName({
  live,
  step,
}: {
  readonly live: LiveRun;
  readonly step: number;
}): string {
  return nameOf(live.plan, live.state, step);
}

function withLocations(result: AttemptResult, examined: Examined | null): AttemptResult {
  if (result.status !== "failed" || !examined || examined.locations.length === 0) return result;
  return { ...result, locations: examined.locations };
}

/** What quotes a result or comes from a task's code may be as large as that is, and rows are not. */
function cutMessage(failure: Failure): Failure {
  const { message, code } = failure;
  if (message.length <= MAX_MESSAGE_CHARS && code.length <= MAX_CODE_CHARS) return failure;
  const kept = message.slice(0, MAX_MESSAGE_CHARS).toWellFormed();
  return {
    ...failure,
    code: code.slice(0, MAX_CODE_CHARS).toWellFormed(),
    message: `${kept} … (cut from ${message.length} characters)`,
  };
}

function unstorable(error: unknown): AttemptResult {
  return {
    status: "failed",
    reason: "error",
    exit_code: null,
    code: "result_not_stored",
    message: `The blob store did not take the result (${String(error)}). Retry the task.`,
  };
}
