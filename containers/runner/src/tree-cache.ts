/**
 * Trees of codebases on the runner's disk: each is fetched and unpacked once, and shared by all
 * attempts that mount it. Those used longest ago go when they take more than they may together.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, rename, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { AttemptFailed } from "../../../workers/executors/outcome.ts";
import type { MountedTree } from "../../../workers/executors/port.ts";
import {
  TreeArchiveError,
  type TreeEntry,
  TreeReader,
} from "../../../workers/executors/tree-archive.ts";
import { isWorkspacePath } from "../../../workers/executors/workspace-path.ts";
import { removeTree } from "./remove-tree.ts";
import { notWritten } from "./write-files.ts";

export const DEFAULT_TREE_CACHE_MIB = 4_096;
const MEBIBYTE = 1024 * 1024;
/** What a file takes on the disk beside its content. */
const FILE_OVERHEAD_BYTES = 4_096;
/** Files that are written at a time. */
const PARALLEL_WRITES = 32;
const TRIES = 3;
const RETRY_MS = 500;
/** Of a tree that is being unpacked. */
const UNFINISHED = ".unfinished";
const TREE = "tree";
const SIZE = "size";

export interface TreeCacheSettings {
  readonly folder: string;
  readonly maxBytes: number;
  /** Takes what goes wrong beside an attempt. */
  readonly warn: (message: string) => void;
}

/** A tree that stays where it is until it is released. Everything in it is read-only. */
export interface HeldTree {
  readonly path: string;
  release(): void;
}

export type OpenArchive = () => Promise<AsyncIterable<Uint8Array>>;

export class TreeCache {
  readonly #settings: TreeCacheSettings;
  /** How many attempts hold a tree. */
  readonly #holders = new Map<string, number>();
  readonly #unpacking = new Map<string, Promise<void>>();

  constructor(settings: TreeCacheSettings) {
    this.#settings = settings;
    mkdirSync(settings.folder, { recursive: true, mode: 0o700 });
  }

  /** Fetches the tree unless it is there. Throws AttemptFailed, and what `open` throws. */
  async hold({ key, files, bytes }: MountedTree, open: OpenArchive): Promise<HeldTree> {
    const id = createHash("sha256").update(key).digest("hex");
    const place = join(this.#settings.folder, id);
    let isHeld = true;
    this.#holders.set(id, (this.#holders.get(id) ?? 0) + 1);
    const release = () => {
      if (!isHeld) return;
      isHeld = false;
      const holders = (this.#holders.get(id) ?? 1) - 1;
      if (holders === 0) this.#holders.delete(id);
      else this.#holders.set(id, holders);
    };
    try {
      await this.#provide(place, bytes + files * FILE_OVERHEAD_BYTES, open);
    } catch (error) {
      release();
      throw error;
    }
    await this.#makeRoom().catch((error: unknown) => this.#settings.warn(`${error}`));
    return { path: join(place, TREE), release };
  }

  async #provide(place: string, size: number, open: OpenArchive): Promise<void> {
    for (;;) {
      const now = new Date();
      const isThere = await utimes(place, now, now).then(
        () => true,
        () => false,
      );
      if (isThere) return;
      const other = this.#unpacking.get(place);
      if (other === undefined) break;
      // What ends the other's attempt, such as its cancel, does not end this one.
      await other.catch(() => undefined);
    }
    const unpacking = this.#fetch(place, size, open).finally(() => this.#unpacking.delete(place));
    this.#unpacking.set(place, unpacking);
    await unpacking;
  }

  /** A transfer that breaks off is begun again. */
  async #fetch(place: string, size: number, open: OpenArchive): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const archive = await open();
      const draft = `${place}.${randomUUID()}${UNFINISHED}`;
      try {
        await mkdir(join(draft, TREE), { recursive: true });
        await unpack(archive, join(draft, TREE));
        await writeFile(join(draft, SIZE), String(size));
        await rename(draft, place);
        return;
      } catch (error) {
        await removeTree(draft).catch(() => undefined);
        if (error instanceof AttemptFailed || tries === TRIES) throw asFailure(error);
        await delay(RETRY_MS * tries);
      }
    }
  }

  /** Removes what has not been used for longest, and what an earlier life left half unpacked. */
  async #makeRoom(): Promise<void> {
    const { folder, maxBytes } = this.#settings;
    const found: { path: string; usedAt: number; bytes: number; isFree: boolean }[] = [];
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (name.endsWith(UNFINISHED)) {
        const place = join(folder, name.split(".", 1)[0] ?? "");
        if (!this.#unpacking.has(place)) await removeTree(path);
        continue;
      }
      const { mtimeMs } = await stat(path);
      const bytes = sizeOf(join(path, SIZE));
      found.push({ path, usedAt: mtimeMs, bytes, isFree: !this.#holders.has(name) });
    }
    let total = found.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, bytes, isFree } of found.sort((a, b) => a.usedAt - b.usedAt)) {
      if (total <= maxBytes) return;
      if (!isFree || this.#holders.has(path.slice(folder.length + 1))) continue;
      total -= bytes;
      // Under another name first, so that nobody takes what is half gone.
      const doomed = `${path}.${randomUUID()}${UNFINISHED}`;
      await rename(path, doomed);
      await removeTree(doomed);
    }
  }
}

function sizeOf(path: string): number {
  try {
    return Number(readFileSync(path, "utf8")) || 0;
  } catch {
    return 0;
  }
}

/** Links come last, so that nothing is written through one. */
async function unpack(archive: AsyncIterable<Uint8Array>, root: string): Promise<void> {
  const reader = new TreeReader();
  const links: { path: string; target: string }[] = [];
  const folders = new Set<string>([""]);
  let writes: Promise<void>[] = [];
  const gunzip = createGunzip();
  const source = Readable.from(archive);
  source.on("error", (error) => gunzip.destroy(error));
  for await (const piece of source.pipe(gunzip)) {
    for (const entry of reader.push(piece)) {
      if (!isWorkspacePath(entry.path)) throw new TreeArchiveError(`it holds "${entry.path}"`);
      const { path, kind, content } = entry;
      await makeFolders(root, kind === "folder" ? path : dirname(path), folders);
      if (kind === "symlink") links.push({ path, target: Buffer.from(content).toString() });
      else if (kind !== "folder") writes.push(write(root, entry));
      if (writes.length < PARALLEL_WRITES) continue;
      await Promise.all(writes);
      writes = [];
    }
  }
  await Promise.all(writes);
  reader.end();
  for (const { path, target } of links) await symlink(target, join(root, path));
  // Those below before those above: a folder that is read-only takes nothing more.
  for (const path of [...folders].sort().reverse()) await chmod(join(root, path), 0o555);
}

async function makeFolders(root: string, path: string, folders: Set<string>): Promise<void> {
  if (path === "." || folders.has(path)) return;
  await mkdir(join(root, path), { recursive: true });
  for (let at = path; at !== "." && !folders.has(at); at = dirname(at)) folders.add(at);
}

async function write(root: string, { path, kind, content }: TreeEntry): Promise<void> {
  const target = join(root, path);
  try {
    await writeFile(target, content);
    await chmod(target, kind === "executable" ? 0o555 : 0o444);
  } catch (error) {
    throw notWritten(path, error);
  }
}

function asFailure(error: unknown): unknown {
  if (error instanceof AttemptFailed) return error;
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "ENOSPC") {
    return new AttemptFailed(
      "error",
      "tree_not_unpacked",
      "The disk of the runner is full, so that the codebase cannot be unpacked there. Ask whoever runs it to make room, or to lower --tree-cache-mib.",
    );
  }
  const why = error instanceof Error ? error.message : String(error);
  return new AttemptFailed(
    "error",
    "tree_not_unpacked",
    `The codebase could not be brought to the runner: ${why}. Retry the task.`,
  );
}

/** The cache of a runner's state folder. */
export function treeCacheIn(
  stateFolder: string,
  warn: (message: string) => void,
  maxMib = DEFAULT_TREE_CACHE_MIB,
): TreeCache {
  return new TreeCache({ folder: join(stateFolder, "trees"), maxBytes: maxMib * MEBIBYTE, warn });
}
