/**
 * The Durable Object of one codebase: RPC surface and alarm. What is behind it decides and stores;
 * contents are read and parsed elsewhere, and come here in small pieces.
 */
import { DurableObject } from "cloudflare:workers";
import { ApiError } from "../../http/errors.ts";
import type { ExecutionReport } from "../../runs/codebases.ts";
import type { ParsedFile } from "../languages/parsed-file.ts";
import type { LanguageId } from "../languages/registry.ts";
import type { StructureAnswer } from "../languages/structure.ts";
import type { StructureRequest } from "../languages/structure-protocol.ts";
import { type Completion, Intake, type SameSource } from "./intake/intake.ts";
import type { IndexJob } from "./intake/jobs.ts";
import { PushProgress } from "./intake/push-progress.ts";
import { Upkeep } from "./intake/upkeep.ts";
import { type MountArchive, type Mountable, Mounts } from "./mounting/mounts.ts";
import { Touched } from "./mounting/touched.ts";
import {
  Browser,
  type FilePageRequest,
  type FilesAnswer,
  type FoundFile,
  type TreeFound,
} from "./reading/browser.ts";
import { Searcher } from "./search/search.ts";
import type { SearchAnswer, SearchRequest } from "./search/search-types.ts";
import { StructureMemory } from "./search/structure.ts";
import { BlobStore } from "./storage/blobs.ts";
import { EventLog } from "./storage/events.ts";
import { type ProjectLanguage, ProjectLanguages } from "./storage/project-languages.ts";
import { openTables } from "./storage/schema.ts";
import { type SnapshotRow, SnapshotStore } from "./storage/snapshots.ts";
import { SymbolStore } from "./storage/symbols.ts";
import { TreeStore } from "./storage/trees.ts";
import type {
  Contradiction,
  IndexEvent,
  IndexState,
  MissingBlob,
  NewSnapshot,
  Refusal,
  Snapshot,
  SnapshotError,
  TakenBlob,
  TakenFile,
} from "./types.ts";
import type { DiffAnswer, DiffRequest } from "./understanding/diff-query.ts";
import type { ImportsAnswer, ImportsRequest } from "./understanding/imports-query.ts";
import type { MapAnswer, MapRequest } from "./understanding/map-query.ts";
import type { ReferencesAnswer, ReferencesRequest } from "./understanding/references-query.ts";
import type {
  OutlineAnswer,
  SymbolsAnswer,
  SymbolsRequest,
} from "./understanding/symbols-query.ts";
import { Understanding } from "./understanding/understanding.ts";

export interface IndexPorts {
  readonly send: (env: Env, jobs: readonly IndexJob[]) => Promise<void>;
  /** The languages that the codebase's project brings grammars for. */
  readonly languages: (env: Env, codebaseId: string) => Promise<readonly ProjectLanguage[]>;
  /** Searches texts of a language by structure. */
  readonly structure: (
    env: Env,
    language: LanguageId,
    request: StructureRequest,
  ) => Promise<StructureAnswer>;
  /** Tells lists of the newest ready snapshot. */
  readonly project: (env: Env, codebaseId: string, summary: IndexSummary) => Promise<void>;
}

export interface IndexSummary {
  /** The newest ready snapshot as JSON. */
  readonly latest: string | null;
  readonly snapshots: number;
  /** ms since 1970. */
  readonly at: number;
}

/** How often progress is told at most. */
const PROGRESS_MS = 500;
/** Files of a manifest that a refusal names. */
const MAX_TOLD = 100;

export abstract class CodebaseIndexBase extends DurableObject<Env> {
  readonly #blobs: BlobStore;
  readonly #trees: TreeStore;
  readonly #snapshots: SnapshotStore;
  readonly #symbols: SymbolStore;
  readonly #events: EventLog;
  readonly #languages: ProjectLanguages;
  readonly #readLanguages: () => Promise<readonly ProjectLanguage[]>;
  readonly #intake: Intake;
  readonly #pushes: PushProgress;
  readonly #upkeep: Upkeep;
  readonly #searcher: Searcher;
  readonly #browser: Browser;
  readonly #understanding: Understanding;
  readonly #mounts: Mounts;
  readonly #touched: Touched;
  #armedAt: number | null = null;
  #toldAt = 0;
  /** It was deleted, with its tables: jobs that were at work find that nothing takes what they bring. */
  #isGone = false;
  #learning: Promise<void> = Promise.resolve();

  constructor(context: DurableObjectState, env: Env, ports: IndexPorts) {
    super(context, env);
    const { sql } = context.storage;
    openTables(sql);
    const blobs = new BlobStore(sql);
    const languages = new ProjectLanguages(sql);
    const trees = new TreeStore(sql, blobs, languages);
    const snapshots = new SnapshotStore(sql);
    const symbols = new SymbolStore(sql);
    const events = new EventLog(sql);
    const stores = { blobs, trees, snapshots, symbols, events, languages };
    const codebaseId = context.id.name ?? "unnamed";
    this.#blobs = blobs;
    this.#trees = trees;
    this.#snapshots = snapshots;
    this.#symbols = symbols;
    this.#events = events;
    this.#languages = languages;
    this.#readLanguages = () => ports.languages(env, codebaseId);
    this.#intake = new Intake(stores);
    this.#pushes = new PushProgress(snapshots);
    this.#upkeep = new Upkeep({
      ...stores,
      sql,
      codebaseId,
      intake: this.#intake,
      forget: (root) => {
        this.#understanding.sources.forget();
        this.#understanding.graphs.forget(root);
      },
      send: (jobs) => ports.send(env, jobs),
      project: () => ports.project(env, codebaseId, this.#summary()),
    });
    const yielded = async () => {
      await scheduler.wait(0);
      return Date.now();
    };
    this.#understanding = new Understanding({ ...stores, sql, yielded });
    const { sources, graphs } = this.#understanding;
    this.#searcher = new Searcher({
      ...{ ...stores, sources, graphs, yielded },
      memory: new StructureMemory(),
      ask: (language, asked) => ports.structure(env, language, asked),
      executed: (kind, value) => this.#touched.paths(kind, value),
    });
    this.#browser = new Browser(stores);
    this.#mounts = new Mounts({
      ...{ ...stores, sql, bucket: env.BLOBS },
      yielded: () => scheduler.wait(0),
    });
    this.#touched = new Touched(sql, this.#mounts);
  }

  /** Begins a snapshot; the same id again finds it. */
  async begin(snapshot: NewSnapshot): Promise<Snapshot> {
    await this.learnLanguages();
    if (this.#isGone) throw deletedMeanwhile();
    const number = this.#intake.begin(snapshot, Date.now());
    this.#arm();
    return this.#found(number);
  }

  /** Begins a snapshot of a manifest, unless that contradicts what is stored. */
  async beginPush(
    snapshot: NewSnapshot & { readonly manifest: readonly TakenFile[] },
  ): Promise<
    | { readonly status: "begun"; readonly number: number }
    | { readonly status: "contradicted"; readonly files: readonly Contradiction[] }
  > {
    if (this.#isGone) throw deletedMeanwhile();
    const files = this.#intake.contradicted(snapshot.manifest);
    if (files.length > 0) return { status: "contradicted", files: files.slice(0, MAX_TOLD) };
    const { number } = await this.begin(snapshot);
    return { status: "begun", number };
  }

  /** Reads which grammars the project has; what they concern is listed and parsed again. */
  learnLanguages(): Promise<void> {
    // One after the other, so that what was read last is what stays.
    const learned = this.#learning.then(async () => {
      const languages = await this.#readLanguages();
      if (this.#isGone || !this.#languages.set(languages)) return;
      this.#trees.forgetListings();
      this.#events.add("languages.changed", null, {}, Date.now());
      this.#arm();
    });
    this.#learning = learned.catch(() => undefined);
    return learned;
  }

  lacking(oids: readonly string[]): string[] {
    return this.#isGone ? [] : this.#intake.lacking(oids);
  }

  wanted(number: number, oids: readonly string[]): string[] {
    return this.#isGone ? [] : this.#intake.wanted(number, oids);
  }

  /** Says that its archive is still being fetched. */
  touch(number: number): void {
    if (!this.#isGone) this.#snapshots.touch(number, Date.now());
  }

  read(number: number): { readonly status: "reading"; readonly reading: number } | Refusal {
    return this.#intake.read(number, Date.now());
  }

  put(
    number: number,
    reading: number,
    files: readonly TakenFile[],
    contents: readonly TakenBlob[],
  ): { readonly status: "taken" } | Refusal {
    const now = Date.now();
    const isPush = reading === 0;
    const fresh = isPush ? this.lacking(contents.map(({ oid }) => oid)).length : 0;
    if (fresh > 0) this.#pushes.of(number);
    const outcome = this.#intake.put(number, reading, files, contents, now);
    if (outcome.status === "taken") {
      if (fresh > 0) this.#pushes.took(number, fresh);
      if (now - this.#toldAt >= PROGRESS_MS) this.#tellProgress(number, isPush, now);
    }
    this.#upkeep.stored();
    return outcome;
  }

  #tellProgress(number: number, isPush: boolean, now: number): void {
    this.#toldAt = now;
    const files = this.#snapshots.incomingCount(number);
    const progress = isPush ? { files, ...this.#pushes.of(number) } : { files };
    this.#events.add("snapshot.progress", number, progress, now);
  }

  missing(number: number, after: string, limit: number): MissingBlob[] {
    return this.#intake.missing(number, after, limit);
  }

  complete(
    number: number,
    reading: number,
    commit: string | null,
    etag: string | null = null,
  ): Completion {
    const now = Date.now();
    const outcome = this.#intake.complete(number, reading, { commit, etag }, now);
    if (outcome.status !== "missing") this.#pushes.forget(number);
    else if (reading === 0) {
      this.#pushes.counted(number, outcome.missing);
      this.#tellProgress(number, true, now);
    }
    this.#upkeep.settled();
    this.#arm();
    return outcome;
  }

  /** False when no snapshot of the same address is known to have the same files. */
  adopt(number: number, same: SameSource): boolean {
    if (!this.#intake.adopt(number, same, Date.now())) return false;
    this.#upkeep.settled();
    this.#arm();
    return true;
  }

  etag(number: number): string | null {
    return this.#intake.etag(number);
  }

  fail(number: number, error: SnapshotError): Completion {
    const outcome = this.#intake.fail(number, error, Date.now());
    this.#upkeep.removed();
    this.#upkeep.settled();
    this.#arm();
    return outcome;
  }

  /** Says why a try to read its archive failed; false when no other follows. */
  retry(number: number, cause: string): boolean {
    const isRetried = this.#intake.retry(number, cause, Date.now());
    if (!isRetried) this.#upkeep.removed();
    this.#arm();
    return isRetried;
  }

  snapshot(name: string | null): Snapshot | null {
    const row = name === null ? this.#snapshots.latestReady() : this.#snapshots.named(name);
    return row === null ? null : this.#document(row);
  }

  state(): IndexState {
    const row = this.#snapshots.latestReady();
    return {
      latest: row === null ? null : this.#document(row),
      snapshots: this.#snapshots.count(),
      bytes: this.ctx.storage.sql.databaseSize,
      contents: this.#blobs.count(),
    };
  }

  /** Newest first, those below a number; one more than a page has. */
  snapshotsBelow(before: number | null, limit: number): Snapshot[] {
    return this.#snapshots.list(before, limit).map((row) => this.#document(row));
  }

  /** False when there is none of that number. */
  removeSnapshot(number: number): boolean {
    if (this.#snapshots.find(number) === null) return false;
    this.#snapshots.remove(number);
    this.#trees.forgetListings();
    this.#understanding.graphs.prune();
    this.#events.add("snapshot.deleted", number, {}, Date.now());
    this.#upkeep.removed();
    this.#upkeep.settled();
    this.#arm();
    return true;
  }

  files(snapshot: string | null, request: FilePageRequest): FilesAnswer {
    return this.#browser.files(snapshot, request);
  }

  tree(snapshot: string | null, path: string): TreeFound | null {
    return this.#browser.tree(snapshot, path);
  }

  file(snapshot: string | null, path: string): FoundFile | null {
    return this.#browser.file(snapshot, path);
  }

  /** What a task that mounts it would see. */
  mountable(snapshot: string | null, folder: string): Mountable {
    return this.#mounts.describe(snapshot, folder);
  }

  /** The archive of a tree of a snapshot, made when it is not there. */
  async mountArchive(project: string, snapshot: number, root: string): Promise<MountArchive> {
    const codebase = { id: this.ctx.id.name ?? "unnamed", project_id: project };
    return this.#mounts.archive(codebase, snapshot, root, Date.now());
  }

  /** Those of the paths that are files of a tree that is mounted. */
  mountedFiles(root: string, paths: readonly string[]): Record<string, string> {
    return this.#mounts.known(root, paths);
  }

  /** Takes what an execution had to do with its files. */
  executed(report: ExecutionReport): void {
    this.#touched.take(report);
  }

  search(request: SearchRequest): Promise<SearchAnswer> {
    if (this.#isGone) throw deletedMeanwhile();
    return this.#searcher.search(request, Date.now());
  }

  symbols(request: SymbolsRequest): Promise<SymbolsAnswer> {
    return this.#understanding.symbols.symbols(request, Date.now());
  }

  outline(snapshot: string | null, path: string): OutlineAnswer {
    return this.#understanding.symbols.outline(snapshot, path);
  }

  references(request: ReferencesRequest): Promise<ReferencesAnswer> {
    return this.#understanding.references.references(request, Date.now());
  }

  imports(request: ImportsRequest): Promise<ImportsAnswer> {
    return this.#understanding.imports.imports(request, Date.now());
  }

  map(request: MapRequest): Promise<MapAnswer> {
    return this.#understanding.map.map(request, Date.now());
  }

  diff(request: DiffRequest): Promise<DiffAnswer> {
    return this.#understanding.diff.diff(request, Date.now());
  }

  /** Texts of those blobs that still wait for a grammar. */
  sources(
    grammar: string,
    blobs: readonly number[],
  ): { blob: number; oid: string; path: string; text: string }[] {
    if (this.#isGone) return [];
    const rows = this.#blobs.ofIds(blobs);
    return this.#symbols.waiting(grammar, blobs).flatMap(({ blob, path }) => {
      const row = rows.get(blob);
      const text = row === undefined ? null : this.#blobs.text(row);
      return row === undefined || text === null ? [] : [{ blob, oid: row.oid, path, text }];
    });
  }

  putParsed(grammar: string, parsed: readonly (readonly [blob: number, file: ParsedFile])[]): void {
    if (this.#isGone) return;
    const now = Date.now();
    const blobs = parsed.map(([blob]) => blob);
    const known = new Set(this.#symbols.waiting(grammar, blobs).map(({ blob }) => blob));
    this.#symbols.put(
      grammar,
      parsed.filter(([blob]) => known.has(blob)),
    );
    this.#understanding.sources.forget();
    this.#upkeep.parsed(now);
    const isDone = this.#symbols.due(now, 1).length === 0;
    if (isDone) {
      this.#events.add("symbols.ready", null, {}, now);
      this.#upkeep.settled();
    }
    this.#arm();
  }

  /** Those after a number; waits for the next when there is none. Null when the codebase is gone. */
  async events(
    after: number,
    snapshot: number | null,
    limit: number,
    waitMs: number,
  ): Promise<IndexEvent[] | null> {
    if (this.#isGone) return null;
    const known = this.#events.after(after, snapshot, limit);
    if (known.length > 0 || waitMs <= 0) return known;
    await this.#events.next(waitMs);
    return this.#isGone ? null : this.#events.after(after, snapshot, limit);
  }

  /** Forgets all, its tables too. */
  async destroy(): Promise<void> {
    this.#isGone = true;
    this.#snapshots.close();
    this.#events.wake();
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  override async alarm(): Promise<void> {
    this.#armedAt = null;
    try {
      await this.#upkeep.turn(Date.now());
      await this.#mounts.collect(Date.now());
    } catch (error) {
      // Its tables went away under what it did.
      if (!this.#isGone) throw error;
    }
    this.#arm();
  }

  #arm(): void {
    if (this.#isGone) return;
    const at = this.#upkeep.dueAt(Date.now());
    if (at === null || (this.#armedAt !== null && this.#armedAt <= at)) return;
    this.#armedAt = at;
    this.ctx.waitUntil(this.ctx.storage.setAlarm(Math.ceil(at)));
  }

  #summary(): IndexSummary {
    const row = this.#snapshots.latestReady();
    return {
      latest: row === null ? null : JSON.stringify(this.#document(row)),
      snapshots: this.#snapshots.count(),
      at: Date.now(),
    };
  }

  #found(number: number): Snapshot {
    const row = this.#snapshots.find(number);
    if (row === null) throw new Error(`Snapshot ${number} is gone.`);
    return this.#document(row);
  }

  #document(row: SnapshotRow): Snapshot {
    const { number, id, state, ref, source, root, counts, error, created_at, ready_at } = row;
    const isOpen = state === "receiving" || state === "ingesting";
    return {
      ...{ number, id, state, ref, source, root, counts, error, created_at, ready_at },
      commit: row.commit_oid,
      symbols: this.#symbolsOf(row),
      received: {
        files: isOpen ? this.#snapshots.incomingCount(number) : (counts?.files ?? 0),
        missing: state === "receiving" ? this.#snapshots.missingCount(number) : 0,
      },
    };
  }

  #symbolsOf({ root, counts }: SnapshotRow): Snapshot["symbols"] {
    const of = counts?.parsable_files ?? 0;
    const waiting = [...this.#symbols.waitingBlobs()];
    if (root === null || waiting.length === 0) return { parsed: root === null ? 0 : of, of };
    const listing = this.#trees.listing(root);
    const pending = waiting.reduce((sum, blob) => sum + listing.withBlob(blob).length, 0);
    return { parsed: of - pending, of };
  }
}

function deletedMeanwhile(): ApiError {
  return new ApiError("not_found", "The codebase was deleted meanwhile. Create it again.");
}
