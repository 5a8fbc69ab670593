/** What an index does by its alarm: finishes, repeats what was lost, and forgets. */

import type { EventLog } from "../storage/events.ts";
import type { ProjectLanguages } from "../storage/project-languages.ts";
import { type CollectorDeps, collect } from "./collector.ts";
import type { Intake } from "./intake.ts";
import { type IndexJob, parseJobs } from "./jobs.ts";
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

  parsed(now: number): void {
    this.#parsedAt = now;
  }

  /** What lists show has changed. */
  settled(): void {
    this.#projects = true;
  }

  /** When the alarm is needed next; null when nothing is under way. */
  dueAt(now: number): number | null {
    const { snapshots, symbols } = this.#deps;
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
    const isRelisting = this.#deps.languages.relistBelow !== null;
    if (this.#collects || this.#merges || this.#projects || isRelisting) times.push(now);
    return times.length === 0 ? null : Math.max(now, Math.min(...times));
  }

  async turn(now: number): Promise<void> {
    this.#settlePushes(now);
    this.#relist();
    const jobs = [...this.#ingestJobs(now), ...this.#parseJobs(now)];
    if (jobs.length > 0) await this.#deps.send(jobs);
    if (this.#projects) {
      this.#projects = false;
      await this.#deps.project();
    }
    if (this.#collects) this.#collects = collect(this.#deps);
    if (this.#merges) this.#merges = this.#merge();
  }

  #settlePushes(now: number): void {
    const { snapshots, intake } = this.#deps;
    for (const { number, touched_at } of snapshots.inState("receiving")) {
      if (now - touched_at < SILENCE_MS) continue;
      const { status } = intake.complete(number, 0, { commit: null }, now);
      if (status === "missing" && now - touched_at > ABANDONED_MS) {
        const message = "The missing blobs did not come within a day. Push the manifest again.";
        intake.fail(number, { code: "abandoned", message, path: null }, now);
      }
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

  #ingestJobs(now: number): IndexJob[] {
    const { snapshots, intake, codebaseId } = this.#deps;
    return snapshots.inState("ingesting").flatMap((row): IndexJob[] => {
      const { number, tries, touched_at } = row;
      if (tries > 0 && now - touched_at < SILENCE_MS) return [];
      if (tries >= MAX_TRIES) {
        intake.fail(number, givenUp(row), now);
        return [];
      }
      snapshots.setTried(number, now);
      return [{ kind: "ingest", codebase_id: codebaseId, snapshot: number }];
    });
  }

  #parseJobs(now: number): IndexJob[] {
    const { symbols, codebaseId } = this.#deps;
    const isSilent = now - this.#parsedAt >= SILENCE_MS;
    const due = symbols.due(isSilent ? now - SILENCE_MS : 0, BLOBS_PER_TURN);
    const hopeless = due.filter(({ tries }) => tries >= MAX_TRIES);
    for (const { blob, language } of hopeless) symbols.giveUp(blob, language);
    const waiting = due.filter(({ tries }) => tries < MAX_TRIES);
    symbols.setSent(
      waiting.map(({ blob }) => blob),
      now,
    );
    return parseJobs(codebaseId, waiting);
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
