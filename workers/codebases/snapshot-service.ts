/** Brings snapshots in: by manifest and blobs, by archive, from an address. */
import { ApiError } from "../http/errors.ts";
import type { Principal } from "../security/principal.ts";
import { archiveKey, storeArchive } from "./archives.ts";
import type {
  Contradiction,
  MissingBlob,
  Refusal,
  Snapshot,
  SnapshotState,
} from "./index/types.ts";
import { ingestBlobs } from "./ingest.ts";
import { type ArchiveSource, readArchive, sniffFormat } from "./intake/archive.ts";
import { IntakeError } from "./intake/errors.ts";
import type { Strip } from "./intake/top-folder.ts";
import { remoteSource } from "./remote.ts";
import { MAX_MISSING, type ManifestBody } from "./schemas.ts";
import type { CodebaseService, OpenCodebase } from "./service.ts";

/** A zip is read from its end, so that it is held in memory where it is not stored. */
const MAX_ZIP_BYTES = 16 * 1024 * 1024;
const HEAD_BYTES = 512;

export interface Pushed {
  readonly snapshot: Snapshot;
  readonly missing: readonly MissingBlob[];
}

export class SnapshotService {
  readonly #codebases: CodebaseService;
  readonly #blobs: R2Bucket;

  constructor(codebases: CodebaseService, blobs: R2Bucket) {
    this.#codebases = codebases;
    this.#blobs = blobs;
  }

  /** Newest first; `before` is a number. One more than `limit` tells that there are more. */
  async list(principal: Principal, id: string, before: number | null, limit: number) {
    const { index } = await this.#codebases.open(principal, id);
    return index.snapshotsBelow(before, limit + 1);
  }

  async get(principal: Principal, id: string, name: string): Promise<Snapshot> {
    const { index } = await this.#codebases.open(principal, id);
    return this.#found(await index.snapshot(name), name);
  }

  async remove(principal: Principal, id: string, name: string): Promise<void> {
    const { index } = await this.#codebases.open(principal, id);
    const { number } = this.#found(await index.snapshot(name), name);
    await index.removeSnapshot(number);
  }

  /**
   * Begins a snapshot of a manifest; `seed` becomes its id. It is ready at once when nothing is
   * missing. Throws `validation_failed` for a size that a known content does not have.
   */
  async pushManifest(
    principal: Principal,
    id: string,
    seed: string,
    { files, ref, commit }: ManifestBody,
  ): Promise<Pushed> {
    const { index } = await this.#codebases.open(principal, id);
    const begun = await index.beginPush({
      id: seed,
      ref: ref ?? null,
      commit: commit ?? null,
      source: { kind: "manifest", url: null },
      manifest: files,
    });
    if (begun.status === "contradicted") throw wrongSizes(begun.files);
    return this.#settled({ index }, begun.number);
  }

  async missing(principal: Principal, id: string, name: string, after: string) {
    const { index } = await this.#codebases.open(principal, id);
    const snapshot = this.#found(await index.snapshot(name), name);
    if (snapshot.state !== "receiving") return [];
    return index.missing(snapshot.number, after, MAX_MISSING);
  }

  /** Takes contents that a manifest's snapshot waits for, in an archive under any names. */
  async pushBlobs(
    principal: Principal,
    id: string,
    name: string,
    body: ReadableStream<Uint8Array> | null,
  ): Promise<Pushed & { readonly taken: number }> {
    const { index } = await this.#codebases.open(principal, id);
    const { number, state } = this.#found(await index.snapshot(name), name);
    if (state !== "receiving") throw wrongState(state);
    try {
      const archive = await archiveOf(body);
      const outcome = await ingestBlobs(index, number, readArchive(archive, { strip: 0 }));
      if (outcome.status !== "read") throw refusalError(outcome);
      return { ...(await this.#settled({ index }, number)), taken: outcome.taken };
    } catch (error) {
      throw asApiError(error);
    }
  }

  /** Stores an archive, of which a snapshot is made afterwards. */
  async pushArchive(
    principal: Principal,
    id: string,
    seed: string,
    { ref, commit, strip, body }: ArchiveUpload,
  ): Promise<Snapshot> {
    const { row, index } = await this.#codebases.open(principal, id);
    if (body === null) throw emptyBody();
    const key = archiveKey(row, seed);
    if (await index.expectArchive(key, seed)) await storeArchive(this.#blobs, key, body);
    return index.begin({
      ...{ id: seed, ref, commit },
      source: { kind: "archive", url: null, strip },
      manifest: null,
    });
  }

  /** Fetches what is at an address, the codebase's own without one. */
  async import(
    principal: Principal,
    id: string,
    seed: string,
    { url, ref, secret }: ImportSource,
  ): Promise<Snapshot> {
    const { row, index } = await this.#codebases.open(principal, id);
    const address = url ?? row.source_url;
    if (address === null) {
      const message = "The codebase has no source of its own. Send one, or set it with PATCH.";
      throw new ApiError("validation_failed", message, { issues: [{ path: "url", message }] });
    }
    this.#codebases.requireAddress(address, url === null ? "source.url" : "url");
    // A secret goes to the address that it was named for, and to no other.
    const own = url === null ? row : { source_ref: null, source_secret: null };
    const named = { ref: ref ?? own.source_ref, secret: secret ?? own.source_secret };
    const path = secret === null ? "source.secret" : "secret";
    await this.#codebases.requireSecret(row.project_id, named.secret, path);
    const { kind, strip } = remoteSource(address, named.ref, named.secret !== null);
    return index.begin({
      id: seed,
      ref: named.ref,
      commit: null,
      source: {
        kind: kind === "git" ? "git" : "url",
        url: withoutCredentials(address),
        secret: named.secret,
        strip,
      },
      manifest: null,
    });
  }

  /** Makes the snapshot ready when nothing is missing, and says what is. */
  async #settled({ index }: Pick<OpenCodebase, "index">, number: number): Promise<Pushed> {
    const outcome = await index.complete(number, 0, null);
    if (outcome.status === "not_found") throw refusalError(outcome);
    const missing =
      outcome.status === "missing" ? await index.missing(number, "", MAX_MISSING) : [];
    return { snapshot: this.#found(await index.snapshot(String(number)), String(number)), missing };
  }

  #found(snapshot: Snapshot | null, name: string): Snapshot {
    if (snapshot !== null) return snapshot;
    throw new ApiError(
      "not_found",
      `The codebase has no snapshot "${name.slice(0, 100)}". Name it by its number, id, ref or commit; GET …/snapshots lists them.`,
    );
  }
}

/** What is null is the codebase's own, where the address is. */
export interface ImportSource {
  readonly url: string | null;
  readonly ref: string | null;
  readonly secret: string | null;
}

export interface ArchiveUpload {
  readonly ref: string | null;
  readonly commit: string | null;
  readonly strip: Strip;
  readonly body: ReadableStream<Uint8Array> | null;
}

/** An archive that is read as it comes. */
async function archiveOf(body: ReadableStream<Uint8Array> | null): Promise<ArchiveSource> {
  if (body === null) throw emptyBody();
  const reader = body.getReader();
  const head: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < HEAD_BYTES) {
    const { value, done } = await reader.read();
    if (done) break;
    head.push(value);
    bytes += value.byteLength;
  }
  const format = sniffFormat(Buffer.concat(head));
  const stream = (async function* () {
    yield* head;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  })();
  if (format !== "zip") return { format, stream };
  const whole: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stream) {
    size += piece.byteLength;
    if (size > MAX_ZIP_BYTES) {
      const message = `A zip of blobs has at most ${MAX_ZIP_BYTES} bytes. Send a tar.gz, or several.`;
      throw new ApiError("payload_too_large", message, { members: { max_bytes: MAX_ZIP_BYTES } });
    }
    whole.push(piece);
  }
  const content = Buffer.concat(whole);
  const file = {
    size,
    read: async (offset: number, length: number) => content.subarray(offset, offset + length),
  };
  return { format, file };
}

function emptyBody(): ApiError {
  return new ApiError("validation_failed", "The body is empty. Send a tar, tar.gz or zip file.");
}

function wrongSizes(files: readonly Contradiction[]): ApiError {
  const issues = files.map(({ path, size, stored }) => ({
    path: `files: ${path}`,
    message: `The content of that OID has ${stored} bytes, not ${size}. Hash and measure the file again.`,
  }));
  const message =
    "The manifest gives sizes that known contents do not have; correct what is listed.";
  return new ApiError("validation_failed", message, { issues });
}

function wrongState(state: SnapshotState): ApiError {
  return new ApiError(
    "illegal_transition",
    `The snapshot is ${state} and takes no more contents. Push another manifest.`,
    { members: { state, allowed: ["receiving"] } },
  );
}

function refusalError(refusal: Refusal): ApiError {
  if (refusal.status === "wrong_state") return wrongState(refusal.state);
  return new ApiError("not_found", "The snapshot was deleted meanwhile. Push the manifest again.");
}

function asApiError(error: unknown): unknown {
  if (!(error instanceof IntakeError)) return error;
  const { message, path = "", code } = error;
  return new ApiError("validation_failed", message, {
    issues: [{ path, message }],
    members: { reason: code },
    cause: error,
  });
}

/** What is written down and shown to others has none. */
function withoutCredentials(address: string): string {
  const url = new URL(address);
  url.username = "";
  url.password = "";
  return url.href;
}
