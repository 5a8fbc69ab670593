/** What others do for an index: they read its archives and parse its files. */
import { ApiError } from "../http/errors.ts";
import { logWarning } from "../http/log.ts";
import type { Outbound } from "../security/outbound.ts";
import { archiveKey, type CodebaseRef, openArchive, storeArchive } from "./archives.ts";
import type { IndexJob } from "./index/jobs.ts";
import type { SnapshotError } from "./index/types.ts";
import { type Index, ingest } from "./ingest.ts";
import { readArchive } from "./intake/archive.ts";
import { IntakeError } from "./intake/errors.ts";
import type { Strip } from "./intake/top-folder.ts";
import { isParsed, parseBatch } from "./languages/parser.ts";
import { remoteSource } from "./remote.ts";

export interface IndexWorkDeps {
  readonly blobs: R2Bucket;
  readonly loader: WorkerLoader;
  readonly outbound: Outbound;
  readonly index: (codebaseId: string) => Index;
  /** Null for one that is deleted. */
  readonly codebase: (id: string) => Promise<CodebaseRef | null>;
}

export class IndexWork {
  readonly #deps: IndexWorkDeps;

  constructor(deps: IndexWorkDeps) {
    this.#deps = deps;
  }

  /** Does a job; throws when it is to be tried again. */
  async perform(job: IndexJob): Promise<void> {
    if (job.kind === "parse") await this.#parse(job);
    else await this.#ingest(job);
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
    if (snapshot?.state !== "ingesting") return;
    const key = archiveKey(codebase, snapshot.id);
    const beats = setInterval(() => void index.touch(number).catch(() => undefined), BEAT_MS);
    try {
      const { source, ref } = snapshot;
      if (source.url !== null) await this.#fetch(source.url, ref, key);
      const isTaken =
        (await this.#read(index, number, key, "auto")) ?? (await this.#read(index, number, key, 0));
      if (isTaken !== true) return;
    } catch (error) {
      const problem = problemOf(error);
      if (problem === null) throw error;
      await index.fail(number, problem);
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
      const files = readArchive(await openArchive(this.#deps.blobs, key), { strip });
      const outcome = await ingest(index, { snapshot, reading }, files);
      if (outcome.status !== "read") return false;
      await index.complete(snapshot, reading, outcome.summary.commit);
      return true;
    } catch (error) {
      const isMistaken = error instanceof IntakeError && error.code === "top_folder_ambiguous";
      if (isMistaken && strip === "auto") return null;
      throw error;
    }
  }

  async #fetch(address: string, ref: string | null, key: string): Promise<void> {
    if ((await this.#deps.blobs.head(key)) !== null) return;
    const source = remoteSource(address, ref);
    if (source.kind === "git") {
      throw new IntakeError(
        "archive_unsupported",
        "Repositories are imported from github.com and gitlab.com by their address, from elsewhere by that of an archive (.tar.gz, .tgz, .tar, .zip).",
      );
    }
    const response = await this.#deps.outbound(new Request(source.url));
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new RemoteRefusal(response.status, new URL(source.url).host);
    }
    await storeArchive(this.#deps.blobs, key, response.body);
  }

  async #parse({
    codebase_id,
    grammar,
    blobs,
  }: Extract<IndexJob, { kind: "parse" }>): Promise<void> {
    if (!isParsed(grammar) || (await this.#deps.codebase(codebase_id)) === null) return;
    const index = this.#deps.index(codebase_id);
    const sources = await index.sources(blobs);
    if (sources.length === 0) return;
    const parsed = await parseBatch(this.#deps.loader, grammar, sources);
    const pairs = parsed.flatMap((file, at) => {
      const source = sources[at];
      return source === undefined ? [] : [[source.blob, file] as const];
    });
    for (let at = 0; at < pairs.length; at += FILES_PER_WRITE) {
      await index.putParsed(grammar, pairs.slice(at, at + FILES_PER_WRITE));
    }
  }
}

/** Often enough for a job at work not to be taken for lost. */
const BEAT_MS = 3_000;
/** So few that the index writes them in a short turn. */
const FILES_PER_WRITE = 40;

/** The other side's answer, which another try may change when it is of its own making. */
class RemoteRefusal extends Error {
  readonly status: number;
  readonly host: string;

  constructor(status: number, host: string) {
    super(`${host} answered ${status}`);
    this.status = status;
    this.host = host;
  }
}

/** What a snapshot fails with; null when another try may do better. */
function problemOf(error: unknown): SnapshotError | null {
  if (error instanceof IntakeError) {
    const { code, message, path = null } = error;
    return { code, message, path };
  }
  if (error instanceof RemoteRefusal && error.status < 500 && error.status !== 429) {
    const remedy =
      error.status === 404
        ? "Check the address and the ref; a private repository is not seen without credentials."
        : "Check the address.";
    const message = `${error.host} answered ${error.status}. ${remedy}`;
    return { code: "source_refused", message, path: null };
  }
  if (error instanceof ApiError && error.status < 500) {
    return { code: "source_refused", message: error.detail, path: null };
  }
  logWarning("ingest_failed", error, {});
  return null;
}
