/** Reads zip from a source of ranges: stored and deflated entries, zip64, checked by CRC. */
import { Readable } from "node:stream";
import { crc32, createInflateRaw, inflateRawSync } from "node:zlib";
import { IntakeError, malformed } from "./errors.ts";
import { isCutOff, SourceFailure } from "./gunzip.ts";
import { openDirectory, type ZipRecord } from "./zip-directory.ts";
import { type RandomAccess, WindowedReader } from "./zip-source.ts";

export type { RandomAccess } from "./zip-source.ts";

export type ZipEntryKind = "file" | "folder" | "symlink";

export interface ZipEntry {
  readonly kind: ZipEntryKind;
  /** As the archive spells it, not yet checked. */
  readonly path: string;
  readonly isUtf8: boolean;
  readonly isExecutable: boolean;
  readonly size: number;
  /** The content, checked against size and CRC at its end; reads nothing when it is not called. */
  pieces(): AsyncGenerator<Uint8Array, void>;
}

export interface ZipArchive {
  /** Git writes the commit into it. */
  readonly comment: string;
  /** Every path as the archive spells it, for what depends on all of them. */
  paths(): Iterable<string>;
  /** In the order of their content, which is one pass over the source. */
  entries(): Iterable<ZipEntry>;
}

const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;
/** Encrypted, strongly encrypted, or with a directory that is. */
const ENCRYPTED_FLAGS = (1 << 0) | (1 << 6) | (1 << 13);
const METHOD_AES = 99;
/** Entries up to this size are inflated at once. */
const MAX_AT_ONCE_BYTES = 1024 * 1024;
/** The limit of workerd's zlib is on its buffer, which grows by 16 KiB ahead of what is in it. */
const OUTPUT_SLACK_BYTES = 64 * 1024;
const OWNER_EXECUTES = 0o100;
const TYPE_MASK = 0o170000;
const TYPE_KINDS: ReadonlyMap<number, ZipEntryKind> = new Map([
  [0o100000, "file"],
  [0o040000, "folder"],
  [0o120000, "symlink"],
]);

export interface ZipOptions {
  /** Sees the number of entries before their list is read. */
  readonly onCount?: (count: number) => void;
}

/** Reads the directory; throws IntakeError when the archive is none, or holds what is refused. */
export async function openZip(source: RandomAccess, options: ZipOptions = {}): Promise<ZipArchive> {
  const reader = new WindowedReader(source);
  const directory = await openDirectory(reader);
  options.onCount?.(directory.count);
  const records: ZipRecord[] = [];
  for await (const record of directory.records()) records.push(record);
  records.sort((a, b) => a.localOffset - b.localOffset);
  refuseOverlaps(records);
  return {
    comment: directory.comment,
    *paths() {
      for (const { path } of records) yield path;
    },
    // Made as they are read: the list is the largest thing in memory.
    *entries() {
      for (const record of records) yield describe(reader, record);
    },
  };
}

/** Entries that share their bytes unpack to far more than the archive holds. */
function refuseOverlaps(records: readonly ZipRecord[]): void {
  let end = 0;
  for (const { localOffset, compressedSize, rawName, path } of records) {
    if (localOffset < end) throw malformed("two entries share the same bytes", path);
    end = localOffset + LOCAL_BYTES + rawName.length + compressedSize;
  }
}

function describe(reader: WindowedReader, record: ZipRecord): ZipEntry {
  const { path, isUtf8 } = record;
  if ((record.flags & ENCRYPTED_FLAGS) !== 0 || record.method === METHOD_AES) {
    throw new IntakeError(
      "archive_encrypted",
      "The zip is encrypted. Send it without a password.",
      {
        path,
      },
    );
  }
  const kind = kindOf(record);
  return {
    kind,
    path,
    isUtf8,
    isExecutable: (record.unixMode & OWNER_EXECUTES) !== 0,
    size: kind === "folder" ? 0 : record.size,
    pieces: () => checked(readContent(reader, record), record),
  };
}

function kindOf({ path, unixMode, isDosFolder }: ZipRecord): ZipEntryKind {
  const type = unixMode & TYPE_MASK;
  if (type === 0) return isDosFolder || path.endsWith("/") ? "folder" : "file";
  const kind = TYPE_KINDS.get(type);
  if (kind === undefined) {
    throw new IntakeError(
      "entry_unsupported",
      "The archive holds a device or a pipe. Send only files, folders and links.",
      { path },
    );
  }
  return kind === "file" && path.endsWith("/") ? "folder" : kind;
}

async function* checked(
  content: AsyncIterable<Uint8Array>,
  { size, crc32: expected, path }: ZipRecord,
): AsyncGenerator<Uint8Array, void> {
  let crc = 0;
  let taken = 0;
  for await (const piece of content) {
    taken += piece.byteLength;
    if (taken > size) throw malformed("an entry is longer than it says", path);
    crc = crc32(piece, crc);
    yield piece;
  }
  if (taken < size) throw malformed("an entry is shorter than it says", path);
  if (crc !== expected) throw malformed("an entry does not have its checksum", path);
}

async function* readContent(
  reader: WindowedReader,
  record: ZipRecord,
): AsyncGenerator<Uint8Array, void> {
  const { method, compressedSize, size, path } = record;
  const offset = await contentOffset(reader, record);
  if (offset + compressedSize > reader.size) throw malformed("an entry is cut off", path);
  if (method === STORED) {
    if (compressedSize !== size) throw malformed("a stored entry has two sizes", path);
    yield* reader.pieces(offset, size);
  } else if (method !== DEFLATED) {
    throw new IntakeError(
      "archive_unsupported",
      `The zip uses compression method ${method}. Make it with deflate, which is what zip does by default.`,
      { path },
    );
  } else if (size <= MAX_AT_ONCE_BYTES && compressedSize <= MAX_AT_ONCE_BYTES) {
    yield inflateAtOnce(await reader.read(offset, compressedSize), record);
  } else yield* inflate(reader.pieces(offset, compressedSize), record);
}

/** The name and the method stand in the archive twice; readers that believe one each differ. */
async function contentOffset(reader: WindowedReader, record: ZipRecord): Promise<number> {
  const { localOffset, rawName, method, path } = record;
  const local = await reader.read(localOffset, LOCAL_BYTES);
  const nameBytes = local.readUInt16LE(26);
  const extraBytes = local.readUInt16LE(28);
  if (local.readUInt32LE(0) !== LOCAL || local.readUInt16LE(8) !== method) {
    throw malformed("an entry is not where the directory says", path);
  }
  const localName = await reader.read(localOffset + LOCAL_BYTES, nameBytes);
  if (localName.toString("latin1") !== rawName) {
    throw malformed("an entry has another name than in the directory", path);
  }
  return localOffset + LOCAL_BYTES + nameBytes + extraBytes;
}

function inflateAtOnce(compressed: Uint8Array, { size, path }: ZipRecord): Uint8Array {
  try {
    return inflateRawSync(compressed, { maxOutputLength: size + OUTPUT_SLACK_BYTES });
  } catch (cause) {
    throw malformed("an entry cannot be inflated", path, cause);
  }
}

async function* inflate(
  compressed: AsyncIterable<Uint8Array>,
  { path }: ZipRecord,
): AsyncGenerator<Uint8Array, void> {
  const failure = new SourceFailure();
  const input = Readable.from(failure.watch(compressed), { objectMode: false });
  const output = createInflateRaw({ chunkSize: 64 * 1024 });
  input.on("error", (error) => output.destroy(error));
  input.pipe(output);
  try {
    for await (const piece of output) yield piece;
  } catch (cause) {
    failure.rethrow();
    const what = isCutOff(cause) ? "an entry is cut off" : "an entry cannot be inflated";
    throw malformed(what, path, cause);
  } finally {
    input.destroy();
    output.destroy();
  }
}
