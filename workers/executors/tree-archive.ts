/**
 * Trees of files as they travel to executors: a tar that any tar program unpacks, with no more in it
 * than a tree has. Files and folders are read-only; times and owners are none.
 */

export type TreeEntryKind = "file" | "executable" | "symlink" | "folder";

export interface TreeEntry {
  /** Relative to the tree's root. */
  readonly path: string;
  readonly kind: TreeEntryKind;
  /** Of a symlink the path that it leads to; empty of a folder. */
  readonly content: Uint8Array;
}

const BLOCK = 512;
const NAME_BYTES = 100;
/** Offsets in a header, of fields that hold a path or decide how the rest is read. */
const AT = { mode: 100, size: 124, time: 136, sum: 148, type: 156, link: 157, magic: 257 } as const;
const TYPES: Readonly<Record<TreeEntryKind, string>> = {
  file: "0",
  executable: "0",
  symlink: "2",
  folder: "5",
};
const MODES: Readonly<Record<TreeEntryKind, number>> = {
  file: 0o444,
  executable: 0o555,
  symlink: 0o777,
  folder: 0o555,
};
const EXTENDED = "x";
const EXECUTABLE_BIT = 0o100;
const NOTHING = new Uint8Array(0);

/** What an archive ends with. */
export const ARCHIVE_END = new Uint8Array(2 * BLOCK);

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/** The archive breaks off, or is none. */
export class TreeArchiveError extends Error {
  constructor(what: string) {
    super(`The archive of the tree cannot be read: ${what}.`);
    this.name = "TreeArchiveError";
  }
}

/** The pieces of an entry in the archive. */
export function* writeEntry({ path, kind, content }: TreeEntry): Generator<Uint8Array> {
  const name = encoder.encode(path);
  const link = kind === "symlink" ? content : NOTHING;
  const extended = [
    ...(name.byteLength > NAME_BYTES ? [record("path", name)] : []),
    ...(link.byteLength > NAME_BYTES ? [record("linkpath", link)] : []),
  ];
  if (extended.length > 0) {
    const body = joined(extended);
    yield header(encoder.encode("pax"), EXTENDED, 0o444, body.byteLength, NOTHING);
    yield* padded(body);
  }
  const body = kind === "symlink" ? NOTHING : content;
  yield header(name, TYPES[kind], MODES[kind], body.byteLength, link);
  yield* padded(body);
}

function* padded(body: Uint8Array): Generator<Uint8Array> {
  if (body.byteLength === 0) return;
  yield body;
  const rest = body.byteLength % BLOCK;
  if (rest > 0) yield new Uint8Array(BLOCK - rest);
}

function header(
  name: Uint8Array,
  type: string,
  mode: number,
  size: number,
  link: Uint8Array,
): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => block.set(encoder.encode(text), at);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  block.set(name.subarray(0, NAME_BYTES), 0);
  put(AT.mode, octal(mode, 7) + octal(0, 7) + octal(0, 7));
  put(AT.size, octal(size, 11));
  put(AT.time, octal(0, 11));
  put(AT.sum, " ".repeat(8));
  put(AT.type, type);
  block.set(link.subarray(0, NAME_BYTES), AT.link);
  put(AT.magic, "ustar\x0000");
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(AT.sum, `${octal(sum, 6)} `);
  return block;
}

/** A line of an extended header, which begins with its own length. */
function record(name: string, value: Uint8Array): Uint8Array {
  const rest = joined([encoder.encode(` ${name}=`), value, encoder.encode("\n")]);
  let length = rest.byteLength + 1;
  while (String(length).length + rest.byteLength !== length) {
    length = String(length).length + rest.byteLength;
  }
  return joined([encoder.encode(String(length)), rest]);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}

/**
 * Reads an archive piece by piece, as `writeEntry` wrote it. Contents are views of what was pushed
 * where one piece holds them.
 */
export class TreeReader {
  #rest: Uint8Array = NOTHING;
  #extended: ReadonlyMap<string, Uint8Array> = new Map();
  #isAtEnd = false;

  /** The entries that are complete with this piece. Throws TreeArchiveError. */
  *push(piece: Uint8Array): Generator<TreeEntry> {
    let bytes = this.#rest.byteLength === 0 ? piece : joined([this.#rest, piece]);
    while (bytes.byteLength >= BLOCK && !this.#isAtEnd) {
      const block = bytes.subarray(0, BLOCK);
      if (block[0] === 0) {
        this.#isAtEnd = true;
        break;
      }
      const size = octalAt(block, AT.size, 12);
      const whole = BLOCK + Math.ceil(size / BLOCK) * BLOCK;
      if (bytes.byteLength < whole) break;
      const entry = this.#entry(block, bytes.subarray(BLOCK, BLOCK + size));
      bytes = bytes.subarray(whole);
      if (entry !== null) yield entry;
    }
    this.#rest = this.#isAtEnd ? NOTHING : bytes;
  }

  /** Throws TreeArchiveError when the end is missing. */
  end(): void {
    if (!this.#isAtEnd) throw new TreeArchiveError("it breaks off");
  }

  #entry(block: Uint8Array, body: Uint8Array): TreeEntry | null {
    const type = String.fromCharCode(block[AT.type] ?? 0);
    if (type === EXTENDED) {
      this.#extended = recordsOf(body);
      return null;
    }
    const name = this.#extended.get("path") ?? textAt(block, 0);
    const link = this.#extended.get("linkpath") ?? textAt(block, AT.link);
    this.#extended = new Map();
    const path = decoder.decode(name);
    switch (type) {
      case "0": {
        const isExecutable = (octalAt(block, AT.mode, 8) & EXECUTABLE_BIT) !== 0;
        return { path, kind: isExecutable ? "executable" : "file", content: body };
      }
      case "2":
        return { path, kind: "symlink", content: link };
      case "5":
        return { path, kind: "folder", content: NOTHING };
      default:
        throw new TreeArchiveError(`"${path}" is neither file, link nor folder`);
    }
  }
}

function octalAt(block: Uint8Array, at: number, length: number): number {
  const text = String.fromCharCode(...block.subarray(at, at + length)).replace(/[\0 ]+$/, "");
  const value = Number.parseInt(text, 8);
  if (Number.isNaN(value)) throw new TreeArchiveError("a header holds no number where one belongs");
  return value;
}

function textAt(block: Uint8Array, at: number): Uint8Array {
  const field = block.slice(at, at + NAME_BYTES);
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
}

function recordsOf(body: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const records = new Map<string, Uint8Array>();
  for (let at = 0; at < body.byteLength; ) {
    const space = body.indexOf(0x20, at);
    const equals = body.indexOf(0x3d, space);
    const length = Number(decoder.decode(body.subarray(at, space)));
    if (space < 0 || equals < 0 || !(length > 0)) throw new TreeArchiveError("a header is cut");
    const name = decoder.decode(body.subarray(space + 1, equals));
    records.set(name, body.slice(equals + 1, at + length - 1));
    at += length;
  }
  return records;
}

/** Where a link of the tree leads to in it; null when that is outside of it, `""` for its root. */
export function linkTarget(path: string, target: string): string | null {
  if (target === "" || target.startsWith("/") || target.includes("\0")) return null;
  const parts = path.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  return parts.join("/");
}

/** Whether a path of the workspace is a tree's folder, or lies in it. */
export function isInTree(
  path: string,
  tree: { readonly path: string } | null | undefined,
): boolean {
  return tree ? path === tree.path || path.startsWith(`${tree.path}/`) : false;
}
