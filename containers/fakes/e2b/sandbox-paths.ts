/**
 * How paths of a sandbox map to this machine.
 *
 * A sandbox has a folder `<temporary folder>/pipelzr-e2b-…/<sandbox id>` that stands for `/`. In it,
 * `/home/user` is HOME of its user `user` and the default working directory, `/root` HOME of `root`;
 * /tmp, /var/tmp, /run, /mnt, /srv and whatever a client makes are its own. With namespaces, the
 * machine's /usr, /etc, /opt and /bin, /lib… are seen read-only in their places, commands run with
 * the folder as their root, and one absolute path means the same to a command and to the file API.
 * With folders, only the file API maps: a command sees HOME and its working directory inside the
 * folder, and every other absolute path as the machine's.
 *
 * Symbolic links are followed here and not by the kernel, for which an absolute target would be the
 * machine's.
 */
import { mkdir, readlink } from "node:fs/promises";
import { basename, dirname, join, posix } from "node:path";

export const HOMES: Readonly<Record<string, string>> = { user: "/home/user", root: "/root" };
export const DEFAULT_USER = "user";

const OWN_FOLDERS = ["home/user", "root", "tmp", "var/tmp", "run", "mnt", "srv"];
const MAX_LINKS = 255;

export class PathError extends Error {
  readonly kind: "bad" | "missing" | "loop" | "read_only";

  constructor(kind: PathError["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** A place in a sandbox, and where it is on this machine. */
export interface Location {
  readonly path: string;
  readonly host: string;
  /** Whether it lies in what the machine shares with its sandboxes. */
  readonly shared: boolean;
}

/** The absolute form of a path as a user of the sandbox writes it. */
export function expandPath(path: string, home: string): string {
  if (path.includes("\0")) throw new PathError("bad", "a path cannot hold a zero byte");
  if (path === "" || path === "~") return home;
  if (path.startsWith("~/")) return posix.join(home, path.slice(2));
  if (path.startsWith("~")) throw new PathError("bad", `'${path}' names another user's home`);
  return posix.resolve(home, path);
}

export async function makeOwnFolders(root: string): Promise<void> {
  for (const folder of OWN_FOLDERS) await mkdir(join(root, folder), { recursive: true });
}

const partsOf = (path: string) => path.split("/").filter((part) => part !== "" && part !== ".");

export class SandboxPaths {
  readonly #root: string;
  readonly #shared: ReadonlySet<string>;

  constructor(root: string, shared: ReadonlySet<string>) {
    this.#root = root;
    this.#shared = shared;
  }

  #at(parts: readonly string[]): Location {
    const path = `/${parts.join("/")}`;
    const shared = this.#shared.has(parts[0] ?? "");
    return { path, host: shared ? path : join(this.#root, path), shared };
  }

  /** Where an absolute path leads once every symbolic link on it is followed. */
  async follow(path: string): Promise<Location> {
    const pending = partsOf(path);
    let done: string[] = [];
    let links = 0;
    for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
      if (part === "..") {
        done.pop();
        continue;
      }
      // What is no link, or is not there, has no target.
      const target = await readlink(this.#at([...done, part]).host).catch(() => null);
      if (target === null) {
        done.push(part);
        continue;
      }
      links += 1;
      if (links > MAX_LINKS) throw new PathError("loop", `the symbolic links of '${path}' loop`);
      if (target.startsWith("/")) done = [];
      pending.unshift(...partsOf(target));
    }
    return this.#at(done);
  }

  /** As `follow`, but for the last part, which stands for itself when it is a link. */
  async find(path: string): Promise<Location> {
    const folder = await this.follow(dirname(path));
    const name = basename(path);
    return this.#at(name === "" ? [] : [...partsOf(folder.path), name]);
  }

  /** Throws where a sandbox cannot write. */
  static assertWritable({ path, shared }: Location): void {
    if (shared) throw new PathError("read_only", `'${path}' lies in a read-only file system`);
  }
}
