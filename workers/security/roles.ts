/** What the roles of CommandCentral's users may do here. Pure. */
import { z } from "zod";
import { SCOPES, type Scope } from "./principal.ts";

/** Roles that see every project, whatever their scopes are. */
const ADMIN_ROLES: ReadonlySet<string> = new Set(["owner", "admin"]);
/**
 * What a plain user does not get: managing what opens the service or its neighbours, and reading
 * what everybody did. A runner is given the code and the secrets of its project, a webhook all that
 * happens in it.
 */
const WITHHELD_FROM_USERS: ReadonlySet<Scope> = new Set([
  "keys:admin",
  "secrets:write",
  "runners:write",
  "integrations:write",
  "webhooks:write",
  "audit:read",
]);
const OF_USERS = SCOPES.filter((scope) => !WITHHELD_FROM_USERS.has(scope));

export type RoleScopes = ReadonlyMap<string, ReadonlySet<Scope>>;

const DEFAULT_ROLE_SCOPES: RoleScopes = new Map([
  ["owner", new Set(SCOPES)],
  ["admin", new Set(SCOPES)],
  ["user", new Set(OF_USERS)],
  ["viewer", new Set(OF_USERS.filter((scope) => scope.endsWith(":read")))],
]);

export type ParsedRoles =
  | { readonly roles: RoleScopes; readonly problem: null }
  | { readonly roles: null; readonly problem: string };

const mappingSchema = z.record(z.string().min(1), z.array(z.string()));
const SHAPE = 'It must be JSON of scopes by role, as {"user": ["tasks:*", "skills:read"]}.';

/**
 * Reads `JWT_ROLE_SCOPES`. A role that it names has what it says, the others what they have without.
 * `problem` says what is wrong with it.
 */
export function parseRoleScopes(text: string | null): ParsedRoles {
  if (text === null) return { roles: DEFAULT_ROLE_SCOPES, problem: null };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { roles: null, problem: SHAPE };
  }
  const mapping = mappingSchema.safeParse(value);
  if (!mapping.success) return { roles: null, problem: SHAPE };
  const roles = new Map(DEFAULT_ROLE_SCOPES);
  const unknown: string[] = [];
  for (const [role, patterns] of Object.entries(mapping.data)) {
    unknown.push(...patterns.filter((pattern) => covered(pattern).length === 0));
    roles.set(role, new Set(patterns.flatMap(covered)));
  }
  if (unknown.length === 0) return { roles, problem: null };
  const names = [...new Set(unknown)].map((name) => `"${name}"`).join(", ");
  return {
    roles: null,
    problem: `No scope is called ${names}. There are: ${SCOPES.join(", ")}; * stands for any part.`,
  };
}

export function scopesOf(roles: readonly string[], mapping: RoleScopes): ReadonlySet<Scope> {
  return new Set(roles.flatMap((role) => [...(mapping.get(role) ?? [])]));
}

export function seesAllProjects(roles: readonly string[]): boolean {
  return roles.some((role) => ADMIN_ROLES.has(role));
}

/** The scopes that `tasks:*`, `*:read`, `*` or a scope's own name stands for. */
function covered(pattern: string): readonly Scope[] {
  if (pattern === "*") return SCOPES;
  const [resource, action, ...rest] = pattern.split(":");
  if (rest.length > 0) return [];
  return SCOPES.filter((scope) => {
    const [ofResource, ofAction] = scope.split(":");
    const isNamed = resource === "*" || resource === ofResource;
    return isNamed && (action === "*" || action === ofAction);
  });
}
