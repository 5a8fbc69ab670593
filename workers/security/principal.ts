/** Who is calling and what they may do. */

export const SCOPES = [
  "tasks:read",
  "tasks:write",
  "tasks:execute",
  "secrets:read",
  "secrets:write",
  "keys:admin",
  "metrics:read",
] as const;
export type Scope = (typeof SCOPES)[number];

/** The project that a caller of all projects means when it names none. */
export const DEFAULT_PROJECT = "default";

export interface Principal {
  readonly kind: "api_key" | "user" | "admin_key" | "dev_key";
  /** Stable id: the key's id, the JWT's `sub`, or the kind itself. */
  readonly id: string;
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly projects: "*" | ReadonlySet<string>;
}

export function maySee(principal: Principal, projectId: string): boolean {
  return principal.projects === "*" || principal.projects.has(projectId);
}
