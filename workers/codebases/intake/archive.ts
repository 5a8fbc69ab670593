/** Reads the files of an archive, of any format taken, under one set of rules. */
import type { ByteSource } from "./byte-reader.ts";
import { type TakenContent, takeContent } from "./content.ts";
import { IntakeError } from "./errors.ts";
import { blobDigests, isOid, type LeafMode } from "./git-objects.ts";
import { gunzip } from "./gunzip.ts";
import { DEFAULT_LIMITS, type IntakeLimits, Meter } from "./limits.ts";
import { checkPath, oddities, type PathNote, PathTable } from "./paths.ts";
import { readTar, type TarEntry } from "./tar.ts";
import { encodeName } from "./text.ts";
import { type NamedEntry, type Strip, shareTopFolder, TopFolder } from "./top-folder.ts";
import { openZip, type RandomAccess, type ZipEntry } from "./zip.ts";

export type ArchiveSource =
  | { readonly format: "tar" | "tar.gz"; readonly stream: ByteSource }
  | { readonly format: "zip"; readonly file: RandomAccess };

export type ArchiveFormat = ArchiveSource["format"];

/**
 * Why a file comes without content: it is larger than `maxIndexedBytes`; it is a hard link, whose
 * content came with the file it links to, under the same OID; or it is a commit of another repository.
 */
export type SkipReason = "too_large" | "hard_link" | "submodule";

/** One file of an archive. Folders are not files; a symlink's content is the path it points to. */
export interface ArchiveFile {
  readonly path: string;
  readonly mode: LeafMode;
  readonly size: number;
  readonly oid: string;
  readonly sha256: string;
  /** Null when `skipped` says why. */
  readonly content: Uint8Array | null;
  readonly skipped: SkipReason | null;
  /** What is legal and odd about the path. */
  readonly notes: readonly PathNote[];
}

export interface ArchiveSummary {
  /** The commit that git wrote into the archive it made. */
  readonly commit: string | null;
  /** The folders taken off all paths. */
  readonly topFolder: string | null;
  readonly files: number;
  readonly unpackedBytes: number;
}

export interface ArchiveOptions {
  readonly limits?: Partial<IntakeLimits>;
  /** Default `auto`. */
  readonly strip?: Strip;
}

/** The format that the first bytes of an archive tell, 512 of them for all formats. */
export function sniffFormat(head: Uint8Array): ArchiveFormat {
  const buffer = Buffer.from(head);
  if (buffer[0] === 0x1f && buffer[1] === 0x8b) return "tar.gz";
  // "PK" and the number of a local header, or of the end in a zip without entries.
  if (["504b0304", "504b0506"].includes(buffer.toString("hex", 0, 4))) return "zip";
  if (buffer.toString("latin1", 257, 262) === "ustar") return "tar";
  throw new IntakeError(
    "format_unknown",
    "The body is neither a tar, a tar.gz nor a zip. Send one of these.",
  );
}

/**
 * Yields the files in the order of the archive and returns what is known at its end. Throws
 * IntakeError for everything that is wrong with the archive; errors of the source pass as they are.
 */
export async function* readArchive(
  source: ArchiveSource,
  options: ArchiveOptions = {},
): AsyncGenerator<ArchiveFile, ArchiveSummary, void> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const intake = new Intake(limits, options.strip ?? "auto");
  if (source.format === "zip") yield* intake.zip(source.file);
  else yield* intake.tar(source.stream, source.format);
  return intake.summary;
}

/** What is kept of a file, for the hard links to it. */
type KnownFile = Pick<ArchiveFile, "mode" | "size" | "oid" | "sha256">;

class Intake {
  readonly #limits: IntakeLimits;
  readonly #meter: Meter;
  readonly #strip: Strip;
  #top: TopFolder;
  readonly #paths = new PathTable<KnownFile>();
  #commit: string | null = null;

  constructor(limits: IntakeLimits, strip: Strip) {
    this.#limits = limits;
    this.#meter = new Meter(limits);
    this.#strip = strip;
    this.#top = new TopFolder(strip);
  }

  get summary(): ArchiveSummary {
    return {
      commit: this.#commit,
      topFolder: this.#top.name,
      files: this.#paths.size,
      unpackedBytes: this.#meter.unpackedBytes,
    };
  }

  async *tar(stream: ByteSource, format: "tar" | "tar.gz"): AsyncGenerator<ArchiveFile, void> {
    const sent = metered(stream, (bytes) => this.#meter.received(bytes));
    const unpacked = metered(format === "tar" ? sent : gunzip(sent), (bytes) =>
      this.#meter.unpacked(bytes),
    );
    const entries = readTar(unpacked, (records) => this.#setCommit(records.get("comment")?.text));
    let isFirst = true;
    for await (const entry of entries) {
      this.#meter.entry();
      const named = nameOf(entry.path, entry.kind === "folder");
      if (isFirst) this.#top.decide(named, this.#commit);
      isFirst = false;
      const path = this.#place(named);
      if (path === null) continue;
      yield entry.kind === "hard_link"
        ? this.#link(path, entry)
        : await this.#file(path, entry, await this.#tarContent(entry));
    }
  }

  async *zip(file: RandomAccess): AsyncGenerator<ArchiveFile, void> {
    this.#meter.received(file.size);
    const archive = await openZip(file, { onCount: (count) => this.#meter.entries(count) });
    this.#setCommit(archive.comment);
    const isAround = this.#commit !== null && shareTopFolder(archive.paths());
    if (this.#strip === "auto") this.#top = new TopFolder(isAround ? 1 : 0);
    for (const entry of archive.entries()) {
      const path = this.#place(nameOf(entry.path, entry.kind === "folder"));
      if (path === null) continue;
      const pieces = metered(entry.pieces(), (bytes) => this.#meter.unpacked(bytes));
      yield this.#file(path, entry, await this.#content(entry.size, pieces));
    }
  }

  /** The path to keep a file under; null for what is only a folder. */
  #place(named: NamedEntry): string | null {
    if (named.path === "" && named.isFolder) return null;
    checkPath(named.path, this.#limits);
    const path = this.#top.strip(named);
    if (path === null || !named.isFolder) return path;
    this.#paths.addFolder(path);
    return null;
  }

  #tarContent(entry: TarEntry): Promise<TakenContent> | TakenContent {
    if (entry.kind !== "symlink") return this.#content(entry.size, entry.pieces());
    const content = encodeName(entry.target);
    return { content, ...blobDigests(content) };
  }

  #content(size: number, pieces: AsyncIterable<Uint8Array>): Promise<TakenContent> {
    return takeContent(size, pieces, this.#limits.maxIndexedBytes);
  }

  #file(path: string, entry: TarEntry | ZipEntry, taken: TakenContent): ArchiveFile {
    const { oid, sha256, content } = taken;
    const isSymlink = entry.kind === "symlink";
    const mode = isSymlink ? "symlink" : entry.isExecutable ? "executable" : "file";
    const known = { mode, size: content?.byteLength ?? entry.size, oid, sha256 } as const;
    const skipped = content === null ? "too_large" : null;
    return { path, ...known, content, skipped, notes: this.#notes(path, known, entry.isUtf8) };
  }

  #link(path: string, { path: entryPath, target, isUtf8 }: TarEntry): ArchiveFile {
    const named = nameOf(target.text, false);
    checkPath(named.path, this.#limits);
    const stripped = this.#top.strip(named);
    const known = stripped === null ? undefined : this.#paths.get(stripped);
    if (known === undefined) {
      throw new IntakeError(
        "hard_link_unresolved",
        "A hard link points to a file that does not come before it. Make the archive without hard links (tar --hard-dereference).",
        { path: entryPath },
      );
    }
    const notes = this.#notes(path, known, isUtf8);
    return { path, ...known, content: null, skipped: "hard_link", notes };
  }

  #notes(path: string, known: KnownFile, isUtf8: boolean): PathNote[] {
    const notes = [...oddities(path), ...this.#paths.addFile(path, known)];
    if (!isUtf8) notes.push({ kind: "not_utf8", other: null });
    return notes;
  }

  #setCommit(comment: string | undefined): void {
    if (comment !== undefined && isOid(comment)) this.#commit = comment;
  }
}

/** Without the `./` that tar writes for a path of its working folder, and a folder's last slash. */
function nameOf(spelled: string, isFolder: boolean): NamedEntry {
  let path = spelled;
  while (path.startsWith("./")) path = path.slice(2);
  if (isFolder && path.endsWith("/")) path = path.slice(0, -1);
  return { path: isFolder && path === "." ? "" : path, isFolder };
}

async function* metered(
  source: ByteSource,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void> {
  for await (const piece of source) {
    count(piece.byteLength);
    yield piece;
  }
}
