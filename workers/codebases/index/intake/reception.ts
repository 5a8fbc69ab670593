/**
 * What others bring to an index: snapshots with their contents, and what parsers say of them. Each
 * call leaves behind what is to be told and what the alarm is to do.
 */
import { ApiError } from "../../../http/errors.ts";
import type { ParsedFile } from "../../languages/parsed-file.ts";
import type { Documents } from "../reading/documents.ts";
import type { ProjectLanguage } from "../storage/project-languages.ts";
import type { Stores } from "../stores.ts";
import type {
  Contradiction,
  NewSnapshot,
  Refusal,
  Snapshot,
  SnapshotError,
  TakenBlob,
  TakenFile,
} from "../types.ts";
import type { Understanding } from "../understanding/understanding.ts";
import type { Completion, Intake, SameSource } from "./intake.ts";
import type { KeptArchives } from "./kept-archives.ts";
import { PushProgress } from "./push-progress.ts";
import type { Upkeep } from "./upkeep.ts";

export type PushBegun =
  | { readonly status: "begun"; readonly number: number }
  | { readonly status: "contradicted"; readonly files: readonly Contradiction[] };

/** A text that waits for its grammar. */
export interface SourceText {
  readonly blob: number;
  readonly oid: string;
  readonly path: string;
  readonly text: string;
}

export type ParsedBlob = readonly [blob: number, file: ParsedFile];

export interface ReceptionDeps extends Stores {
  readonly archives: KeptArchives;
  readonly intake: Intake;
  readonly upkeep: Upkeep;
  readonly documents: Documents;
  readonly understanding: Understanding;
  readonly readLanguages: () => Promise<readonly ProjectLanguage[]>;
  /** It was deleted, with its tables: jobs that were at work find that nothing takes what they bring. */
  readonly isGone: () => boolean;
  /** There may be work for the alarm. */
  readonly arm: () => void;
}

/** How often progress is told at most. */
const PROGRESS_MS = 500;
/** Files of a manifest that a refusal names. */
const MAX_TOLD = 100;

export class Reception {
  readonly #deps: ReceptionDeps;
  readonly #pushes: PushProgress;
  #toldAt = 0;
  #learning: Promise<void> = Promise.resolve();

  constructor(deps: ReceptionDeps) {
    this.#deps = deps;
    this.#pushes = new PushProgress(deps.snapshots);
  }

  expectArchive(key: string, snapshotId: string): boolean {
    const { archives, snapshots, isGone, arm } = this.#deps;
    if (isGone()) return false;
    const { state = "ingesting" } = snapshots.withId(snapshotId) ?? {};
    if (state !== "ingesting") return false;
    archives.note(key, snapshotId, Date.now());
    arm();
    return true;
  }

  async begin(snapshot: NewSnapshot): Promise<Snapshot> {
    await this.learnLanguages();
    const { intake, documents, isGone, arm } = this.#deps;
    if (isGone()) throw deletedMeanwhile();
    const number = intake.begin(snapshot, Date.now());
    arm();
    return documents.numbered(number);
  }

  async beginPush(
    snapshot: NewSnapshot & { readonly manifest: readonly TakenFile[] },
  ): Promise<PushBegun> {
    const { intake, isGone } = this.#deps;
    if (isGone()) throw deletedMeanwhile();
    const files = intake.contradicted(snapshot.manifest);
    if (files.length > 0) return { status: "contradicted", files: files.slice(0, MAX_TOLD) };
    const { number } = await this.begin(snapshot);
    return { status: "begun", number };
  }

  learnLanguages(): Promise<void> {
    const { readLanguages, languages: known, trees, events, isGone, arm } = this.#deps;
    // One after the other, so that what was read last is what stays.
    const learned = this.#learning.then(async () => {
      const languages = await readLanguages();
      if (isGone() || !known.set(languages)) return;
      trees.forgetListings();
      events.add("languages.changed", null, {}, Date.now());
      arm();
    });
    this.#learning = learned.catch(() => undefined);
    return learned;
  }

  lacking(oids: readonly string[]): string[] {
    return this.#deps.isGone() ? [] : this.#deps.intake.lacking(oids);
  }

  wanted(number: number, oids: readonly string[]): string[] {
    return this.#deps.isGone() ? [] : this.#deps.intake.wanted(number, oids);
  }

  touch(number: number): void {
    if (!this.#deps.isGone()) this.#deps.snapshots.touch(number, Date.now());
  }

  put(
    number: number,
    reading: number,
    files: readonly TakenFile[],
    contents: readonly TakenBlob[],
  ): { readonly status: "taken" } | Refusal {
    const { intake, upkeep } = this.#deps;
    const now = Date.now();
    const isPush = reading === 0;
    const fresh = isPush ? this.lacking(contents.map(({ oid }) => oid)).length : 0;
    if (fresh > 0) this.#pushes.of(number);
    const outcome = intake.put(number, reading, files, contents, now);
    if (outcome.status === "taken") {
      if (fresh > 0) this.#pushes.took(number, fresh);
      if (now - this.#toldAt >= PROGRESS_MS) this.#tellProgress(number, isPush, now);
    }
    upkeep.stored();
    return outcome;
  }

  #tellProgress(number: number, isPush: boolean, now: number): void {
    const { snapshots, events } = this.#deps;
    this.#toldAt = now;
    const files = snapshots.incomingCount(number);
    const progress = isPush ? { files, ...this.#pushes.of(number) } : { files };
    events.add("snapshot.progress", number, progress, now);
  }

  complete(
    number: number,
    reading: number,
    commit: string | null,
    etag: string | null,
  ): Completion {
    const { intake, upkeep } = this.#deps;
    const now = Date.now();
    const outcome = intake.complete(number, reading, { commit, etag }, now);
    if (outcome.status === "failed") upkeep.removed();
    if (outcome.status !== "missing") this.#pushes.forget(number);
    else if (reading === 0) {
      this.#pushes.counted(number, outcome.missing);
      this.#tellProgress(number, true, now);
    }
    this.#settled();
    return outcome;
  }

  adopt(number: number, same: SameSource): boolean {
    if (!this.#deps.intake.adopt(number, same, Date.now())) return false;
    this.#settled();
    return true;
  }

  fail(number: number, error: SnapshotError): Completion {
    const outcome = this.#deps.intake.fail(number, error, Date.now());
    this.#deps.upkeep.removed();
    this.#settled();
    return outcome;
  }

  retry(number: number, cause: string): boolean {
    const isRetried = this.#deps.intake.retry(number, cause, Date.now());
    if (!isRetried) this.#deps.upkeep.removed();
    this.#deps.arm();
    return isRetried;
  }

  removeSnapshot(number: number): boolean {
    const { snapshots, archives, trees, understanding, events, upkeep } = this.#deps;
    const row = snapshots.find(number);
    if (row === null) return false;
    snapshots.remove(number);
    archives.release(row.id);
    trees.forgetListings();
    understanding.graphs.prune();
    events.add("snapshot.deleted", number, {}, Date.now());
    upkeep.removed();
    this.#settled();
    return true;
  }

  sources(grammar: string, ids: readonly number[]): SourceText[] {
    const { blobs, symbols, isGone } = this.#deps;
    if (isGone()) return [];
    const rows = blobs.ofIds(ids);
    return symbols.waiting(grammar, ids).flatMap(({ blob, path }) => {
      const row = rows.get(blob);
      const text = row === undefined ? null : blobs.text(row);
      return row === undefined || text === null ? [] : [{ blob, oid: row.oid, path, text }];
    });
  }

  putParsed(grammar: string, parsed: readonly ParsedBlob[]): void {
    const { symbols, understanding, upkeep, isGone, arm } = this.#deps;
    if (isGone()) return;
    const waiting = symbols.waiting(
      grammar,
      parsed.map(([blob]) => blob),
    );
    // Another delivery of the same job was first.
    if (waiting.length === 0) return;
    const known = new Set(waiting.map(({ blob }) => blob));
    symbols.put(
      grammar,
      parsed.filter(([blob]) => known.has(blob)),
    );
    understanding.sources.forget();
    upkeep.parsed(Date.now());
    arm();
  }

  /** Lists show something else from now on. */
  #settled(): void {
    this.#deps.upkeep.settled();
    this.#deps.arm();
  }
}

export function deletedMeanwhile(): ApiError {
  return new ApiError("not_found", "The codebase was deleted meanwhile. Create it again.");
}
