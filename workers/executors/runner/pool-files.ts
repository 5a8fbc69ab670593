/** Which files a runner may read and write for its attempts. */
import { refOf } from "../detached.ts";
import { MAX_ARTIFACT_BYTES } from "../port.ts";
import type { PoolStore } from "./pool-store.ts";
import { isActive, type PoolAttempt, type PoolOwner } from "./pool-types.ts";

/** An attempt as its runner names it. */
export interface AttemptName {
  readonly runner_id: string;
  readonly attempt: string;
  readonly epoch: number;
}

export interface KeptFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export type ArtifactPlace =
  | { readonly status: "fenced" }
  /** The attempt would keep more than it may. */
  | { readonly status: "too_large"; readonly limit: number; readonly kept: number }
  | { readonly status: "wanted"; readonly key: string };

export interface PoolFilesDeps {
  readonly store: PoolStore;
  owner(row: PoolAttempt): PoolOwner;
  fenced(row: PoolAttempt): void;
}

export class PoolFiles {
  readonly #deps: PoolFilesDeps;

  constructor(deps: PoolFilesDeps) {
    this.#deps = deps;
  }

  /** Whether the blob is one of those that the attempt's files are made of. */
  mayRead(name: AttemptName, key: string): "allowed" | "fenced" | "foreign" {
    const row = this.#mine(name);
    if (row === null) return "fenced";
    return row.blob_keys.includes(key) ? "allowed" : "foreign";
  }

  /** Where a file of so many bytes is to be stored. */
  async place(name: AttemptName, path: string, bytes: number): Promise<ArtifactPlace> {
    const { store } = this.#deps;
    const row = this.#mine(name);
    if (row === null) return { status: "fenced" };
    const kept = store.keptBytes(row.attempt, path);
    if (kept + bytes > MAX_ARTIFACT_BYTES) {
      return { status: "too_large", limit: MAX_ARTIFACT_BYTES, kept };
    }
    // Counted before it is stored: several may be on their way at once.
    store.keep(row.attempt, path, bytes);
    const place = await this.#deps.owner(row).artifactPlace(refOf(row), path);
    if (place.status === "wanted") return { status: "wanted", key: place.key };
    this.#deps.fenced(row);
    return { status: "fenced" };
  }

  /** Tells the owner of a file that lies where `place` said. */
  async kept(name: AttemptName, file: KeptFile): Promise<"accepted" | "fenced"> {
    const row = this.#mine(name);
    if (row === null) return "fenced";
    const answer = await this.#deps
      .owner(row)
      .reportAttempt(refOf(row), [{ type: "artifact", ...file }]);
    if (answer.status === "accepted") return "accepted";
    this.#deps.fenced(row);
    return "fenced";
  }

  #mine({ runner_id, attempt, epoch }: AttemptName): PoolAttempt | null {
    const row = this.#deps.store.find(attempt);
    const isMine = row?.runner_id === runner_id && row.epoch === epoch && isActive(row);
    return isMine ? row : null;
  }
}
