/** `ctx.files`: the workspace of a JavaScript task, in memory. */
import { matcher } from "../../artifact-path.ts";
import type { ChildRequest } from "../frames.ts";
import type { FileSource } from "./artifacts.ts";

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

  constructor(request: Pick<ChildRequest, "files" | "working_directory">) {
    this.#directory = request.working_directory;
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
    this.#files.set(resolvePath(this.#directory, path), content);
  }

  exists(path: string): boolean {
    return this.#files.has(resolvePath(this.#directory, path));
  }

  /** Removes a file; returns whether it was there. */
  remove(path: string): boolean {
    return this.#files.delete(resolvePath(this.#directory, path));
  }

  /** Paths of all files below the working directory, relative to it. */
  paths(): string[] {
    const prefix = this.#directory === "" ? "" : `${this.#directory}/`;
    return [...this.#files.keys()]
      .filter((path) => path.startsWith(prefix))
      .map((path) => path.slice(prefix.length));
  }

  /** The paths that a glob matches, sorted; all of them without one. */
  list(glob?: string): string[] {
    const all = this.paths();
    return (glob === undefined ? all : all.filter(matcher([glob]))).sort();
  }

  #get(path: string): string | Uint8Array {
    const content = this.#files.get(resolvePath(this.#directory, path));
    if (content === undefined) {
      throw new Error(
        `No file "${path}" in the workspace. ctx.files.list() names those there are.`,
      );
    }
    return content;
  }
}
