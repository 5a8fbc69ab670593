/** Reads tar as a stream: ustar, PAX, GNU long names. Holds one header and one piece at a time. */
import { ByteReader, type ByteSource } from "./byte-reader.ts";
import { IntakeError, malformed, truncated } from "./errors.ts";
import {
  BLOCK_BYTES,
  isZeroBlock,
  type PaxRecords,
  parseHeader,
  parsePax,
  paxSize,
  type TarHeader,
  trimmed,
} from "./tar-header.ts";
import { type DecodedName, decodeName } from "./text.ts";

export type TarEntryKind = "file" | "folder" | "symlink" | "hard_link";

export interface TarEntry {
  readonly kind: TarEntryKind;
  /** As the archive spells it, not yet checked. */
  readonly path: string;
  readonly isUtf8: boolean;
  /** Where a link points to; empty for what is no link. */
  readonly target: DecodedName;
  readonly isExecutable: boolean;
  /** Bytes of content; 0 for all but files. */
  readonly size: number;
  /** The content, each piece valid until the next; what is not read is passed over. */
  pieces(): AsyncGenerator<Uint8Array, void>;
}

/** Headers that only describe others are held whole, so they are small. */
const MAX_META_BYTES = 1024 * 1024;
const OWNER_EXECUTES = 0o100;

const KINDS: ReadonlyMap<string, TarEntryKind> = new Map([
  ["0", "file"],
  ["\0", "file"],
  ["7", "file"],
  ["1", "hard_link"],
  ["2", "symlink"],
  ["5", "folder"],
]);
const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  ["3", "a device"],
  ["4", "a device"],
  ["6", "a pipe"],
  ["S", "a sparse file"],
  ["M", "a part of a volume"],
]);

/** Reads the entries in order; `onGlobal` gets the records that PAX gives for the whole archive. */
export async function* readTar(
  source: ByteSource,
  onGlobal: (records: PaxRecords) => void = () => {},
): AsyncGenerator<TarEntry, void> {
  const reader = new ByteReader(source);
  let global: PaxRecords = new Map();
  let own: OwnRecords = {};
  let blocks = 0;
  try {
    for (;;) {
      const block = await reader.take(BLOCK_BYTES);
      if (block === null) throw blocks === 0 ? empty() : truncated();
      blocks += 1;
      if (isZeroBlock(block)) break;
      const header = parseHeader(block);
      if (header.type === "g") {
        global = new Map([...global, ...parsePax(await meta(reader, header))]);
        onGlobal(global);
      } else if (header.type === "x" || header.type === "X") {
        own = { ...own, pax: parsePax(await meta(reader, header)) };
      } else if (header.type === "L") {
        own = { ...own, name: decodeName(trimmed(await meta(reader, header))) };
      } else if (header.type === "K") {
        own = { ...own, target: decodeName(trimmed(await meta(reader, header))) };
      } else {
        yield* entry(reader, describe(header, own, global));
        own = {};
      }
    }
    await reader.drain();
  } finally {
    await reader.close();
  }
}

/** What the headers before an entry say of it. */
interface OwnRecords {
  readonly pax?: PaxRecords;
  readonly name?: DecodedName;
  readonly target?: DecodedName;
}

type Description = Omit<TarEntry, "pieces">;

async function* entry(reader: ByteReader, described: Description): AsyncGenerator<TarEntry, void> {
  let left = described.size;
  yield {
    ...described,
    async *pieces() {
      for await (const piece of reader.pieces(left)) {
        left -= piece.byteLength;
        yield piece;
      }
    },
  };
  await reader.skip(left + paddingOf(described.size));
}

function describe(header: TarHeader, own: OwnRecords, global: PaxRecords): Description {
  const pax = (key: string): DecodedName | undefined => {
    const value = own.pax?.get(key) ?? global.get(key);
    return value?.text === "" ? undefined : value;
  };
  const { text: path, isUtf8 } = pax("path") ?? own.name ?? header.name;
  const sparse = [...(own.pax?.keys() ?? [])].some((key) => key.startsWith("GNU.sparse."));
  const kind = sparse ? undefined : KINDS.get(header.type);
  if (kind === undefined) throw unsupported(sparse ? "S" : header.type, path);
  const size = pax("size");
  const stated = size ? paxSize(size.text) : header.size;
  if (kind === "hard_link" && stated > 0) throw malformed("a hard link holds content", path);
  return {
    // Before POSIX, a folder was a file whose name ends with a slash.
    kind: kind === "file" && path.endsWith("/") ? "folder" : kind,
    path,
    isUtf8,
    target: pax("linkpath") ?? own.target ?? header.target,
    isExecutable: (header.mode & OWNER_EXECUTES) !== 0,
    // For folders it is room to reserve, and nothing follows the header.
    size: kind === "file" ? stated : 0,
  };
}

async function meta(reader: ByteReader, { size }: TarHeader): Promise<Uint8Array> {
  if (size > MAX_META_BYTES) throw malformed("a header of an entry is larger than 1 MiB");
  const bytes = size === 0 ? new Uint8Array(0) : await reader.take(size);
  if (bytes === null) throw truncated();
  // What was taken is valid until the next call only.
  const kept = bytes.slice();
  await reader.skip(paddingOf(size));
  return kept;
}

function paddingOf(size: number): number {
  const over = size % BLOCK_BYTES;
  return over === 0 ? 0 : BLOCK_BYTES - over;
}

function empty(): IntakeError {
  return new IntakeError(
    "archive_empty",
    "The archive has no bytes. Send the archive as the body.",
  );
}

function unsupported(type: string, path: string): IntakeError {
  const what = UNSUPPORTED.get(type) ?? `an entry of the unknown type "${type}"`;
  return new IntakeError(
    "entry_unsupported",
    `The archive holds ${what}. Send only files, folders and links.`,
    { path },
  );
}
