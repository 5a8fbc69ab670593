/** What the owner of one dispatch has still to be told, pure. */
import type { DetachedReport } from "../detached.ts";
import type { Outcome } from "../port.ts";
import { OutputBuffer } from "./output-buffer.ts";
import type { FinalReport, PoolAttempt } from "./pool-types.ts";

/** Text of output in one report. */
export const MAX_REPORT_CHARS = 1024 * 1024;
/** A request to send output again is not repeated within this time. */
export const ASK_AGAIN_MS = 1_000;

/** What a call to the owner is to say; `final` is its last report, if it is in it. */
export interface Telling {
  readonly reports: readonly DetachedReport[];
  readonly final: FinalReport | null;
  readonly hasStarted: boolean;
  readonly hasOutput: boolean;
}

export class Tracker {
  readonly row: PoolAttempt;
  readonly buffer: OutputBuffer;
  started: "no" | "owed" | "told";
  /** The runner's end of it; taken when all output has come. */
  complete: { readonly output: number; readonly outcome: Outcome } | null = null;
  /** The pool's own end of it. */
  final: FinalReport | null;
  /** Whether the owner is to be asked how much it has. */
  isAsking = false;
  isClosed = false;
  /** Calls to the owner that failed since one succeeded. */
  failures = 0;
  #asked: { readonly taken: number; readonly at: number } | null = null;
  #produced = 0;

  constructor(row: PoolAttempt) {
    this.row = row;
    this.buffer = new OutputBuffer(row.output);
    this.final = row.state === "ending" ? row.final : null;
    this.started = row.is_started_told ? "told" : row.state === "running" ? "owed" : "no";
  }

  /** What to tell now; no reports when there is nothing. */
  next(): Telling {
    const reports: DetachedReport[] = [];
    const hasStarted = this.started === "owed";
    if (hasStarted) reports.push({ type: "started", ...this.#by() });
    const { from, entries } = this.buffer.batch(MAX_REPORT_CHARS);
    const hasOutput = entries.length > 0;
    if (hasOutput) reports.push({ type: "output", from, entries });
    const isWhole = from + entries.length === this.buffer.end;
    const final = isWhole ? this.#last() : null;
    if (final !== null) reports.push(final);
    if (reports.length === 0 && this.isAsking) reports.push({ type: "alive" });
    return { reports, final, hasStarted, hasOutput };
  }

  /** Whether the runner's end of it has come, with all output before it. */
  get isWhole(): boolean {
    return this.complete !== null && this.buffer.end >= this.complete.output;
  }

  #last(): FinalReport | null {
    if (this.final !== null) return this.final;
    if (this.complete === null || !this.isWhole) return null;
    return { type: "ended", outcome: this.complete.outcome, ...this.#by() };
  }

  #by(): { readonly runner_id?: string } {
    const { runner_id } = this.row;
    return runner_id === null ? {} : { runner_id };
  }

  /** Whether the runner is to send again what follows; not more often than it can answer. */
  mayAsk(now: number): boolean {
    const { taken } = this.buffer;
    if (this.#asked?.taken === taken && now - this.#asked.at < ASK_AGAIN_MS) return false;
    this.#asked = { taken, at: now };
    return true;
  }

  /**
   * Notes how much output the runner says it has. True when some of it has been missing for as long
   * as from one heartbeat to the next: what is only on its way is not asked for.
   */
  isMissing(produced: number): boolean {
    const isMissing = this.#produced > this.buffer.end && this.buffer.end === this.buffer.taken;
    this.#produced = produced;
    return isMissing;
  }
}
