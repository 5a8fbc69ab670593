/**
 * Attempts that run in the coordinator's own process: admission to its slots, the lone suspects,
 * the buffer between an attempt's output and the event log, and stopping.
 */
import type {
  AttemptRef,
  AttemptRequest,
  AttemptSink,
  Call,
  Caller,
  CallRequest,
  Executor,
  LogStream,
  Outcome,
  StopReason,
  Work,
} from "../executors/port.ts";
import { Breather } from "./breather.ts";
import { type CacheRequest, type CodeWork, StepNotReady, type StepWork } from "./ports.ts";
import { nameOf, planOf } from "./state.ts";
import type { LiveRun } from "./store-types.ts";
import { earnsProbation } from "./suspects.ts";
import { splitText } from "./text-parts.ts";
import type { CacheOrigin, StopCause } from "./types.ts";

/** The platform runs at most this many distinct dynamic workers at once for one object. */
export const MAX_ATTACHED_IN_FLIGHT = 10;
/** Output reaches the event log, and so every watcher, within this time. */
const LOG_FLUSH_MS = 20;
const LOG_CHUNK_CHARS = 32 * 1024;
/** How long a lone suspect runs before the next one may start beside it; doubles with suspicion. */
const PROBATION_MS = 200;
const QUARANTINE_POLL_MS = 100;
/** How often a suspect that stays in quarantine says that it is still there. */
const QUARANTINE_RENEW_MS = 4_000;
/** How long an attempt whose caller does not wait holds back, so that the reply leaves first. */
const HOLD_BACK_MS = 20;

/** One dispatch of one step. */
export interface Ticket {
  readonly live: LiveRun;
  readonly step: number;
  readonly attempt: number;
  readonly epoch: number;
  readonly alone: boolean;
  readonly priority: number;
  /** Nobody waits for the end: the reply to whoever asked is let out before the code runs. */
  readonly held_back: boolean;
}

export interface LogEntry {
  readonly stream: LogStream;
  readonly text: string;
}

/** What an attempt came to, when a cache had its result. */
export type CachedOutcome = Extract<Outcome, { status: "completed" }> & {
  readonly cached_from: CacheOrigin;
};

/** What the attempts ask of the coordinator. Each call commits before it returns. */
export interface AttemptHost {
  work(ticket: Ticket): StepWork | Promise<StepWork>;
  /** The work with the tree of its codebase. Throws `StepNotReady`. */
  mounted(live: LiveRun, step: CodeWork): Work | Promise<Work>;
  /** The result that a cache has; null when the step has to run. */
  cached(ticket: Ticket, request: CacheRequest): Promise<CachedOutcome | null>;
  keepCached(ticket: Ticket, request: CacheRequest, outcome: Outcome): Promise<void>;
  executor(work: Work): Executor | null;
  caller(call: Call): Caller;
  begin(ticket: Ticket): boolean;
  output(ticket: Ticket, entries: readonly LogEntry[]): void;
  artifact(ticket: Ticket, path: string, body: Uint8Array): Promise<void>;
  /** `free` gives the slot back, for what the end makes ready; called in the commit of the end. */
  end(
    ticket: Ticket,
    outcome: Outcome,
    entries: readonly LogEntry[],
    free: () => void,
  ): Promise<void>;
  probationPassed(ticket: Ticket): void;
}

/** Admits one suspect at a time over the whole deployment. */
export interface Quarantine {
  /** Enters, or stays in; else the place in the queue, from 1. */
  enter(holder: string): Promise<{ readonly granted: boolean; readonly position: number }>;
  leave(holder: string): Promise<void>;
}

interface Running {
  readonly ticket: Ticket;
  readonly abort: AbortController;
}

export class Attempts {
  readonly #host: AttemptHost;
  readonly #quarantine: Quarantine;
  readonly #running = new Map<string, Running>();
  readonly #breather = new Breather();
  /** Slots taken, by attempts that run or whose start is being committed. */
  #taken = 0;
  /** Lone suspects that wait for their turn; a slot is kept free for one of them. */
  #suspects = 0;
  /** Places of suspects in the queue for the quarantine, by holder. */
  readonly #places = new Map<string, number>();
  #waiting: Ticket[] = [];

  constructor(host: AttemptHost, quarantine: Quarantine) {
    this.#host = host;
    this.#quarantine = quarantine;
  }

  get inFlight(): number {
    return this.#taken;
  }

  /** Takes a slot for a dispatch, or queues it. A lone suspect always queues for its turn. */
  admit(ticket: Ticket): boolean {
    if (!ticket.alone && this.#hasRoom()) {
      this.#taken += 1;
      return true;
    }
    this.#waiting.push(ticket);
    if (!ticket.alone) this.#waiting.sort((a, b) => b.priority - a.priority);
    return false;
  }

  /** Takes a dispatch that has not started out of the queue; false when it is not there. */
  withdraw(step: number, epoch: number, live: LiveRun): boolean {
    const index = this.#waiting.findIndex(
      (ticket) => ticket.live === live && ticket.step === step && ticket.epoch === epoch,
    );
    if (index >= 0) this.#waiting.splice(index, 1);
    return index >= 0;
  }

  /** Place in the queue for a slot or the quarantine, from 1; null when the dispatch is in neither. */
  position(live: LiveRun, step: number): number | null {
    const suspected = this.#places.get(holderOf(live, step));
    if (suspected !== undefined) return suspected;
    const index = this.#waiting.findIndex((ticket) => ticket.live === live && ticket.step === step);
    return index < 0 ? null : index + 1;
  }

  /** Gives free slots to those that wait, and each lone suspect its own loop. */
  next(): void {
    for (const ticket of this.#waiting.filter((waiting) => waiting.alone)) {
      this.withdraw(ticket.step, ticket.epoch, ticket.live);
      void this.#startAlone(ticket);
    }
    while (this.#hasRoom()) {
      const ticket = this.#waiting.shift();
      if (!ticket) return;
      this.#taken += 1;
      if (this.#host.begin(ticket)) void this.execute(ticket);
      else this.#taken -= 1;
    }
  }

  /** Stops a running attempt; its end is reported through the host. */
  stop(live: LiveRun, step: number, epoch: number, cause: StopCause): void {
    const reason: StopReason =
      cause === "timeout" || cause === "run_timeout" ? "timeout" : "cancel";
    this.#running.get(keyOf(live, step, epoch))?.abort.abort(reason);
  }

  /** Frees the quarantine of a suspect that has ended, even if it died in there. */
  acquit(live: LiveRun, step: number): void {
    void this.#leave(holderOf(live, step));
  }

  /** Runs an admitted attempt whose start is committed. Never rejects. */
  async execute(ticket: Ticket): Promise<void> {
    const { live, step, epoch } = ticket;
    const key = keyOf(live, step, epoch);
    const abort = new AbortController();
    if (this.#running.size === 0) this.#breather.start();
    this.#running.set(key, { ticket, abort });
    const buffer = new OutputBuffer((entries) => this.#host.output(ticket, entries));
    let isFree = false;
    const free = () => {
      if (!isFree) this.#taken -= 1;
      isFree = true;
    };
    try {
      if (ticket.held_back) await scheduler.wait(HOLD_BACK_MS);
      const pause = this.#breather.take();
      if (pause) await pause;
      const outcome = await this.#run(ticket, abort.signal, buffer);
      await this.#host.end(ticket, outcome, buffer.take(), free);
    } finally {
      buffer.close();
      this.#running.delete(key);
      free();
      this.next();
    }
  }

  async #run(ticket: Ticket, signal: AbortSignal, buffer: OutputBuffer): Promise<Outcome> {
    const { live, step } = ticket;
    try {
      const prepared = this.#host.work(ticket);
      const stepWork = prepared instanceof Promise ? await prepared : prepared;
      if (stepWork.type === "run") throw new Error("a run is no work of this object");
      const { cache } = stepWork;
      const known = cache && (await this.#host.cached(ticket, cache));
      if (known) return known;
      const ref: AttemptRef = {
        resource_id: live.resource.id,
        run: live.run,
        step: nameOf(live.plan, live.state, step),
        attempt: ticket.attempt,
        epoch: ticket.epoch,
      };
      const attempt = {
        ref,
        project_id: live.resource.project_id,
        deadline_at: live.state.steps[step]?.deadline_at ?? Date.now(),
        timeout_ms: planOf(live.plan, live.state, step).timeout_ms,
      };
      const sink: AttemptSink = {
        log: (stream, text) => buffer.add(stream, text),
        artifact: async (path, body) => {
          // Storing many files in a row would keep everybody else waiting, too.
          await this.#breather.take();
          return this.#host.artifact(ticket, path, body);
        },
      };
      const outcome =
        stepWork.type === "call"
          ? await this.#call({ ...attempt, call: stepWork.call }, sink, signal)
          : await this.#execute(live, stepWork, attempt, sink, signal);
      if (cache) await this.#host.keepCached(ticket, cache, outcome);
      return outcome;
    } catch (error) {
      if (error instanceof StepNotReady) return failed(error.code, error.message);
      return failed("executor_error", `The executor broke: ${describe(error)} Retry the task.`);
    }
  }

  #call(request: CallRequest, sink: AttemptSink, signal: AbortSignal): Promise<Outcome> {
    return this.#host.caller(request.call).run(request, sink, signal);
  }

  async #execute(
    live: LiveRun,
    step: CodeWork,
    attempt: Omit<AttemptRequest, "work">,
    sink: AttemptSink,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const mounted = this.#host.mounted(live, step);
    const work = mounted instanceof Promise ? await mounted : mounted;
    const executor = this.#host.executor(work);
    if (!executor) return unavailable(work.task_type);
    return executor.run({ ...attempt, work }, sink, signal);
  }

  /** Waits for the quarantine, runs the suspect in it, and leaves it once it has behaved a while. */
  async #startAlone(ticket: Ticket): Promise<void> {
    const { live, step, epoch } = ticket;
    const holder = holderOf(live, step);
    const key = keyOf(live, step, epoch);
    const abort = new AbortController();
    this.#running.set(key, { ticket, abort });
    const admitted = await this.#turnOf(holder, abort.signal);
    this.#running.delete(key);
    if (!admitted) {
      await this.#leave(holder);
      await this.#host.end(ticket, { status: "cancelled" }, [], () => undefined);
      this.next();
      return;
    }
    if (!this.#host.begin(ticket)) {
      this.#taken -= 1;
      await this.#leave(holder);
      this.next();
      return;
    }
    const done = this.execute(ticket);
    await this.#observe(ticket, holder, done);
    await this.#leave(holder);
    await done;
  }

  /** Keeps the quarantine for a suspect until it has ended or earned to run beside others. */
  async #observe(ticket: Ticket, holder: string, done: Promise<void>): Promise<void> {
    const state = ticket.live.state.steps[ticket.step];
    const ended = done.then(() => true);
    const within = (ms: number) => Promise.race([ended, scheduler.wait(ms).then(() => false)]);
    if (!state || earnsProbation(state)) {
      const suspicion = state?.suspicion ?? 1;
      if (!(await within(PROBATION_MS * 2 ** (suspicion - 1)))) this.#host.probationPassed(ticket);
      return;
    }
    while (!(await within(QUARANTINE_RENEW_MS))) await this.#enter(holder);
  }

  /** Waits for the quarantine and a slot and takes both; resolves to false once it is aborted. */
  async #turnOf(holder: string, signal: AbortSignal): Promise<boolean> {
    this.#suspects += 1;
    try {
      while (!signal.aborted) {
        const hasSlot = () => this.#taken < MAX_ATTACHED_IN_FLIGHT;
        if (hasSlot() && (await this.#enter(holder)) && hasSlot() && !signal.aborted) {
          this.#taken += 1;
          return true;
        }
        if (!signal.aborted) await scheduler.wait(QUARANTINE_POLL_MS);
      }
      return false;
    } finally {
      this.#suspects -= 1;
      this.#places.delete(holder);
    }
  }

  #hasRoom(): boolean {
    return this.#taken + (this.#suspects > 0 ? 1 : 0) < MAX_ATTACHED_IN_FLIGHT;
  }

  /** A lease that is not given back expires by itself. */
  async #leave(holder: string): Promise<void> {
    await this.#quarantine.leave(holder).catch(() => undefined);
  }

  async #enter(holder: string): Promise<boolean> {
    try {
      const { granted, position } = await this.#quarantine.enter(holder);
      if (!granted) this.#places.set(holder, position);
      return granted;
    } catch {
      return false;
    }
  }
}

/** Gathers output for a few milliseconds, so that a chatty attempt costs few commits. */
class OutputBuffer {
  readonly #flush: (entries: readonly LogEntry[]) => void;
  #entries: LogEntry[] = [];
  #chars = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(flush: (entries: readonly LogEntry[]) => void) {
    this.#flush = flush;
  }

  add(stream: LogStream, text: string): void {
    if (text.length <= LOG_CHUNK_CHARS) this.#push(stream, text);
    else for (const part of splitText(text, LOG_CHUNK_CHARS)) this.#push(stream, part);
    if (this.#chars >= LOG_CHUNK_CHARS) this.#emit();
    else this.#timer ??= setTimeout(() => this.#emit(), LOG_FLUSH_MS);
  }

  /** What has not been flushed; the caller commits it. */
  take(): readonly LogEntry[] {
    const entries = this.#entries;
    this.#entries = [];
    this.#chars = 0;
    this.close();
    return entries;
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #push(stream: LogStream, text: string): void {
    const last = this.#entries.at(-1);
    if (last?.stream === stream && last.text.length + text.length <= LOG_CHUNK_CHARS) {
      this.#entries[this.#entries.length - 1] = { stream, text: last.text + text };
    } else {
      this.#entries.push({ stream, text });
    }
    this.#chars += text.length;
  }

  #emit(): void {
    const entries = this.take();
    if (entries.length > 0) this.#flush(entries);
  }
}

function holderOf(live: LiveRun, step: number): string {
  return `${live.resource.id}/${live.run}/${step}`;
}

function keyOf(live: LiveRun, step: number, epoch: number): string {
  return `${live.resource.id}/${live.run}/${step}/${epoch}`;
}

function unavailable(taskType: string): Outcome {
  return failed(
    "executor_unavailable",
    `No executor for task_type "${taskType}" is available here. GET /ready lists those that are.`,
  );
}

function failed(code: string, message: string): Outcome {
  return { status: "failed", reason: "error", exit_code: null, code, message, result: null };
}

function describe(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.endsWith(".") ? text : `${text}.`;
}
