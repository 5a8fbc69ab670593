/** From a request to its principal. Answers are kept for a few seconds, so that most requests ask nobody. */
import type { Config } from "../config.ts";
import type { AppContext } from "../http/context.ts";
import { ApiError } from "../http/errors.ts";
import { checkFailures, countFailure } from "../http/rate-limit.ts";
import { credentialRequired, readCredential, unauthenticated } from "./credentials.ts";
import { ExpiringCache } from "./expiring-cache.ts";
import { equalSecrets, sha256 } from "./hash.ts";
import { looksLikeJwt, verifyJwt } from "./jwt.ts";
import { checkKey, findKey, type KnownKey, looksLikeKey } from "./keys.ts";
import { type Principal, SCOPES } from "./principal.ts";
import { authenticationSettings, isConfigured, notConfigured } from "./settings.ts";

/** A revoked key and a key's changed rights take effect within this time. */
export const ACCEPTED_MS = 10_000;
/** A credential that was refused is refused again for this long without asking. */
export const REFUSED_MS = 2_000;
const CACHE_CAPACITY = 5_000;
/** Longer credentials, tokens above all, are kept by their hash, so that the cache stays small. */
const MAX_PLAIN_CHARS = 200;

type Answer =
  | { readonly accepted: KnownKey }
  /** The 401 to repeat. */
  | { readonly refused: ApiError };

/** Kept by configuration: another environment's answers are not this one's. */
const caches = new WeakMap<Config, ExpiringCache<Answer>>();

function cacheOf(config: Config): ExpiringCache<Answer> {
  const known = caches.get(config);
  if (known) return known;
  const cache = new ExpiringCache<Answer>(CACHE_CAPACITY);
  caches.set(config, cache);
  return cache;
}

/**
 * Throws `unauthenticated`, `rate_limited` (too many refused credentials from one address),
 * `misconfigured` (the deployment admits nobody) or `unavailable`.
 */
export async function authenticate(c: AppContext): Promise<Principal> {
  const config = c.get("config");
  const settings = authenticationSettings(config);
  if (!isConfigured(settings)) throw notConfigured(settings);
  try {
    const credential = readCredential(c.req.raw.headers);
    if (credential === null) throw credentialRequired();
    const principal = await identify(credential, c);
    c.set("caller", `${principal.kind}:${principal.id}`);
    return principal;
  } catch (error) {
    if (error instanceof ApiError && error.code === "unauthenticated") await countFailure(c);
    throw error;
  }
}

async function identify(credential: string, c: AppContext): Promise<Principal> {
  const cache = cacheOf(c.get("config"));
  // A short credential is its own key: hashing would cost more than all else here.
  const entry = credential.length <= MAX_PLAIN_CHARS ? credential : sha256(credential);
  const now = Date.now();
  const answer = cache.get(entry, now) ?? (await ask(credential, entry, c, cache, now));
  if ("refused" in answer) throw answer.refused;
  checkKey(answer.accepted, now);
  return answer.accepted.principal;
}

async function ask(
  credential: string,
  entry: string,
  c: AppContext,
  cache: ExpiringCache<Answer>,
  now: number,
): Promise<Answer> {
  const builtIn = findBuiltIn(credential, c.get("config"));
  if (builtIn !== null) {
    const answer: Answer = { accepted: { principal: builtIn, expires_at: null, revoked_at: null } };
    cache.set(entry, answer, now + ACCEPTED_MS);
    return answer;
  }
  await checkFailures(c);
  try {
    const accepted = await lookUp(credential, c);
    checkKey(accepted, now);
    const answer: Answer = { accepted };
    cache.set(entry, answer, now + ACCEPTED_MS);
    return answer;
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "unauthenticated") throw error;
    const answer: Answer = { refused: error };
    cache.set(entry, answer, now + REFUSED_MS);
    return answer;
  }
}

async function lookUp(credential: string, c: AppContext): Promise<KnownKey> {
  const config = c.get("config");
  if (looksLikeKey(credential)) {
    const key = await findKey(c.env.DB, sha256(credential)).catch((cause: unknown) => {
      throw new ApiError("unavailable", "API keys cannot be read now; retry shortly.", {
        headers: { "Retry-After": "1" },
        cause,
      });
    });
    if (key !== null) return key;
    throw unauthenticated(
      "This API key does not exist here; check that it was copied whole, and that the URL is of the service that made it.",
    );
  }
  if (looksLikeJwt(credential)) {
    const settings = authenticationSettings(config);
    if (settings.jwt.kind === "off") {
      const problem = settings.problems.find(({ variable }) => variable !== "PIPELZR_ADMIN_KEY");
      if (problem === undefined) {
        throw unauthenticated(
          "This service accepts no tokens, since SECRET_KEY is not set; use an API key.",
        );
      }
      throw new ApiError(
        "misconfigured",
        `Tokens cannot be verified: ${problem.variable} is refused.`,
        {
          issues: [{ path: problem.variable, message: problem.message }],
        },
      );
    }
    const { principal, expires_at } = await verifyJwt(credential, settings.jwt, config);
    return { principal, expires_at, revoked_at: null };
  }
  throw unauthenticated(
    "The credential is neither an API key of this service nor a JWT; check it, and that the URL is of the service that it is for.",
  );
}

/** The two keys that live in the configuration. */
function findBuiltIn(credential: string, config: Config): Principal | null {
  const { admin_key, dev_key } = authenticationSettings(config);
  const all = { scopes: new Set(SCOPES), projects: "*" } as const;
  if (admin_key !== null && equalSecrets(credential, admin_key)) {
    return { kind: "admin_key", id: "admin", name: "PIPELZR_ADMIN_KEY", ...all };
  }
  if (dev_key !== null && equalSecrets(credential, dev_key)) {
    return { kind: "dev_key", id: "dev", name: "PIPELZR_DEV_API_KEY", ...all };
  }
  return null;
}

/** Makes this isolate notice a revocation at once; the others notice within `ACCEPTED_MS`. */
export function forgetKey(config: Config, keyId: string): void {
  caches
    .get(config)
    ?.forget((answer) => "accepted" in answer && answer.accepted.principal.id === keyId);
}
