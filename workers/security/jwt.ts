/** Verifies CommandCentral's JWTs and says who they are. */
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from "jose";
import { z } from "zod";
import type { Config } from "../config.ts";
import { ApiError } from "../http/errors.ts";
import { PROJECT_ID_PATTERN } from "../http/patterns.ts";
import { unauthenticated } from "./credentials.ts";
import type { Principal } from "./principal.ts";
import { scopesOf, seesAllProjects } from "./roles.ts";
import type { JwtSettings } from "./settings.ts";

const CLOCK_TOLERANCE_SECONDS = 5;
const JWKS_TIMEOUT_MS = 5_000;
/** A JWT has three base64url parts; the last one is empty only in an unsigned token. */
export function looksLikeJwt(credential: string): boolean {
  return /^[\w-]+\.[\w-]*\.[\w-]*$/.test(credential);
}

const projectList = z.array(z.string().regex(PROJECT_ID_PATTERN)).max(1000);
const claimsSchema = z.object({
  sub: z.string().min(1).max(256),
  exp: z.number(),
  email: z.string().max(320).optional(),
  roles: z.union([z.array(z.string()), z.string().transform((role) => [role])]).optional(),
  role: z.string().optional(),
  project_ids: projectList.optional(),
  projects: projectList.optional(),
});

export interface VerifiedToken {
  readonly principal: Principal;
  /** ms since 1970. */
  readonly expires_at: number;
}

/** Throws `unauthenticated` for a token that is not good, `unavailable` when the keys cannot be read. */
export async function verifyJwt(
  token: string,
  settings: Exclude<JwtSettings, { kind: "off" }>,
  config: Config,
): Promise<VerifiedToken> {
  const payload = await verifySignature(token, settings, config);
  const claims = claimsSchema.safeParse(payload);
  if (!claims.success) {
    const [issue] = claims.error.issues;
    throw unauthenticated(`The token's claim "${issue?.path.join(".")}" is not usable.`);
  }
  const { sub, email, exp } = claims.data;
  const roles = [...(claims.data.roles ?? []), ...(claims.data.role ? [claims.data.role] : [])];
  const claimed = claims.data.project_ids ?? claims.data.projects;
  const projects = projectsOf(roles, claimed, config);
  return {
    principal: {
      kind: "user",
      id: sub,
      name: email ?? sub,
      scopes: scopesOf(roles, settings.roles),
      projects,
      ...(claimed === undefined && projects !== "*" && { projects_from: "defaults" }),
    },
    expires_at: exp * 1000,
  };
}

async function verifySignature(
  token: string,
  settings: Exclude<JwtSettings, { kind: "off" }>,
  config: Config,
): Promise<JWTPayload> {
  const options = {
    algorithms: [config.JWT_ALGORITHM],
    requiredClaims: ["exp", "iat", "sub"],
    maxTokenAge: config.JWT_EXPIRATION_HOURS * 3600,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    ...(config.JWT_ISSUER === null ? {} : { issuer: config.JWT_ISSUER }),
    ...(config.JWT_AUDIENCE === null ? {} : { audience: config.JWT_AUDIENCE }),
  };
  try {
    if (settings.kind === "secret")
      return (await jwtVerify(token, settings.secret, options)).payload;
    return (await jwtVerify(token, keysAt(settings.url), options)).payload;
  } catch (cause) {
    throw refusal(cause);
  }
}

type RemoteKeys = ReturnType<typeof createRemoteJWKSet>;
const remoteKeys = new Map<string, RemoteKeys>();

function keysAt(url: URL): RemoteKeys {
  const known = remoteKeys.get(url.href);
  if (known) return known;
  const keys = createRemoteJWKSet(url, { timeoutDuration: JWKS_TIMEOUT_MS });
  remoteKeys.set(url.href, keys);
  return keys;
}

function refusal(cause: unknown): ApiError {
  if (cause instanceof errors.JWTExpired) {
    return cause.claim === "iat"
      ? unauthenticated("The token is older than this service accepts; sign in again.", cause)
      : unauthenticated("The token has expired; sign in again.", cause);
  }
  if (cause instanceof errors.JWTClaimValidationFailed) {
    return unauthenticated(
      `The token's claim "${cause.claim}" is missing or not accepted here.`,
      cause,
    );
  }
  if (cause instanceof errors.JOSEAlgNotAllowed) {
    return unauthenticated("The token is signed by an algorithm that is not accepted here.", cause);
  }
  // The generic code is what a key set that answers without 200 or JSON is reported with.
  const unreadable = !(cause instanceof errors.JOSEError) || cause.code === "ERR_JOSE_GENERIC";
  if (unreadable || cause instanceof errors.JWKSTimeout) {
    return new ApiError("unavailable", "The issuer's keys cannot be read now; retry shortly.", {
      headers: { "Retry-After": "5" },
      cause,
    });
  }
  return unauthenticated("The token's signature cannot be verified.", cause);
}

function projectsOf(
  roles: readonly string[],
  claimed: readonly string[] | undefined,
  config: Config,
): Principal["projects"] {
  if (seesAllProjects(roles)) return "*";
  if (claimed !== undefined) return new Set(claimed);
  return config.JWT_DEFAULT_PROJECTS.includes("*") ? "*" : new Set(config.JWT_DEFAULT_PROJECTS);
}
