/** Archives in the blob store: kept while a snapshot is made of them, so that reading can begin again. */
import { z } from "zod";
import { ApiError } from "../http/errors.ts";
import { commitFiles } from "./git/files.ts";
import { isPack, Pack } from "./git/pack.ts";
import {
  type ArchiveFile,
  type ArchiveSource,
  type ArchiveSummary,
  readArchive,
  sniffFormat,
} from "./intake/archive.ts";
import type { ByteSource } from "./intake/byte-reader.ts";
import { IntakeError } from "./intake/errors.ts";
import { DEFAULT_LIMITS } from "./intake/limits.ts";
import type { Strip } from "./intake/top-folder.ts";

/** R2 takes parts of 5 MiB and more, all but the last of one size. */
const PART_BYTES = 8 * 1024 * 1024;
const HEAD_BYTES = 512;
const LISTED = 1_000;

export interface CodebaseRef {
  readonly id: string;
  readonly project_id: string;
}

/** All blobs of a codebase lie under it. */
export function codebasePrefix({ id, project_id }: CodebaseRef): string {
  return `codebases/${project_id}/${id}/`;
}

export function archiveKey(codebase: CodebaseRef, snapshotId: string): string {
  return `${codebasePrefix(codebase)}archives/${snapshotId}`;
}

/** What is known of an archive beside its bytes. */
const labelsSchema = z.object({
  /** Of a packfile: the commit that is read of it. */
  commit: z.string().optional(),
  /** What the server called it. */
  etag: z.string().optional(),
});
export type ArchiveLabels = z.output<typeof labelsSchema>;

/** Stores a body of any length; returns its bytes. Throws `payload_too_large` and `validation_failed`. */
export async function storeArchive(
  bucket: R2Bucket,
  key: string,
  body: ByteSource,
  labels: ArchiveLabels = {},
): Promise<number> {
  const upload = new PartedUpload(bucket, key, DEFAULT_LIMITS.maxArchiveBytes, labels);
  try {
    for await (const piece of body) await upload.add(piece);
    return await upload.finish();
  } catch (error) {
    await upload.abort();
    throw error;
  }
}

/** Stores what comes in pieces, of a length that is not known before. */
export class PartedUpload {
  readonly #bucket: R2Bucket;
  readonly #key: string;
  readonly #maxBytes: number;
  readonly #options: { readonly customMetadata: Record<string, string> };
  readonly #parts: R2UploadedPart[] = [];
  #upload: R2MultipartUpload | null = null;
  #buffer = new Uint8Array(PART_BYTES);
  #filled = 0;
  #bytes = 0;

  constructor(bucket: R2Bucket, key: string, maxBytes: number, labels: ArchiveLabels = {}) {
    this.#bucket = bucket;
    this.#key = key;
    this.#maxBytes = maxBytes;
    const { commit, etag } = labels;
    this.#options = {
      customMetadata: {
        ...(commit !== undefined && { commit }),
        ...(etag !== undefined && { etag }),
      },
    };
  }

  async add(piece: Uint8Array): Promise<void> {
    this.#bytes += piece.byteLength;
    if (this.#bytes > this.#maxBytes) throw tooLarge(this.#maxBytes);
    for (let at = 0; at < piece.byteLength; ) {
      const taken = piece.subarray(at, at + PART_BYTES - this.#filled);
      this.#buffer.set(taken, this.#filled);
      this.#filled += taken.byteLength;
      at += taken.byteLength;
      if (this.#filled === PART_BYTES) await this.#flush();
    }
  }

  async finish(): Promise<number> {
    if (this.#bytes === 0) {
      throw new ApiError("validation_failed", "The body is empty. Send a tar, tar.gz or zip file.");
    }
    if (this.#upload === null) {
      await this.#bucket.put(this.#key, this.#buffer.subarray(0, this.#filled), this.#options);
      return this.#bytes;
    }
    if (this.#filled > 0) await this.#flush();
    await this.#upload.complete(this.#parts);
    return this.#bytes;
  }

  async abort(): Promise<void> {
    await this.#upload?.abort();
  }

  async #flush(): Promise<void> {
    this.#upload ??= await this.#bucket.createMultipartUpload(this.#key, this.#options);
    const part = this.#buffer.subarray(0, this.#filled);
    this.#parts.push(await this.#upload.uploadPart(this.#parts.length + 1, part));
    this.#filled = 0;
  }
}

function tooLarge(limit: number): ApiError {
  return new ApiError(
    "payload_too_large",
    `The archive is larger than ${limit} bytes. Leave out build output and data, or push a manifest and only the files that are missing.`,
    { members: { max_bytes: limit } },
  );
}

/** The files of what is stored, and what the server called it. */
export interface StoredFiles {
  readonly files: AsyncGenerator<ArchiveFile, ArchiveSummary, void>;
  readonly etag: string | null;
}

/** Opens what was stored, to be read from its start. Throws IntakeError. */
export async function openStored(
  bucket: R2Bucket,
  key: string,
  strip: Strip,
): Promise<StoredFiles> {
  const head = await bucket.get(key, { range: { offset: 0, length: HEAD_BYTES } });
  if (head === null) throw notStored();
  const bytes = new Uint8Array(await head.arrayBuffer());
  const { commit, etag = null } = labelsSchema.parse(head.customMetadata ?? {});
  if (commit !== undefined && isPack(bytes)) {
    return { files: packFiles(bucket, key, commit), etag };
  }
  return { files: readArchive(await openArchive(bucket, key, head.size, bytes), { strip }), etag };
}

async function* packFiles(
  bucket: R2Bucket,
  key: string,
  commit: string,
): AsyncGenerator<ArchiveFile, ArchiveSummary, void> {
  const whole = await bucket.get(key);
  if (whole === null) throw notStored();
  const pack = await Pack.read(Buffer.from(await whole.arrayBuffer()), () => scheduler.wait(0));
  return yield* commitFiles(pack, commit);
}

async function openArchive(
  bucket: R2Bucket,
  key: string,
  size: number,
  head: Uint8Array,
): Promise<ArchiveSource> {
  const format = sniffFormat(head);
  if (format !== "zip") {
    const whole = await bucket.get(key);
    if (whole === null) throw notStored();
    return { format, stream: whole.body };
  }
  const file = {
    size,
    async read(offset: number, length: number): Promise<Uint8Array> {
      const part = await bucket.get(key, { range: { offset, length } });
      return part === null ? new Uint8Array(0) : new Uint8Array(await part.arrayBuffer());
    },
  };
  return { format, file };
}

function notStored(): IntakeError {
  return new IntakeError("archive_empty", "The archive is not stored any more. Send it again.");
}

/** Deletes all that a codebase has in the blob store. */
export async function deleteBlobs(bucket: R2Bucket, codebase: CodebaseRef): Promise<void> {
  for (;;) {
    const { objects } = await bucket.list({ prefix: codebasePrefix(codebase), limit: LISTED });
    if (objects.length === 0) return;
    await bucket.delete(objects.map(({ key }) => key));
  }
}
