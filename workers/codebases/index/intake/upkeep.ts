/** What an index does by its alarm: finishes, repeats what was lost, and forgets. */

import type { EventLog } from "../storage/events.ts";
import type { ProjectLanguages } from "../storage/project-languages.ts";
import { type CollectorDeps, collect } from "./collector.ts";
import type { Completion, Intake } from "./intake.ts";
import { type IndexJob, parseJobs } from "./jobs.ts";
import type { KeptArchives } from "./kept-archives.ts";
import { givenUp, MAX_TRIES } from "./tries.ts";

/** A job that was not heard of for so long is sent again; those that work say so more often. */
export const SILENCE_MS = 10_000;
/** A push whose blobs do not come is given up. */
const ABANDONED_MS = 24 * 3_600_000;
/** Blobs that are handed to parsers by one turn of the alarm. */
const BLOBS_PER_TURN = 5_000;
/** Pages of the text index that one turn merges. */
const MERGE_PAGES = 500;

export interface UpkeepDeps extends CollectorDeps {
  readonly codebaseId: string;
  readonly events: EventLog;
  readonly intake: Intake;
  readonly archives: KeptArchives;
  readonly languages: ProjectLanguages;
  /** What was worked out of a tree does not hold any more. */
  readonly forget: (root: string) => void;
  readonly send: (jobs: readonly IndexJob[]) => Promise<void>;
  readonly project: () => Promise<void>;
}

export class Upkeep {
  readonly #deps: UpkeepDeps;
  #collects = true;
  #merges = true;
  /** Lists may not know of the newest snapshot. */
  #projects = true;
  /** When a parser was heard of last: until it falls silent, what was sent waits for its turn. */
  #parsedAt = Date.now();

  constructor(deps: UpkeepDeps) {
    this.#deps = deps;
  }

  /** Contents were stored: there are segments to merge. */
  stored(): void {
    this.#merges = true;
  }

  /** A snapshot is gone: there may be contents that no other has. */
  removed(): void {
    this.#collects = true;
  }

  /** A parser was heard of. */
  parsed(now: number): void {
    this.#parsedAt = now;
    this.#tellParsed(now);
  }

  /** What lists show has changed. */
  settled(): void {
    this.#projects = true;
  }

  /** When the alarm is needed next; null when nothing is under way. */
  dueAt(now: number): number | null {
    const { snapshots, symbols, archives } = this.#deps;
    const times = [
      ...snapshots.inState("receiving").map(({ touched_at }) => touched_at + SILENCE_MS),
      ...snapshots
        .inState("ingesting")
        .map((row) => (row.tries === 0 ? now : row.touched_at + SILENCE_MS)),
    ];
    if (symbols.due(now, 1).length > 0) {
      const isUnsent = symbols.due(0, 1).length > 0;
      times.push(isUnsent ? now : Math.max(now, this.#parsedAt + SILENCE_MS));
    }
    const archiveAt = archives.dueAt();
    if (archiveAt !== null) times.push(archiveAt);
    const isRelisting = this.#deps.languages.relistBelow !== null;
    if (this.#collects || this.#merges || this.#projects || isRelisting) times.push(now);
    return times.length === 0 ? null : Math.max(now, Math.min(...times));
  }

  async turn(now: number): Promise<void> {
    this.#settlePushes(now);
    this.#relist();
    await this.#sendIngests(now);
    await this.#sendParses(now);
    if (this.#projects) await this.#project();
    await this.#deps.archives.collect(now);
    if (this.#collects) this.#collects = collect(this.#deps);
    if (this.#merges) this.#merges = this.#merge();
  }

  #settlePushes(now: number): void {
    const { snapshots, intake } = this.#deps;
    for (const { number, touched_at } of snapshots.inState("receiving")) {
      if (now - touched_at < SILENCE_MS) continue;
      const outcome = intake.complete(number, 0, { commit: null }, now);
      if (outcome.status !== "missing") this.#ended(outcome);
      else if (now - touched_at > ABANDONED_MS) {
        const message = "The missing blobs did not come within a day. Push the manifest again.";
        this.#ended(intake.fail(number, { code: "abandoned", message, path: null }, now));
      }
    }
  }

  /** A snapshot takes nothing any more; of one that failed, contents can be left. */
  #ended({ status }: Completion): void {
    if (status === "failed") this.removed();
    this.settled();
  }

  async #project(): Promise<void> {
    this.#projects = false;
    try {
      await this.#deps.project();
    } catch (error) {
      this.#projects = true;
      throw error;
    }
  }

  /** One snapshot a turn, the newest first. */
  #relist(): void {
    const { languages, snapshots, intake } = this.#deps;
    const below = languages.relistBelow;
    if (below === null) return;
    const row = snapshots.readyBelow(below);
    if (row === null) this.settled();
    else {
      intake.relist(row);
      if (row.root !== null) this.#deps.forget(row.root);
    }
    languages.relisted(row?.number ?? null);
  }

  /** What is noted as sent was sent: a death in between has it sent twice, which changes nothing. */
  async #sendIngests(now: number): Promise<void> {
    const { snapshots, intake, codebaseId, send } = this.#deps;
    const due = snapshots
      .inState("ingesting")
      .filter(({ tries, touched_at }) => tries === 0 || now - touched_at >= SILENCE_MS);
    for (const row of due.filter(({ tries }) => tries >= MAX_TRIES)) {
      this.#ended(intake.fail(row.number, givenUp(row), now));
    }
    const sent = due.filter(({ tries }) => tries < MAX_TRIES).map(({ number }) => number);
    if (sent.length === 0) return;
    await send(
      sent.map((number) => ({ kind: "ingest", codebase_id: codebaseId, snapshot: number })),
    );
    for (const number of sent) snapshots.setTried(number, now);
  }

  async #sendParses(now: number): Promise<void> {
    const { symbols, codebaseId, send } = this.#deps;
    const isSilent = now - this.#parsedAt >= SILENCE_MS;
    const due = symbols.due(isSilent ? now - SILENCE_MS : 0, BLOBS_PER_TURN);
    const hopeless = due.filter(({ tries }) => tries >= MAX_TRIES);
    for (const { blob, language } of hopeless) symbols.giveUp(blob, language);
    if (hopeless.length > 0) this.#tellParsed(now);
    const waiting = due.filter(({ tries }) => tries < MAX_TRIES);
    if (waiting.length === 0) return;
    await send(parseJobs(codebaseId, waiting));
    symbols.setSent(
      waiting.map(({ blob }) => blob),
      now,
    );
  }

  /** Once no blob waits for a parser. */
  #tellParsed(now: number): void {
    const { symbols, events } = this.#deps;
    if (symbols.due(now, 1).length > 0) return;
    events.add("symbols.ready", null, {}, now);
    this.settled();
  }

  /** Merges segments of the text index that searches would have to read one by one. */
  #merge(): boolean {
    const { sql } = this.#deps;
    const before = totalChanges(sql);
    sql.exec(`INSERT INTO tri (tri, rank) VALUES ('merge', ${MERGE_PAGES})`);
    // SQLite says that a merge with less than two changes had nothing to do.
    return totalChanges(sql) - before >= 2;
  }
}

function totalChanges(sql: SqlStorage): number {
  const { changes } = sql.exec("SELECT total_changes() AS changes").one();
  return typeof changes === "number" ? changes : 0;
}
