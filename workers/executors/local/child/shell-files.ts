/** The workspace of a shell run, in its virtual file system. */
import type { ChildRequest } from "../frames.ts";
import type { FileSource } from "./artifacts.ts";
import type { DeviceFs } from "./devices.ts";

export const WORKSPACE = "/workspace";

export class ShellFiles implements FileSource {
  readonly #fs: DeviceFs;
  readonly #prefix: string;

  constructor(fs: DeviceFs, directory: string) {
    this.#fs = fs;
    this.#prefix = `${directory}/`;
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
      if (path.startsWith(this.#prefix) && (await this.#isFile(path))) {
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
