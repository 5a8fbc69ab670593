/** Git's objects: the ids of blobs and trees, and the bytes that trees are hashed from. */
import { createHash, type Hash } from "node:crypto";
import { IntakeError } from "./errors.ts";
import { compareEntryNames } from "./path-order.ts";

/** What a path of a snapshot can be. */
export type FileMode = "file" | "executable" | "symlink";

/** What stands at a path of a tree; a submodule's OID is a commit that is not followed. */
export type LeafMode = FileMode | "submodule";

/** What an entry of a tree can be. */
export type EntryMode = LeafMode | "tree";

/** The numbers git writes for modes, in octal. */
export const GIT_MODES = {
  file: 0o100644,
  executable: 0o100755,
  symlink: 0o120000,
  submodule: 0o160000,
  tree: 0o40000,
} as const satisfies Record<EntryMode, number>;

const MODE_NAMES: ReadonlyMap<number, EntryMode> = new Map([
  [GIT_MODES.file, "file"],
  // Written by early versions of git, and read as a plain file since.
  [0o100664, "file"],
  [GIT_MODES.executable, "executable"],
  [GIT_MODES.symlink, "symlink"],
  [GIT_MODES.submodule, "submodule"],
  [GIT_MODES.tree, "tree"],
]);

/** One name of a tree; `oid` is SHA-1 in lower-case hex. */
export interface TreeEntry {
  readonly name: string;
  readonly mode: EntryMode;
  readonly oid: string;
}

export const EMPTY_TREE_OID = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
const OID_BYTES = 20;
const OID = /^[0-9a-f]{40}$/;

export function isOid(text: string): boolean {
  return OID.test(text);
}

/** Names the mode that git writes as `number`; undefined for a number git does not write. */
export function modeOfNumber(number: number): EntryMode | undefined {
  return MODE_NAMES.get(number);
}

function objectHash(type: "blob" | "tree", size: number): Hash {
  return createHash("sha1").update(`${type} ${size}\0`);
}

/** The OID of a blob, as `git hash-object` prints it. */
export function blobOid(content: Uint8Array): string {
  return objectHash("blob", content.byteLength).update(content).digest("hex");
}

export interface BlobDigests {
  readonly oid: string;
  readonly sha256: string;
}

/** Hashes content that is read in pieces; git hashes the size first, so it has to be known. */
export class BlobHash {
  readonly #oid: Hash;
  readonly #sha256 = createHash("sha256");

  constructor(size: number) {
    this.#oid = objectHash("blob", size);
  }

  update(piece: Uint8Array): void {
    this.#oid.update(piece);
    this.#sha256.update(piece);
  }

  digests(): BlobDigests {
    return { oid: this.#oid.digest("hex"), sha256: this.#sha256.digest("hex") };
  }
}

/** The OID and the SHA-256 of content in memory. */
export function blobDigests(content: Uint8Array): BlobDigests {
  const hash = new BlobHash(content.byteLength);
  hash.update(content);
  return hash.digests();
}

/** Compares entries in git's order. */
export function compareEntries(a: TreeEntry, b: TreeEntry): number {
  return compareEntryNames(
    { name: a.name, isTree: a.mode === "tree" },
    { name: b.name, isTree: b.mode === "tree" },
  );
}

/** The bytes of a tree object, without its header; entries may come in any order. */
export function encodeTree(entries: readonly TreeEntry[]): Uint8Array {
  const pieces: Buffer[] = [];
  for (const { name, mode, oid } of [...entries].sort(compareEntries)) {
    pieces.push(Buffer.from(`${GIT_MODES[mode].toString(8)} ${name}\0`), Buffer.from(oid, "hex"));
  }
  return Buffer.concat(pieces);
}

/** The OID of the tree with these entries, as `git mktree` prints it. */
export function treeOid(entries: readonly TreeEntry[]): string {
  const bytes = encodeTree(entries);
  return objectHash("tree", bytes.byteLength).update(bytes).digest("hex");
}

/** Reads a tree object's bytes; throws IntakeError when git could not have written them. */
export function decodeTree(bytes: Uint8Array): TreeEntry[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const entries: TreeEntry[] = [];
  for (let at = 0; at < buffer.byteLength; ) {
    const space = buffer.indexOf(0x20, at);
    const end = buffer.indexOf(0, space);
    if (space < 0 || end < 0 || end + 1 + OID_BYTES > buffer.byteLength) throw invalidTree();
    const digits = buffer.latin1Slice(at, space);
    const mode = /^[0-7]{5,6}$/.test(digits) ? modeOfNumber(Number.parseInt(digits, 8)) : undefined;
    if (mode === undefined) throw invalidTree();
    at = end + 1 + OID_BYTES;
    const oid = buffer.hexSlice(end + 1, at);
    entries.push({ name: decodeName(utf8, buffer.subarray(space + 1, end)), mode, oid });
  }
  return entries;
}

function decodeName(utf8: TextDecoder, bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw invalidTree(cause);
  }
}

function invalidTree(cause?: unknown): IntakeError {
  return new IntakeError(
    "tree_invalid",
    "The bytes are no tree object of git. Read the tree again from the repository.",
    { cause },
  );
}
