/** What authentication the configuration admits. Nothing is admitted by default. */
import type { Config } from "../config.ts";
import { ApiError } from "../http/errors.ts";
import { parseRoleScopes, type RoleScopes } from "./roles.ts";

export const MIN_SECRET_CHARACTERS = 32;
const MIN_DISTINCT_CHARACTERS = 8;
const PLACEHOLDER = /change[-_ ]?(me|this|in)|placeholder|your[-_ ]|insecure|example|dummy/i;

export type JwtSettings =
  | { readonly kind: "secret"; readonly secret: Uint8Array; readonly roles: RoleScopes }
  | { readonly kind: "jwks"; readonly url: URL; readonly roles: RoleScopes }
  | { readonly kind: "off" };

export interface AuthenticationSettings {
  readonly admin_key: string | null;
  readonly dev_key: string | null;
  readonly jwt: JwtSettings;
  /** What is set and refused, by variable; what depends on it stays closed. */
  readonly problems: readonly { readonly variable: string; readonly message: string }[];
}

const derived = new WeakMap<Config, AuthenticationSettings>();

/** Derives the settings of a configuration once. */
export function authenticationSettings(config: Config): AuthenticationSettings {
  const known = derived.get(config);
  if (known) return known;
  const settings = derive(config);
  derived.set(config, settings);
  return settings;
}

/** Whether any credential could be accepted at all. */
export function isConfigured(settings: AuthenticationSettings): boolean {
  return settings.admin_key !== null || settings.dev_key !== null || settings.jwt.kind !== "off";
}

/** The 503 of a service that no credential opens. */
export function notConfigured(settings: AuthenticationSettings): ApiError {
  const issues =
    settings.problems.length > 0
      ? settings.problems.map(({ variable, message }) => ({ path: variable, message }))
      : [
          {
            path: "PIPELZR_ADMIN_KEY",
            message: `Set it to a random text of at least ${MIN_SECRET_CHARACTERS} characters, and create API keys with it.`,
          },
          {
            path: "SECRET_KEY",
            message: "Or set CommandCentral's SECRET_KEY (or JWT_JWKS_URL) to admit its users.",
          },
        ];
  return new ApiError(
    "misconfigured",
    "This deployment admits nobody: no usable PIPELZR_ADMIN_KEY, SECRET_KEY or JWT_JWKS_URL is set. Only /health and /ready are served until one is.",
    { issues },
  );
}

function derive(config: Config): AuthenticationSettings {
  const problems: { variable: string; message: string }[] = [];
  const adminWeakness = weakness(config.PIPELZR_ADMIN_KEY);
  if (adminWeakness !== null) {
    problems.push({ variable: "PIPELZR_ADMIN_KEY", message: adminWeakness });
  }
  return {
    admin_key: adminWeakness === null ? config.PIPELZR_ADMIN_KEY : null,
    dev_key: config.ENVIRONMENT === "local" ? config.PIPELZR_DEV_API_KEY : null,
    jwt: deriveJwt(config, problems),
    problems,
  };
}

function deriveJwt(config: Config, problems: { variable: string; message: string }[]): JwtSettings {
  const { roles, problem } = parseRoleScopes(config.JWT_ROLE_SCOPES);
  if (roles === null) {
    problems.push({ variable: "JWT_ROLE_SCOPES", message: problem });
    return { kind: "off" };
  }
  if (config.JWT_ALGORITHM === "HS256") {
    if (config.SECRET_KEY === null) return { kind: "off" };
    const message = weakness(config.SECRET_KEY);
    if (message === null) {
      return { kind: "secret", secret: new TextEncoder().encode(config.SECRET_KEY), roles };
    }
    problems.push({ variable: "SECRET_KEY", message });
    return { kind: "off" };
  }
  if (config.JWT_JWKS_URL === null) {
    if (config.JWT_ISSUER !== null || config.SECRET_KEY !== null) {
      problems.push({
        variable: "JWT_JWKS_URL",
        message: `JWT_ALGORITHM is ${config.JWT_ALGORITHM}, whose keys come from JWT_JWKS_URL; set it.`,
      });
    }
    return { kind: "off" };
  }
  const url = URL.parse(config.JWT_JWKS_URL);
  const secure =
    url?.protocol === "https:" || (url?.protocol === "http:" && config.ENVIRONMENT === "local");
  if (url !== null && secure) return { kind: "jwks", url, roles };
  problems.push({ variable: "JWT_JWKS_URL", message: "It must be an https:// URL." });
  return { kind: "off" };
}

/** Why a configured secret is refused; null when it is usable, or not set. */
function weakness(secret: string | null): string | null {
  if (secret === null) return null;
  if (secret.length < MIN_SECRET_CHARACTERS) {
    return `It is shorter than ${MIN_SECRET_CHARACTERS} characters; set a random one (openssl rand -base64 48).`;
  }
  if (PLACEHOLDER.test(secret) || new Set(secret).size < MIN_DISTINCT_CHARACTERS) {
    return "It is a placeholder; set a random one (openssl rand -base64 48).";
  }
  return null;
}
