/** What a skill needs of whoever invokes it, beside the right to invoke skills at all. */
import type { TaskType } from "../executors/port.ts";
import type { Scope } from "../security/principal.ts";
import type { Implementation, Permissions } from "./content.ts";

/** The scopes that skills can need; a caller's own are handed down to what its skill invokes. */
export const GRANTS = [
  "skills:network",
  "skills:secrets",
  "skills:remote",
  "codebases:read",
  "agents:execute",
  "pipelines:execute",
] as const satisfies readonly Scope[];
export type Grant = (typeof GRANTS)[number];

/** Grants among scopes. */
export function grantsAmong(scopes: Iterable<string>): Grant[] {
  const held = new Set(scopes);
  return GRANTS.filter((grant) => held.has(grant));
}

/** What of a version decides it. */
export interface Needing {
  readonly implementation: {
    readonly type: Implementation["type"];
    /** Null and left out where there is no choice. */
    readonly executor?: TaskType | null;
  } | null;
  readonly permissions: Pick<Permissions, "network" | "secrets">;
  /** What it mounts; null for nothing. */
  readonly codebase: unknown;
}

/** Grants that an invocation needs, in the order of `GRANTS`. */
export function grantsNeeded({ implementation, permissions, codebase }: Needing): Grant[] {
  const needs: Record<Grant, boolean> = {
    "skills:network": permissions.network.length > 0 || implementation?.type === "http",
    "skills:secrets": permissions.secrets.length > 0,
    "skills:remote": (implementation?.executor ?? "local") !== "local",
    "codebases:read": codebase !== null,
    "agents:execute": implementation?.type === "prompt",
    "pipelines:execute": implementation?.type === "pipeline",
  };
  return GRANTS.filter((grant) => needs[grant]);
}

/** What each lets a skill do, in a sentence that begins with the skill. */
export const GRANT_PURPOSES: Readonly<Record<Grant, string>> = {
  "skills:network": "reaches network hosts",
  "skills:secrets": "uses secrets",
  "skills:remote": "runs outside of the Worker",
  "codebases:read": "mounts a codebase",
  "agents:execute": "asks a model",
  "pipelines:execute": "runs a pipeline",
};
