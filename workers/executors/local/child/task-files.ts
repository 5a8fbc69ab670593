/** `ctx.files`: the workspace of a JavaScript task, in memory. */
import { matcher } from "../../artifact-path.ts";
import { isInTree, linkTarget, type TreeEntry } from "../../tree-archive.ts";
import type { ChildRequest } from "../frames.ts";
import type { FileSource } from "./artifacts.ts";
import { readOnlyError } from "./read-only.ts";

/** Links that lead to one another, as far as a kernel follows them. */
const MAX_LINKS = 40;

/** A path below the workspace root, from one relative to the working directory. */
function resolvePath(directory: string, path: string): string {
  const parts: string[] = [];
  for (const part of `${path.startsWith("/") ? "" : directory}/${path}`.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) {
      throw new Error(`"${path}" is outside the workspace. Use a path inside it.`);
    }
  }
  if (parts.length === 0) throw new Error(`"${path}" is the workspace itself, not a file in it.`);
  return parts.join("/");
}

export class TaskFiles implements FileSource {
  readonly #directory: string;
  readonly #files: Map<string, string | Uint8Array>;
  /** What stands in the workspace and cannot be changed, by path: files, and where links lead to. */
  readonly #tree: { readonly path: string } | null;
  readonly #fixed = new Map<string, Uint8Array>();
  readonly #links = new Map<string, string>();

  constructor(
    request: Pick<ChildRequest, "files" | "working_directory" | "tree">,
    tree: readonly TreeEntry[] = [],
  ) {
    this.#directory = request.working_directory;
    this.#tree = request.tree === null ? null : { path: request.tree };
    for (const { path, kind, content } of tree) {
      const target =
        kind === "symlink" ? linkTarget(path, new TextDecoder().decode(content)) : null;
      if (target !== null) this.#links.set(this.#inTree(path), this.#inTree(target));
      else if (kind === "file" || kind === "executable") {
        this.#fixed.set(this.#inTree(path), content);
      }
    }
    this.#files = new Map(
      Object.entries(request.files).map(([path, { content, encoding }]) => [
        path,
        encoding === "base64" ? Buffer.from(content, "base64") : content,
      ]),
    );
  }

  /** The text of a file, decoded as UTF-8; throws when there is none. */
  text(path: string): string {
    const content = this.#get(path);
    return typeof content === "string" ? content : new TextDecoder().decode(content);
  }

  /** The bytes of a file; throws when there is none. */
  read(path: string): Uint8Array {
    const content = this.#get(path);
    return typeof content === "string" ? new TextEncoder().encode(content) : content;
  }

  write(path: string, data: string | ArrayBuffer | ArrayBufferView): void {
    const content =
      typeof data === "string"
        ? data
        : ArrayBuffer.isView(data)
          ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
          : new Uint8Array(data.slice(0));
    this.#files.set(this.#changeable(path), content);
  }

  exists(path: string): boolean {
    return this.#find(resolvePath(this.#directory, path)) !== undefined;
  }

  /** Removes a file; returns whether it was there. */
  remove(path: string): boolean {
    return this.#files.delete(this.#changeable(path));
  }

  /** Paths of all files below the working directory that the code may change, relative to it. */
  paths(): string[] {
    return this.#below(this.#files.keys());
  }

  /** The paths that a glob matches, sorted; all of them without one. */
  list(glob?: string): string[] {
    const links = [...this.#links.keys()].filter((path) => this.#find(path) !== undefined);
    const all = this.#below([...this.#files.keys(), ...this.#fixed.keys(), ...links]);
    return (glob === undefined ? all : all.filter(matcher([glob]))).sort();
  }

  #below(paths: Iterable<string>): string[] {
    const prefix = this.#directory === "" ? "" : `${this.#directory}/`;
    return [...paths]
      .filter((path) => path.startsWith(prefix))
      .map((path) => path.slice(prefix.length));
  }

  #inTree(path: string): string {
    const root = this.#tree?.path ?? "";
    return path === "" ? root : `${root}/${path}`;
  }

  #changeable(path: string): string {
    const resolved = resolvePath(this.#directory, path);
    if (!isInTree(resolved, this.#tree)) return resolved;
    const message = `"${path}" is of the codebase, which is read-only. Write it elsewhere.`;
    throw readOnlyError(message);
  }

  #find(path: string): string | Uint8Array | undefined {
    const content = this.#files.get(path);
    if (content !== undefined || !isInTree(path, this.#tree)) return content;
    let current = path;
    for (let followed = 0; followed <= MAX_LINKS; followed += 1) {
      const fixed = this.#fixed.get(current);
      // A copy, so that what the code does to the bytes does not change the file.
      if (fixed !== undefined) return fixed.slice();
      const next = this.#follow(current);
      if (next === null) return undefined;
      current = next;
    }
    return undefined;
  }

  /** The path with its first link followed; null when there is no link in it. */
  #follow(path: string): string | null {
    for (let end = path.indexOf("/"); ; end = path.indexOf("/", end + 1)) {
      const at = end < 0 ? path.length : end;
      const target = this.#links.get(path.slice(0, at));
      if (target !== undefined) return target + path.slice(at);
      if (end < 0) return null;
    }
  }

  #get(path: string): string | Uint8Array {
    const content = this.#find(resolvePath(this.#directory, path));
    if (content === undefined) {
      throw new Error(
        `No file "${path}" in the workspace. ctx.files.list() names those there are.`,
      );
    }
    return content;
  }
}
