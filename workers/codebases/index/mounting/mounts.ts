/**
 * Trees of snapshots as executors get them: one archive each in the blob store, made when it is first
 * asked for. Equal folders are one archive, whatever snapshots they are in.
 */
import { z } from "zod";
import {
  ARCHIVE_END,
  linkTarget,
  type TreeEntry,
  writeEntry,
} from "../../../executors/tree-archive.ts";
import { type CodebaseRef, codebasePrefix, PartedUpload } from "../../archives.ts";
import type { BlobStore } from "../storage/blobs.ts";
import type { ListedFile } from "../storage/listing.ts";
import type { SnapshotRow, SnapshotStore } from "../storage/snapshots.ts";
import type { StoredEntry } from "../storage/tree-writer.ts";
import type { TreeStore } from "../storage/trees.ts";
import type { SnapshotState } from "../types.ts";

/** Of a tree that is mounted, unpacked. */
export const MAX_MOUNT_BYTES = 1024 * 1024 * 1024;
/** Raised when an archive of the same tree would come out otherwise. */
const FORMAT = 1;
/** Archives that are kept when nobody has asked for them within a day. */
const KEPT_ARCHIVES = 20;
const UNUSED_MS = 24 * 3_600_000;
/** The index answers others after so much of an archive. */
const PIECE_BYTES = 1024 * 1024;
const MAX_NAMED = 20;

export interface MountsDeps {
  readonly sql: SqlStorage;
  readonly blobs: BlobStore;
  readonly trees: TreeStore;
  readonly snapshots: SnapshotStore;
  readonly bucket: R2Bucket;
  /** Lets others have their turn. */
  readonly yielded: () => Promise<unknown>;
}

/** What a mount of a snapshot, or of a folder of it, is. */
export type Mountable =
  | { readonly status: "no_snapshot" }
  | { readonly status: "not_ready"; readonly number: number; readonly state: SnapshotState }
  | { readonly status: "no_folder"; readonly number: number }
  | {
      readonly status: "found";
      readonly number: number;
      readonly ref: string | null;
      readonly commit: string | null;
      /** OID of the tree: of the snapshot, or of its folder. */
      readonly root: string;
      readonly files: number;
      /** Of the files, unpacked. */
      readonly bytes: number;
      /** Files that are not held, and links that lead outside: how many, and some of them. */
      readonly left_out: { readonly files: number; readonly paths: readonly string[] };
    };

export type MountArchive =
  | { readonly status: "ready"; readonly key: string }
  /** The snapshot was deleted. */
  | { readonly status: "gone" };

const keyRow = z.object({ key: z.string(), root: z.string(), used_at: z.number() });

export class Mounts {
  readonly #deps: MountsDeps;
  readonly #making = new Map<string, Promise<boolean>>();

  constructor(deps: MountsDeps) {
    this.#deps = deps;
  }

  /** `name` is a snapshot's, null for the newest; `folder` is empty for all of it. */
  describe(name: string | null, folder: string): Mountable {
    const { snapshots, trees } = this.#deps;
    const row = name === null ? snapshots.latestReady() : snapshots.named(name);
    if (row === null) return { status: "no_snapshot" };
    const { number, state, ref, commit_oid: commit } = row;
    if (state !== "ready" || row.root === null) return { status: "not_ready", number, state };
    const root = this.#folderOf(row.root, folder);
    if (root === null) return { status: "no_folder", number };
    const all = trees.listing(root).files;
    const mounted = all.filter((file) => this.#isMounted(file));
    const bytes = mounted.reduce((sum, { blob }) => sum + (blob?.size ?? 0), 0);
    const taken = new Set(mounted);
    const paths = all.filter((file) => !taken.has(file)).map(({ path }) => path);
    const left_out = { files: paths.length, paths: paths.slice(0, MAX_NAMED) };
    return {
      status: "found",
      ...{ number, ref, commit, root, bytes, left_out },
      files: mounted.length,
    };
  }

  /** Makes the archive of a tree unless there is one. */
  async archive(
    codebase: CodebaseRef,
    snapshot: number,
    root: string,
    now: number,
  ): Promise<MountArchive> {
    const { bucket, sql } = this.#deps;
    if (!this.#isKept(snapshot, root)) return { status: "gone" };
    const key = `${codebasePrefix(codebase)}trees/${FORMAT}/${root}.tar.gz`;
    const isNoted =
      sql.exec("SELECT 1 FROM mount_archives WHERE key = ?", key).toArray().length > 0;
    // Before it is stored, so that there is none that nobody knows of.
    sql.exec("INSERT OR REPLACE INTO mount_archives VALUES (?, ?, ?)", key, root, now);
    const isThere = isNoted && (await bucket.head(key)) !== null;
    if (!isThere) {
      const making = this.#making.get(key) ?? this.#make(key, root);
      this.#making.set(key, making);
      try {
        if (!(await making)) return { status: "gone" };
      } finally {
        this.#making.delete(key);
      }
      // Deleted meanwhile, it would stay for good.
      if (!this.#isKept(snapshot, root)) {
        await bucket.delete(key);
        return { status: "gone" };
      }
    }
    return { status: "ready", key };
  }

  /**
   * Those of the paths that are files of a tree, with their paths there: one that begins with a star is
   * the end of one, of the shortest that there is.
   */
  known(root: string, paths: readonly string[]): Record<string, string> {
    const found: Record<string, string> = {};
    if (this.#deps.trees.get(root) === undefined) return found;
    const listing = this.#deps.trees.listing(root);
    for (const path of paths) {
      if (!path.startsWith("*/")) {
        if (listing.at(path) !== null) found[path] = path;
        continue;
      }
      const end = path.slice(1);
      let best: string | null = null;
      for (const file of listing.files) {
        const isEnd = file.path.endsWith(end) || file.path === end.slice(1);
        if (isEnd && (best === null || file.path.length < best.length)) best = file.path;
      }
      if (best !== null) found[path] = best;
    }
    return found;
  }

  /** Deletes archives of trees that no snapshot has, and those that nobody asks for. */
  async collect(now: number): Promise<void> {
    const { sql, trees, bucket } = this.#deps;
    const rows = sql
      .exec("SELECT * FROM mount_archives ORDER BY used_at DESC")
      .toArray()
      .map((row) => keyRow.parse(row));
    const doomed = rows.filter(
      ({ root, used_at }, rank) =>
        trees.get(root) === undefined || (rank >= KEPT_ARCHIVES && now - used_at > UNUSED_MS),
    );
    for (const { key } of doomed) {
      await bucket.delete(key);
      sql.exec("DELETE FROM mount_archives WHERE key = ?", key);
    }
  }

  #isKept(snapshot: number, root: string): boolean {
    const row: SnapshotRow | null = this.#deps.snapshots.find(snapshot);
    return row?.state === "ready" && this.#deps.trees.get(root) !== undefined;
  }

  /** False when contents of it were removed meanwhile. */
  async #make(key: string, root: string): Promise<boolean> {
    const upload = new PartedUpload(this.#deps.bucket, key, MAX_MOUNT_BYTES);
    const gzip = new CompressionStream("gzip");
    const send = async () => {
      for await (const piece of gzip.readable) await upload.add(piece);
      await upload.finish();
    };
    const sending = send();
    const writer = gzip.writable.getWriter();
    try {
      const isWhole = await Promise.race([this.#write(root, writer), sending.then(() => true)]);
      if (!isWhole) throw new ContentRemoved();
      await sending;
      return true;
    } catch (error) {
      await writer.abort(error).catch(() => undefined);
      await sending.catch(() => undefined);
      await upload.abort();
      if (error instanceof ContentRemoved) return false;
      throw error;
    }
  }

  async #write(root: string, writer: WritableStreamDefaultWriter<Uint8Array>): Promise<boolean> {
    const { trees, blobs, yielded } = this.#deps;
    let pieces: Uint8Array[] = [];
    let bytes = 0;
    const flush = async () => {
      await writer.write(Buffer.concat(pieces));
      pieces = [];
      bytes = 0;
      await yielded();
    };
    for (const file of trees.listing(root).files) {
      const { path, blob } = file;
      if (!this.#isMounted(file)) continue;
      const content = blob === null ? NOTHING : blobs.content(blob);
      if (content === null) return false;
      for (const piece of writeEntry({ path, kind: kindOf(file), content })) {
        pieces.push(piece);
        bytes += piece.byteLength;
      }
      if (bytes >= PIECE_BYTES) await flush();
    }
    pieces.push(ARCHIVE_END);
    await flush();
    await writer.close();
    return true;
  }

  #isMounted({ path, mode, blob }: ListedFile): boolean {
    if (mode === "submodule") return true;
    if (blob === null || !blob.is_held) return false;
    if (mode !== "symlink") return true;
    const content = this.#deps.blobs.content(blob);
    return content !== null && linkTarget(path, Buffer.from(content).toString()) !== null;
  }

  #folderOf(root: string, folder: string): string | null {
    let oid: string | null = root;
    for (const name of folder.split("/").filter((part) => part !== "")) {
      const entries: StoredEntry[] = oid === null ? [] : (this.#deps.trees.get(oid) ?? []);
      oid = entries.find((entry) => entry.mode === "tree" && entry.name === name)?.oid ?? null;
    }
    return oid;
  }
}

const NOTHING = new Uint8Array(0);

class ContentRemoved extends Error {}

/** A submodule's content is not the codebase's: its folder stands there empty, as in a checkout. */
function kindOf({ mode }: ListedFile): TreeEntry["kind"] {
  return mode === "submodule" ? "folder" : mode;
}
