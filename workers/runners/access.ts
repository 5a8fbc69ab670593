/** From a signed request to the runner that signed it. */

import { REVOKED } from "../executors/runner/pool-types.ts";
import { poolName } from "../executors/runner/pools.ts";
import {
  clockSkew,
  importPublicKey,
  isInWindow,
  isSignedBy,
  nonceEnd,
  readSignature,
} from "../executors/runner/signature.ts";
import { ApiError } from "../http/errors.ts";
import { ExpiringCache } from "../security/expiring-cache.ts";
import { askPool } from "./ask-pool.ts";
import type { RunnerRepository } from "./repository.ts";
import type { Pools } from "./service.ts";

/** A key is read from D1 again after this long; a revocation is known to the pool at once. */
const KEY_MS = 10_000;
const MAX_KEYS = 1_000;

export interface RunnerCaller {
  readonly runner_id: string;
  readonly pool: string;
}

/** What the signature covers. */
export interface SignedRequest {
  readonly authorization: string | null;
  readonly method: string;
  /** The path with its query. */
  readonly target: string;
  /** Hex digest of the body, asked for when the rest is well; `-` when it is not covered. */
  readonly sha256: () => Promise<string>;
}

interface KnownRunner extends RunnerCaller {
  readonly key: CryptoKey;
}

export class RunnerAccess {
  readonly #repository: RunnerRepository;
  readonly #pools: Pools;
  readonly #known = new ExpiringCache<KnownRunner>(MAX_KEYS);

  constructor(repository: RunnerRepository, pools: Pools) {
    this.#repository = repository;
    this.#pools = pools;
  }

  /** Throws `unauthenticated`, `unavailable`, and `forbidden` for a runner that was revoked. */
  async identify(request: SignedRequest, now: number): Promise<RunnerCaller> {
    const signature = readSignature(request.authorization);
    if (signature === null) {
      throw refused(
        "This call needs a runner's signature: `Authorization: PIPELZR-Runner id=…,ts=…,nonce=…,sig=…`.",
      );
    }
    if (!isInWindow(signature, now)) {
      const skew = clockSkew(signature, now);
      throw refused(
        `The runner's clock is ${Math.abs(skew)} seconds ${skew > 0 ? "ahead" : "behind"}. Set it; the service's is at ${new Date(now).toISOString()}.`,
      );
    }
    const known = await this.#find(signature.runner_id, now);
    if (known === null) throw unknownSigner();
    const sha256 = await request.sha256();
    if (!(await isSignedBy(known.key, signature, { ...request, sha256 }))) throw unknownSigner();
    const admission = await askPool(this.#pools, known.pool, async (pool) =>
      pool.admit(known.runner_id, signature.nonce, nonceEnd(signature)),
    );
    if (admission === "revoked") throw revoked();
    if (admission === "replayed") {
      throw refused("This request was made before. Sign each with a nonce of its own.");
    }
    return { runner_id: known.runner_id, pool: known.pool };
  }

  async #find(runnerId: string, now: number): Promise<KnownRunner | null> {
    const cached = this.#known.get(runnerId, now);
    if (cached !== undefined) return cached;
    const row = await this.#repository.find("*", runnerId);
    if (row?.public_key == null) return null;
    if (row.revoked_at !== null) throw revoked();
    const known = {
      runner_id: row.id,
      pool: poolName(row.project_id),
      key: await importPublicKey(row.public_key),
    };
    this.#known.set(runnerId, known, now + KEY_MS);
    return known;
  }
}

function refused(detail: string): ApiError {
  return new ApiError("unauthenticated", detail, {
    headers: { "WWW-Authenticate": 'PIPELZR-Runner realm="pipelzr"' },
  });
}

/** One message for both: who asks learns not which ids exist. */
function unknownSigner(): ApiError {
  return refused(
    "No registered runner signed this as it was sent. Sign the path with its query, or register the runner anew.",
  );
}

export function revoked(): ApiError {
  return new ApiError("forbidden", REVOKED.message);
}
