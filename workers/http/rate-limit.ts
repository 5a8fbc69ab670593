/**
 * The rate limit in front of the service. The count is exact and lives in the Limits object; an
 * isolate leases it in blocks, so that most requests only decrement a number in memory. Blocks begin
 * small and double: what an isolate holds when it ends, or never uses, is lost to its caller.
 */
import type { Config } from "../config.ts";
import type { Principal } from "../security/principal.ts";
import type { AppContext, RateLimitState } from "./context.ts";
import { ApiError } from "./errors.ts";
import { logWarning } from "./log.ts";

/** The first block of a window and the largest, as shares of the limit. */
const FIRST_BLOCK_SHARE = 1 / 400;
const LARGEST_BLOCK_SHARE = 1 / 20;
const SHARDS = 32;
const MAX_KEYS = 10_000;

export interface TokenGrant {
  readonly granted: number;
  readonly remaining: number;
  readonly reset_at: number;
}

interface Bucket {
  tokens: number;
  /** All that this isolate was granted in this window. */
  leased: number;
  /** Tokens that nobody held when this isolate last asked. */
  remaining: number;
  reset_at: number;
}

/** The tokens that one isolate holds. */
export class TokenLeases {
  readonly #buckets = new Map<string, Bucket>();

  /** Uses a token: `admitted`, or `refused` until the window ends, or `empty`: ask for a block. */
  use(key: string, now: number): "admitted" | "refused" | "empty" {
    const bucket = this.#live(key, now);
    if (bucket === undefined) return "empty";
    if (bucket.tokens > 0) {
      bucket.tokens -= 1;
      return "admitted";
    }
    return bucket.remaining > 0 ? "empty" : "refused";
  }

  /** Adds a block that was granted. */
  add(key: string, grant: TokenGrant, now: number): void {
    const bucket = this.#live(key, now);
    if (bucket === undefined || bucket.reset_at !== grant.reset_at) {
      this.#buckets.delete(key);
      this.#makeRoom(now);
      const { granted: tokens, remaining, reset_at } = grant;
      this.#buckets.set(key, { tokens, leased: tokens, remaining, reset_at });
      return;
    }
    bucket.tokens += grant.granted;
    bucket.leased += grant.granted;
    bucket.remaining = grant.remaining;
  }

  /** How many tokens to ask for: as many as were granted before in this window, within bounds. */
  nextBlock(key: string, limit: number, now: number): number {
    const leased = this.#live(key, now)?.leased ?? 0;
    const block = Math.max(limit * FIRST_BLOCK_SHARE, leased);
    return Math.max(1, Math.floor(Math.min(block, limit * LARGEST_BLOCK_SHARE)));
  }

  /** What is left as far as this isolate knows. */
  state(key: string, limit: number, now: number): RateLimitState | undefined {
    const bucket = this.#live(key, now);
    if (bucket === undefined) return undefined;
    return { limit, remaining: bucket.tokens + bucket.remaining, reset_at: bucket.reset_at };
  }

  #live(key: string, now: number): Bucket | undefined {
    const bucket = this.#buckets.get(key);
    return bucket !== undefined && bucket.reset_at > now ? bucket : undefined;
  }

  #makeRoom(now: number): void {
    if (this.#buckets.size < MAX_KEYS) return;
    for (const [key, bucket] of this.#buckets) {
      if (bucket.reset_at <= now) this.#buckets.delete(key);
    }
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size >= MAX_KEYS && oldest !== undefined) this.#buckets.delete(oldest);
  }
}

const leases = new WeakMap<Config, TokenLeases>();

function leasesOf(config: Config): TokenLeases {
  const known = leases.get(config);
  if (known) return known;
  const fresh = new TokenLeases();
  leases.set(config, fresh);
  return fresh;
}

/** Counts a request of a known caller. Throws `rate_limited`. */
export async function takeRequest(
  c: AppContext,
  caller: Pick<Principal, "id"> & { readonly kind: string },
): Promise<void> {
  await take(c, `${caller.kind}:${caller.id}`);
}

/** Counts a refused credential against its sender's address. Throws `rate_limited`. */
export async function countFailure(c: AppContext): Promise<void> {
  await take(c, failureKey(c));
}

/** Throws `rate_limited` when the sender's address has used up its refusals, before asking anybody. */
export function checkFailures(c: AppContext): void {
  const key = failureKey(c);
  const config = c.get("config");
  const state = leasesOf(config).state(key, config.RATE_LIMIT_REQUESTS, Date.now());
  if (state?.remaining === 0) throw refusal(c, state);
}

async function take(c: AppContext, key: string): Promise<void> {
  const config = c.get("config");
  const held = leasesOf(config);
  const limit = config.RATE_LIMIT_REQUESTS;
  let outcome = held.use(key, Date.now());
  if (outcome === "empty") {
    const grant = await lease(c, key, held.nextBlock(key, limit, Date.now()));
    if (grant === null) return;
    const now = Date.now();
    held.add(key, grant, now);
    outcome = held.use(key, now);
  }
  const state = held.state(key, limit, Date.now());
  c.set("rateLimit", state);
  if (outcome !== "admitted" && state !== undefined) throw refusal(c, state);
}

/** Asks for a block. A Limits object that does not answer admits: it guards no secret. */
async function lease(c: AppContext, key: string, want: number): Promise<TokenGrant | null> {
  const { RATE_LIMIT_REQUESTS: limit, RATE_LIMIT_WINDOW: seconds } = c.get("config");
  try {
    return await c.env.LIMITS.getByName(`rate-${shardOf(key)}`).takeTokens(
      key,
      want,
      limit,
      seconds,
    );
  } catch (error) {
    logWarning("rate_limit_unavailable", error, { request_id: c.get("requestId") });
    return null;
  }
}

function refusal(c: AppContext, state: RateLimitState): ApiError {
  const seconds = Math.max(1, Math.ceil((state.reset_at - Date.now()) / 1000));
  c.set("rateLimit", { ...state, remaining: 0 });
  return new ApiError(
    "rate_limited",
    `More than ${state.limit} requests in ${c.get("config").RATE_LIMIT_WINDOW} seconds. Retry in ${seconds} seconds.`,
    { headers: { "Retry-After": String(seconds) }, members: { retry_after: seconds } },
  );
}

/** Addresses are only known on Cloudflare's network, which sets the header itself. */
function failureKey(c: AppContext): string {
  const address =
    c.get("config").ENVIRONMENT === "local"
      ? "local"
      : (c.req.header("cf-connecting-ip") ?? "unknown");
  return `address:${network(address)}`;
}

/** One host commands a whole IPv6 /64, so that is what counts as one sender. */
function network(address: string): string {
  return address.includes(":") ? address.split(":").slice(0, 4).join(":") : address;
}

function shardOf(key: string): number {
  let hash = 0;
  for (let index = 0; index < key.length; index += 1) {
    hash = (Math.imul(hash, 31) + key.charCodeAt(index)) | 0;
  }
  return Math.abs(hash) % SHARDS;
}
