/** What others do for an index: they read its archives and parse its files. */
import { ApiError } from "../http/errors.ts";
import { logWarning } from "../http/log.ts";
import { archiveKey, type CodebaseRef, openStored } from "./archives.ts";
import { asIntakeError, type FetchingDeps, RemoteRefusal, SourceFetcher } from "./fetching.ts";
import type { IndexJob } from "./index/intake/jobs.ts";
import { readGrammarKey } from "./index/storage/project-languages.ts";
import { type Index, ingest } from "./ingest.ts";
import { IntakeError } from "./intake/errors.ts";
import type { Strip } from "./intake/top-folder.ts";
import type { Grammar } from "./languages/grammars.ts";
import {
  isParsed,
  type ParsedFile,
  parseBatch,
  parseWith,
  type SourceFile,
} from "./languages/parser.ts";

export interface IndexWorkDeps extends FetchingDeps {
  readonly loader: WorkerLoader;
  readonly index: (codebaseId: string) => Index;
  /** Null for one that is deleted. */
  readonly codebase: (id: string) => Promise<CodebaseRef | null>;
  /** A grammar of a project; null when that is not its version by now. */
  readonly grammar: (
    projectId: string,
    key: { readonly name: string; readonly version: string },
  ) => Promise<Grammar | null>;
}

export class IndexWork {
  readonly #deps: IndexWorkDeps;

  constructor(deps: IndexWorkDeps) {
    this.#deps = deps;
  }

  /** Does a job; throws when it is to be tried again. */
  async perform(job: IndexJob): Promise<void> {
    switch (job.kind) {
      case "parse":
        return this.#parse(job);
      case "ingest":
        return this.#ingest(job);
      case "languages":
        if ((await this.#deps.codebase(job.codebase_id)) === null) return;
        return this.#deps.index(job.codebase_id).learnLanguages();
    }
  }

  /** Each step may have been done before: what is stored is not fetched again, nor sent. */
  async #ingest({
    codebase_id,
    snapshot: number,
  }: Extract<IndexJob, { kind: "ingest" }>): Promise<void> {
    const { blobs, codebase: find, index: open } = this.#deps;
    const codebase = await find(codebase_id);
    if (codebase === null) return;
    const index = open(codebase_id);
    const snapshot = await index.snapshot(String(number));
    if (snapshot === null) return;
    const key = archiveKey(codebase, snapshot.id);
    // An earlier delivery may have died before it could delete what it had fetched.
    if (snapshot.state !== "ingesting") return blobs.delete(key);
    const beats = setInterval(() => void index.touch(number).catch(() => undefined), BEAT_MS);
    try {
      const fetcher = new SourceFetcher(this.#deps);
      if ((await fetcher.fetch({ index, codebase, snapshot, key })) === "ready") return;
      const isTaken =
        (await this.#read(index, number, key, snapshot.source.strip ?? 0)) ??
        (await this.#read(index, number, key, 0));
      // Another reading of it goes on; what is settled needs it no more.
      if (isTaken !== true) {
        const { state } = (await index.snapshot(String(number))) ?? {};
        if (state === "ingesting") return;
      }
    } catch (error) {
      const problem = asIntakeError(error);
      if (problem === null) {
        logWarning("ingest_failed", error, {});
        // The index sends another job after a while; a message of the queue's own would be one more.
        if (await index.retry(number, causeOf(error))) return;
      } else {
        const { code, message, path = null } = problem;
        await index.fail(number, { code, message, path });
      }
    } finally {
      clearInterval(beats);
    }
    await blobs.delete(key);
  }

  /**
   * Reads the archive; false when the snapshot takes nothing any more, and null when the folder that
   * seemed to be around all files is not: they are then to be read as they are.
   */
  async #read(index: Index, snapshot: number, key: string, strip: Strip): Promise<boolean | null> {
    const begun = await index.read(snapshot);
    if (begun.status !== "reading") return false;
    const { reading } = begun;
    try {
      const { files, etag } = await openStored(this.#deps.blobs, key, strip);
      const outcome = await ingest(index, { snapshot, reading }, files);
      if (outcome.status !== "read") return false;
      await index.complete(snapshot, reading, outcome.summary.commit, etag);
      return true;
    } catch (error) {
      const isMistaken = error instanceof IntakeError && error.code === "top_folder_ambiguous";
      if (isMistaken && strip === "auto") return null;
      throw error;
    }
  }

  async #parse({
    codebase_id,
    grammar,
    blobs,
  }: Extract<IndexJob, { kind: "parse" }>): Promise<void> {
    const codebase = await this.#deps.codebase(codebase_id);
    if (codebase === null) return;
    const index = this.#deps.index(codebase_id);
    const sources = await index.sources(grammar, blobs);
    if (sources.length === 0) return;
    const parsed = await this.#parseFiles(codebase, grammar, sources);
    if (parsed === null) return;
    const pairs = parsed.flatMap((file, at) => {
      const source = sources[at];
      return source === undefined ? [] : [[source.blob, file] as const];
    });
    for (let at = 0; at < pairs.length; at += FILES_PER_WRITE) {
      await index.putParsed(grammar, pairs.slice(at, at + FILES_PER_WRITE));
    }
  }

  /** Null when the project has another version of the grammar by now: the index sends for that. */
  async #parseFiles(
    { project_id }: CodebaseRef,
    grammar: string,
    sources: readonly SourceFile[],
  ): Promise<ParsedFile[] | null> {
    const { loader, grammar: find } = this.#deps;
    if (isParsed(grammar)) return parseBatch(loader, grammar, sources);
    const key = readGrammarKey(grammar);
    const own = key === null ? null : await find(project_id, key);
    return own === null ? null : parseWith(loader, own, sources, { tenant: project_id });
  }
}

/** Often enough for a job at work not to be taken for lost. */
const BEAT_MS = 3_000;
/** So few that the index writes them in a short turn. */
const FILES_PER_WRITE = 40;

/** Why a try failed of which another may do better, as its user is told. */
function causeOf(error: unknown): string {
  if (error instanceof ApiError) return error.detail;
  if (error instanceof RemoteRefusal) return `${error.message}.`;
  return "The connection broke, or the service failed while it was at work.";
}
