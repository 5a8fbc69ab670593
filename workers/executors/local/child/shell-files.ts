/** The workspace of a shell run, in its virtual file system. */
import { isInTree, type TreeEntry } from "../../tree-archive.ts";
import type { ChildRequest } from "../frames.ts";
import type { FileSource } from "./artifacts.ts";
import type { DeviceFs } from "./devices.ts";

export const WORKSPACE = "/workspace";

export class ShellFiles implements FileSource {
  readonly #fs: DeviceFs;
  readonly #prefix: string;
  #tree: { readonly path: string } | null = null;

  constructor(fs: DeviceFs, directory: string) {
    this.#fs = fs;
    this.#prefix = `${directory}/`;
  }

  /** Mounts a tree, whose files are read when the script reads them. */
  async mount(folder: string, entries: readonly TreeEntry[]): Promise<void> {
    const root = `${WORKSPACE}/${folder}`;
    this.#fs.mkdirSync(root, { recursive: true });
    for (const { path, kind, content } of entries) {
      const place = `${root}/${path}`;
      if (kind === "folder") this.#fs.mkdirSync(place, { recursive: true });
      else if (kind !== "symlink") {
        const mode = kind === "executable" ? 0o555 : 0o444;
        this.#fs.writeFileLazy(place, () => content.slice(), { mode });
      }
    }
    for (const { path, kind, content } of entries) {
      if (kind !== "symlink") continue;
      const place = `${root}/${path}`;
      this.#fs.mkdirSync(place.slice(0, place.lastIndexOf("/")), { recursive: true });
      await this.#fs.symlink(Buffer.from(content).toString(), place);
    }
    this.#tree = { path: root };
    this.#fs.protect(root);
  }

  load(files: ChildRequest["files"]): void {
    for (const [path, { content, encoding, mode }] of Object.entries(files)) {
      const data = encoding === "base64" ? Buffer.from(content, "base64") : content;
      const metadata = mode === undefined ? undefined : { mode: Number.parseInt(mode, 8) };
      this.#fs.writeFileSync(`${WORKSPACE}/${path}`, data, undefined, metadata);
    }
  }

  async paths(): Promise<string[]> {
    const files: string[] = [];
    for (const path of this.#fs.getAllPaths()) {
      if (!path.startsWith(this.#prefix) || isInTree(path, this.#tree)) continue;
      if (await this.#isFile(path)) {
        files.push(path.slice(this.#prefix.length));
      }
    }
    return files;
  }

  read(path: string): Promise<Uint8Array> {
    return this.#fs.readFileBuffer(this.#prefix + path);
  }

  /** False for a link that leads nowhere, too. */
  async #isFile(path: string): Promise<boolean> {
    try {
      return (await this.#fs.stat(path)).isFile;
    } catch {
      return false;
    }
  }
}
