/** Cache volumes: directories that commands share and that outlive them. */
import { existsSync, mkdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { copyContents } from "./snapshots.ts";

export interface MountedCache {
  readonly path: string;
  /** The file to lock while it is in use, for one user at a time. */
  readonly lock: string | null;
  release(): void;
}

export class Caches {
  readonly directory: string;
  readonly #inUse = new Map<string, number>();

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  /** A volume's directory. PRIVATE finds one that no other command of this engine is using. */
  async open(
    volume: string,
    sharing: "SHARED" | "PRIVATE" | "LOCKED",
    source: string | null,
  ): Promise<MountedCache> {
    let path = join(this.directory, volume);
    for (let copy = 1; sharing === "PRIVATE" && this.#inUse.has(path); copy += 1) {
      path = join(this.directory, `${volume}.${copy}`);
    }
    this.#inUse.set(path, (this.#inUse.get(path) ?? 0) + 1);
    if (!existsSync(path)) {
      await mkdir(path, { recursive: true });
      if (source !== null) await copyContents(source, path);
    }
    return {
      path,
      lock: sharing === "LOCKED" ? `${path}.lock` : null,
      release: () => {
        const left = (this.#inUse.get(path) ?? 1) - 1;
        if (left === 0) this.#inUse.delete(path);
        else this.#inUse.set(path, left);
      },
    };
  }
}
