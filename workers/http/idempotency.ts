/**
 * `Idempotency-Key` on every POST.
 *
 * One D1 statement claims the key, takes over a claim whose owner is gone, or finds the stored
 * response. A claim holds a seed from which the handler derives its resource's id, so that work
 * that is repeated after a crash is repeated on the same resource. What was refused (4xx) took no
 * effect and frees the key; what failed, streams, or is too large to store is run again with the
 * same seed by the next request. A duplicate of a request at work waits for its answer a while.
 */
import { z } from "zod";
import type { Config } from "../config.ts";
import { sha256 } from "../security/hash.ts";
import type { Principal } from "../security/principal.ts";
import type { AppContext } from "./context.ts";
import { ApiError } from "./errors.ts";
import { canonicalJson } from "./json.ts";
import { logWarning } from "./log.ts";
import { asApiError } from "./problem.ts";
import { newSeed } from "./seed.ts";

/** A claim that its owner has not renewed for this long is taken over. */
export const CLAIM_MS = 30_000;
const RENEW_MS = 10_000;
/** An owner that has not been heard of for this long has missed a renewal: it is likely dead. */
const SILENT_MS = RENEW_MS + 2_000;
/** The pauses between looks at a claim of another request, 2 s together. */
const PAUSES_MS = [50, 100, 150, 200, 300, 400, 400, 400];
/** How long a request waits for one of the same isolate that has the key. */
const OWNER_WAIT_MS = 2_000;
export const KEY_LIFETIME_MS = 24 * 3_600_000;
export const MAX_STORED_BODY_BYTES = 256 * 1024;
const KEY_PATTERN = /^[\x21-\x7e]{1,255}$/;
const REPLAYED_HEADERS = ["content-type", "location", "etag", "link", "preference-applied"];

export interface KeyedRequest {
  readonly principal: Principal;
  /** The body as it was sent, or the digest of one that is not read yet. */
  readonly body: unknown;
  /** Whether the response holds what must not be stored: a repeated request runs `work` again. */
  readonly sensitive: boolean;
}

/**
 * Runs `work` at most once for one key: the same request is answered with the first response.
 * Throws `idempotency_mismatch`, `idempotency_in_progress`, or `validation_failed` for a bad key.
 */
export async function withIdempotency(
  c: AppContext,
  { principal, body, sensitive }: KeyedRequest,
  work: (seed: string) => Promise<Response>,
): Promise<Response> {
  const key = c.req.header("idempotency-key");
  if (key === undefined) return work(newSeed());
  if (!KEY_PATTERN.test(key)) {
    const message = "Send 1 to 255 visible ASCII characters.";
    throw new ApiError("validation_failed", `The Idempotency-Key is not usable. ${message}`, {
      issues: [{ path: "headers.idempotency-key", message }],
    });
  }
  const { pathname, search } = new URL(c.req.url);
  const route = `${c.req.method} ${pathname}${search}`;
  const claim = await claimOrWait(c.env.DB, {
    principal_id: `${principal.kind}:${principal.id}`,
    key,
    route,
    fingerprint: fingerprint(c.get("config"), `${route}\n${canonicalJson(body)}`),
  });
  if (claim.kind === "replay") return claim.response;
  return runClaimed(c, claim, sensitive, work);
}

/**
 * Keyed by a master key, so that who reads the table cannot find a short secret by trying. The last
 * key of the list is the one that stays when a new one is put in front.
 */
function fingerprint(config: Config, text: string): string {
  const pepper = config.SECRETS_MASTER_KEYS.at(-1) ?? "";
  return sha256(`${pepper}\n${text}`);
}

interface ClaimRequest {
  readonly principal_id: string;
  readonly key: string;
  readonly route: string;
  readonly fingerprint: string;
}

interface Replay {
  readonly kind: "replay";
  readonly response: Response;
}

/** Another request has the claim, and was heard of last at `claimed_at`. */
interface Busy {
  readonly kind: "busy";
  readonly claimed_at: number;
}

export interface Claim {
  readonly kind: "claimed";
  readonly principal_id: string;
  readonly key: string;
  /** Names this claim: a claim that was taken over cannot write its response any more. */
  readonly claim_id: string;
  readonly seed: string;
  /** Whether an earlier owner may have done part of the work. */
  readonly taken_over: boolean;
}

const CLAIM_SQL = `
INSERT INTO idempotency_keys
  (principal_id, key, route, fingerprint, resource_id, claim_id, claimed_at, expires_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7)
ON CONFLICT (principal_id, key) DO UPDATE SET
  route = CASE WHEN expires_at <= ?6 THEN excluded.route ELSE route END,
  fingerprint = CASE WHEN expires_at <= ?6 THEN excluded.fingerprint ELSE fingerprint END,
  resource_id = CASE WHEN expires_at <= ?6 THEN excluded.resource_id ELSE resource_id END,
  status = CASE WHEN expires_at <= ?6 THEN NULL ELSE status END,
  headers = CASE WHEN expires_at <= ?6 THEN NULL ELSE headers END,
  body = CASE WHEN expires_at <= ?6 THEN NULL ELSE body END,
  claim_id = CASE WHEN expires_at <= ?6
    OR (status IS NULL AND claimed_at <= ?6 - ${CLAIM_MS} AND fingerprint = excluded.fingerprint)
    THEN excluded.claim_id ELSE claim_id END,
  claimed_at = CASE WHEN expires_at <= ?6
    OR (status IS NULL AND claimed_at <= ?6 - ${CLAIM_MS} AND fingerprint = excluded.fingerprint)
    THEN excluded.claimed_at ELSE claimed_at END,
  expires_at = CASE WHEN expires_at <= ?6 THEN excluded.expires_at ELSE expires_at END
RETURNING fingerprint, resource_id, claim_id, claimed_at, status, headers, body`;

const rowSchema = z.object({
  fingerprint: z.string(),
  resource_id: z.string(),
  claim_id: z.string().nullable(),
  claimed_at: z.number(),
  status: z.number().nullable(),
  headers: z.string().nullable(),
  body: z.string().nullable(),
});
const busySchema = rowSchema.pick({ claimed_at: true });
const headersSchema = z.record(z.string(), z.string());

/** Requests of this isolate that own a key, until what they came to is stored. */
const owners = new Map<string, Promise<void>>();
const ownerName = ({ principal_id, key }: Pick<ClaimRequest, "principal_id" | "key">) =>
  `${principal_id} ${key}`;

/** Claims the key, or waits until its owner has answered, failed or fallen silent for too long. */
async function claimOrWait(db: D1Database, request: ClaimRequest): Promise<Claim | Replay> {
  const owner = owners.get(ownerName(request));
  // However many ask at once, the database is asked about one of them.
  if (owner !== undefined) await Promise.race([owner, pauseOf(OWNER_WAIT_MS)]);
  let outcome = await claimKey(db, request);
  for (const pause of PAUSES_MS) {
    if (outcome.kind !== "busy") return outcome;
    await pauseOf(pause);
    outcome = (await stillBusy(db, request)) ?? (await claimKey(db, request));
  }
  if (outcome.kind === "busy") throw inProgress(outcome, Date.now());
  return outcome;
}

function pauseOf(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Looks at a claim without writing; null when it is worth claiming. */
async function stillBusy(
  db: D1Database,
  { principal_id, key }: ClaimRequest,
): Promise<Busy | null> {
  const found = await db
    .prepare(
      "SELECT claimed_at FROM idempotency_keys WHERE principal_id = ?1 AND key = ?2 AND status IS NULL AND claimed_at > ?3",
    )
    .bind(principal_id, key, Date.now() - CLAIM_MS)
    .first();
  return found === null ? null : { kind: "busy", ...busySchema.parse(found) };
}

/** An owner that is alive answers soon; one that fell silent is replaced when its claim runs out. */
function inProgress({ claimed_at }: Busy, now: number): ApiError {
  const left = Math.max(1, Math.ceil((claimed_at + CLAIM_MS - now) / 1000));
  const silent = now - claimed_at > SILENT_MS;
  const seconds = silent ? left : 1;
  const advice = silent
    ? `has fallen silent. A retry takes its place in at most ${left} seconds.`
    : `is still at work. Retry in 1 second; if it has died, a retry takes its place in at most ${left} seconds.`;
  return new ApiError(
    "idempotency_in_progress",
    `The first request with this Idempotency-Key ${advice}`,
    { headers: { "Retry-After": String(seconds) }, members: { retry_after: seconds } },
  );
}

async function claimKey(db: D1Database, request: ClaimRequest): Promise<Claim | Replay | Busy> {
  const { principal_id, key, route, fingerprint } = request;
  const now = Date.now();
  const mine = newSeed();
  const found = await db
    .prepare(CLAIM_SQL)
    .bind(principal_id, key, route, fingerprint, mine, now, now + KEY_LIFETIME_MS)
    .first();
  const row = rowSchema.parse(found);
  if (row.fingerprint !== fingerprint) {
    throw new ApiError(
      "idempotency_mismatch",
      "This Idempotency-Key was used for another request. Use a new key for a new request.",
    );
  }
  if (row.status !== null)
    return { kind: "replay", response: replay(row.status, row.headers, row.body) };
  if (row.claim_id !== mine) return { kind: "busy", claimed_at: row.claimed_at };
  return {
    kind: "claimed",
    principal_id,
    key,
    claim_id: mine,
    seed: row.resource_id,
    taken_over: row.resource_id !== mine,
  };
}

function replay(status: number, headers: string | null, body: string | null): Response {
  return new Response(body, {
    status,
    headers: {
      ...(headers === null ? {} : headersSchema.parse(JSON.parse(headers))),
      "Idempotent-Replayed": "true",
    },
  });
}

async function runClaimed(
  c: AppContext,
  claim: Claim,
  sensitive: boolean,
  work: (seed: string) => Promise<Response>,
): Promise<Response> {
  const renewal = setInterval(() => {
    c.executionCtx.waitUntil(settle(c, claim, { claimed_at: Date.now() }));
  }, RENEW_MS);
  const { promise: stored, resolve: release } = Promise.withResolvers<void>();
  const name = ownerName(claim);
  owners.set(name, stored);
  const store = (stores: Promise<void>) => {
    const done = stores.finally(() => {
      if (owners.get(name) === stored) owners.delete(name);
      release();
    });
    c.executionCtx.waitUntil(done);
  };
  try {
    const response = await work(claim.seed);
    store(sensitive ? settle(c, claim, { claimed_at: 0 }) : remember(c, claim, response));
    return response;
  } catch (error) {
    const status = asApiError(error)?.status ?? 500;
    // A refusal of work that an earlier owner may have begun keeps the seed for the next request.
    const tookNoEffect = status < 500 && !claim.taken_over;
    store(tookNoEffect ? forget(c, claim) : settle(c, claim, { claimed_at: 0 }));
    throw error;
  } finally {
    clearInterval(renewal);
  }
}

/** Stores the response, or leaves the key to be claimed again when it cannot be stored. */
async function remember(c: AppContext, claim: Claim, response: Response): Promise<void> {
  const stored = await storable(response);
  if (stored === null) return settle(c, claim, { claimed_at: 0 });
  await attempt(c, async () => {
    await c.env.DB.prepare(
      "UPDATE idempotency_keys SET status = ?4, headers = ?5, body = ?6 WHERE principal_id = ?1 AND key = ?2 AND claim_id = ?3",
    )
      .bind(
        claim.principal_id,
        claim.key,
        claim.claim_id,
        response.status,
        JSON.stringify(stored.headers),
        stored.body,
      )
      .run();
  });
}

async function storable(
  response: Response,
): Promise<{ headers: Record<string, string>; body: string | null } | null> {
  const type = response.headers.get("content-type") ?? "";
  if (response.status >= 400 || !(type === "" || type.startsWith("application/json"))) return null;
  const body = response.body === null ? null : await response.clone().text();
  if (body !== null && new TextEncoder().encode(body).byteLength > MAX_STORED_BODY_BYTES)
    return null;
  const headers: Record<string, string> = {};
  for (const name of REPLAYED_HEADERS) {
    const value = response.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  return { headers, body };
}

async function settle(c: AppContext, claim: Claim, to: { claimed_at: number }): Promise<void> {
  await attempt(c, async () => {
    await c.env.DB.prepare(
      "UPDATE idempotency_keys SET claimed_at = ?4 WHERE principal_id = ?1 AND key = ?2 AND claim_id = ?3",
    )
      .bind(claim.principal_id, claim.key, claim.claim_id, to.claimed_at)
      .run();
  });
}

async function forget(c: AppContext, claim: Claim): Promise<void> {
  await attempt(c, async () => {
    await c.env.DB.prepare(
      "DELETE FROM idempotency_keys WHERE principal_id = ?1 AND key = ?2 AND claim_id = ?3",
    )
      .bind(claim.principal_id, claim.key, claim.claim_id)
      .run();
  });
}

/** The reply is decided already: a write that fails only means that the key is taken over later. */
async function attempt(c: AppContext, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    logWarning("idempotency_not_stored", error, { request_id: c.get("requestId") });
  }
}
