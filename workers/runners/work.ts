/** What runners do over HTTP: exchange frames, read the files of their attempts, keep others. */
import type { AttemptName } from "../executors/runner/pool-files.ts";
import { ApiError } from "../http/errors.ts";
import { artifactMetadata } from "../runs/blobs.ts";
import { type RunnerCaller, revoked } from "./access.ts";
import { storeArtifact } from "./artifacts.ts";
import { askPool, type Pool, unavailable } from "./ask-pool.ts";
import type { Pools } from "./service.ts";

type Attempt = Pick<AttemptName, "attempt" | "epoch">;

export interface Upload {
  readonly path: string;
  readonly body: ReadableStream<Uint8Array> | null;
  readonly bytes: number;
  readonly sha256: string | undefined;
}

export class RunnerWork {
  readonly #pools: Pools;
  readonly #blobs: R2Bucket;

  constructor(pools: Pools, blobs: R2Bucket) {
    this.#pools = pools;
    this.#blobs = blobs;
  }

  /** Hands a WebSocket's request on to the runner's pool. */
  async connect(caller: RunnerCaller, request: Request): Promise<Response> {
    const response = await this.#ask(caller, async (pool) => pool.fetch(request));
    if (response.status === 101) return response;
    if (response.status === 403) throw revoked();
    throw unavailable(`The pool answered ${response.status}.`);
  }

  /**
   * Hands the body of an exchange on as it is; returns the JSON of the frames for the runner. Throws
   * `conflict` for an unknown session, `bad_request` and `unavailable`.
   */
  async exchange(caller: RunnerCaller, body: Uint8Array): Promise<string> {
    const answer = await this.#ask(caller, async (pool) => pool.exchange(caller.runner_id, body));
    if (answer.status === "frames") return answer.frames;
    if (answer.status === "invalid") {
      throw new ApiError(
        "bad_request",
        `The body is no exchange of frames: ${answer.message} Use a runner of the service's version.`,
      );
    }
    throw new ApiError(
      "conflict",
      "This session is not known any more. Begin another one, whose first frame is a hello.",
    );
  }

  async blob(caller: RunnerCaller, attempt: Attempt, key: string): Promise<R2ObjectBody> {
    const name = { ...attempt, runner_id: caller.runner_id };
    const permission = await this.#ask(caller, async (pool) => pool.mayRead(name, key));
    if (permission === "fenced") throw fenced();
    const object = permission === "allowed" ? await this.#blobs.get(key) : null;
    if (object !== null) return object;
    throw new ApiError(
      "not_found",
      permission === "allowed"
        ? "The file is no longer kept. Run the step that makes it again."
        : "The attempt has no file of this key. Ask for those that its assignment names.",
    );
  }

  /** Stores a file of an attempt, then tells its coordinator. */
  async keep(caller: RunnerCaller, attempt: Attempt, upload: Upload): Promise<void> {
    const name = { ...attempt, runner_id: caller.runner_id };
    const { path, body, bytes } = upload;
    const place = await this.#ask(caller, async (pool) => pool.placeArtifact(name, path, bytes));
    if (place.status === "fenced") throw fenced();
    if (place.status === "too_large") {
      throw new ApiError(
        "payload_too_large",
        `An attempt keeps at most ${place.limit} bytes, and this one has ${place.kept} already. Keep fewer or smaller files.`,
        { members: { max_bytes: place.limit } },
      );
    }
    const sha256 = await storeArtifact(this.#blobs, place.key, body, upload, artifactMetadata);
    const told = await this.#ask(caller, async (pool) =>
      pool.keepArtifact(name, { path, bytes, sha256 }),
    );
    if (told === "fenced") throw fenced();
  }

  #ask<T>({ pool }: RunnerCaller, call: (pool: Pool) => Promise<T>): Promise<T> {
    return askPool(this.#pools, pool, call);
  }
}

function fenced(): ApiError {
  return new ApiError(
    "conflict",
    "This attempt is not the runner's any more. Stop its work and report nothing of it.",
    { members: { fenced: true } },
  );
}
