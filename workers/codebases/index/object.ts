/**
 * The Durable Object of one codebase: RPC surface and alarm. What is behind it decides and stores;
 * contents are read and parsed elsewhere, and come here in small pieces.
 */
import { DurableObject } from "cloudflare:workers";
import { logWarning } from "../../http/log.ts";
import type { ExecutionReport } from "../../runs/codebases.ts";
import type { LanguageId } from "../languages/registry.ts";
import type { StructureAnswer } from "../languages/structure.ts";
import type { StructureRequest } from "../languages/structure-protocol.ts";
import { type Completion, Intake, type SameSource } from "./intake/intake.ts";
import type { IndexJob } from "./intake/jobs.ts";
import { KeptArchives } from "./intake/kept-archives.ts";
import {
  deletedMeanwhile,
  type ParsedBlob,
  type PushBegun,
  Reception,
  type SourceText,
} from "./intake/reception.ts";
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
import { Documents, type IndexSummary } from "./reading/documents.ts";
import { Searcher } from "./search/search.ts";
import type { SearchAnswer, SearchRequest } from "./search/search-types.ts";
import { StructureMemory } from "./search/structure.ts";
import type { ProjectLanguage } from "./storage/project-languages.ts";
import { openStores, type Stores } from "./stores.ts";
import type {
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

/** After an alarm that failed, as when a queue or a database does not answer. */
const RETRY_MS = 5_000;

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

export abstract class CodebaseIndexBase extends DurableObject<Env> {
  readonly #codebaseId: string;
  readonly #stores: Stores;
  readonly #intake: Intake;
  readonly #upkeep: Upkeep;
  readonly #reception: Reception;
  readonly #documents: Documents;
  readonly #browser: Browser;
  readonly #searcher: Searcher;
  readonly #understanding: Understanding;
  readonly #mounts: Mounts;
  readonly #touched: Touched;
  #armedAt: number | null = null;
  #isGone = false;

  constructor(context: DurableObjectState, env: Env, ports: IndexPorts) {
    super(context, env);
    const { sql } = context.storage;
    const stores = openStores(sql);
    const codebaseId = context.id.name ?? "unnamed";
    const documents = new Documents(stores);
    const intake = new Intake(stores);
    const yielded = async () => {
      await scheduler.wait(0);
      return Date.now();
    };
    const understanding = new Understanding({ ...stores, yielded });
    const { sources, graphs } = understanding;
    const archives = new KeptArchives({ sql, bucket: env.BLOBS });
    const upkeep = new Upkeep({
      ...{ ...stores, codebaseId, intake, archives },
      forget: (root) => {
        sources.forget();
        graphs.forget(root);
      },
      send: (jobs) => ports.send(env, jobs),
      project: () => ports.project(env, codebaseId, documents.summary(Date.now())),
    });
    this.#codebaseId = codebaseId;
    this.#stores = stores;
    this.#intake = intake;
    this.#upkeep = upkeep;
    this.#documents = documents;
    this.#understanding = understanding;
    this.#reception = new Reception({
      ...{ ...stores, archives, intake, upkeep, documents, understanding },
      readLanguages: () => ports.languages(env, codebaseId),
      isGone: () => this.#isGone,
      arm: () => this.#arm(),
    });
    this.#browser = new Browser(stores);
    this.#mounts = new Mounts({
      ...{ ...stores, bucket: env.BLOBS },
      yielded: () => scheduler.wait(0),
    });
    const touched = new Touched(sql, this.#mounts);
    this.#touched = touched;
    this.#searcher = new Searcher({
      ...{ ...stores, sources, graphs, yielded },
      memory: new StructureMemory(),
      ask: (language, asked) => ports.structure(env, language, asked),
      executed: (kind, value) => touched.paths(kind, value),
    });
  }

  /** Before an archive is stored under a key; false when the snapshot of that id needs none any more. */
  expectArchive(key: string, snapshotId: string): boolean {
    return this.#reception.expectArchive(key, snapshotId);
  }

  /** Begins a snapshot; the same id again finds it. */
  begin(snapshot: NewSnapshot): Promise<Snapshot> {
    return this.#reception.begin(snapshot);
  }

  /** Begins a snapshot of a manifest, unless that contradicts what is stored. */
  beginPush(
    snapshot: NewSnapshot & { readonly manifest: readonly TakenFile[] },
  ): Promise<PushBegun> {
    return this.#reception.beginPush(snapshot);
  }

  /** Reads which grammars the project has; what they concern is listed and parsed again. */
  learnLanguages(): Promise<void> {
    return this.#reception.learnLanguages();
  }

  lacking(oids: readonly string[]): string[] {
    return this.#reception.lacking(oids);
  }

  wanted(number: number, oids: readonly string[]): string[] {
    return this.#reception.wanted(number, oids);
  }

  /** Says that its archive is still being fetched. */
  touch(number: number): void {
    this.#reception.touch(number);
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
    return this.#reception.put(number, reading, files, contents);
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
    return this.#reception.complete(number, reading, commit, etag);
  }

  /** False when no snapshot of the same address is known to have the same files. */
  adopt(number: number, same: SameSource): boolean {
    return this.#reception.adopt(number, same);
  }

  etag(number: number): string | null {
    return this.#intake.etag(number);
  }

  fail(number: number, error: SnapshotError): Completion {
    return this.#reception.fail(number, error);
  }

  /** Says why a try to read its archive failed; false when no other follows. */
  retry(number: number, cause: string): boolean {
    return this.#reception.retry(number, cause);
  }

  /** False when there is none of that number. */
  removeSnapshot(number: number): boolean {
    return this.#reception.removeSnapshot(number);
  }

  /** Texts of those blobs that still wait for a grammar. */
  sources(grammar: string, blobs: readonly number[]): SourceText[] {
    return this.#reception.sources(grammar, blobs);
  }

  putParsed(grammar: string, parsed: readonly ParsedBlob[]): void {
    this.#reception.putParsed(grammar, parsed);
  }

  snapshot(name: string | null): Snapshot | null {
    return this.#documents.named(name);
  }

  state(): IndexState {
    return this.#documents.state();
  }

  /** Newest first, those below a number; one more than a page has. */
  snapshotsBelow(before: number | null, limit: number): Snapshot[] {
    return this.#documents.below(before, limit);
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
  mountArchive(project: string, snapshot: number, root: string): Promise<MountArchive> {
    const codebase = { id: this.#codebaseId, project_id: project };
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

  /** Those after a number; waits for the next when there is none. Null when the codebase is gone. */
  async events(
    after: number,
    snapshot: number | null,
    limit: number,
    waitMs: number,
  ): Promise<IndexEvent[] | null> {
    const { events } = this.#stores;
    if (this.#isGone) return null;
    const known = events.after(after, snapshot, limit);
    if (known.length > 0 || waitMs <= 0) return known;
    await events.next(waitMs);
    return this.#isGone ? null : events.after(after, snapshot, limit);
  }

  /** Forgets all, its tables too. */
  async destroy(): Promise<void> {
    this.#isGone = true;
    this.#stores.snapshots.close();
    this.#stores.events.wake();
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
      if (this.#isGone) return;
      logWarning("index_alarm_failed", error, {});
      // The runtime tries an alarm that throws a few times only; what is to be done here stays to be done.
      this.#armAt(Date.now() + RETRY_MS);
      return;
    }
    this.#arm();
  }

  #arm(): void {
    if (this.#isGone) return;
    const at = this.#upkeep.dueAt(Date.now());
    if (at !== null) this.#armAt(at);
  }

  /** Sets the alarm unless an earlier one is set. */
  #armAt(at: number): void {
    if (this.#armedAt !== null && this.#armedAt <= at) return;
    this.#armedAt = at;
    this.ctx.waitUntil(this.ctx.storage.setAlarm(Math.ceil(at)));
  }
}
