/** Who is calling and what they may do. */
import { ApiError } from "../http/errors.ts";
import type { RequestTrace } from "../http/trace.ts";

export const SCOPES = [
  "tasks:read",
  "tasks:write",
  "tasks:execute",
  "pipelines:read",
  "pipelines:write",
  "pipelines:execute",
  "codebases:read",
  "codebases:write",
  "agents:read",
  "agents:write",
  "agents:execute",
  "skills:read",
  "skills:write",
  "skills:execute",
  // What skills that the caller invokes may use: hosts, secrets, executors other than `local`.
  "skills:network",
  "skills:secrets",
  "skills:remote",
  "secrets:read",
  "secrets:write",
  "runners:read",
  "runners:write",
  "dead_letters:read",
  "dead_letters:write",
  "integrations:read",
  "integrations:write",
  "webhooks:read",
  "webhooks:write",
  "keys:admin",
  "metrics:read",
  "audit:read",
] as const;
export type Scope = (typeof SCOPES)[number];

/** Whether what a scope opens leaves everything as it is. */
export function isReading(scope: Scope): boolean {
  return scope.endsWith(":read");
}

/** The project that a caller of all projects means when it names none. */
export const DEFAULT_PROJECT = "default";

const PRINCIPAL_KINDS = [
  "api_key",
  "user",
  "admin_key",
  "dev_key",
  "pipeline",
  "codebase",
] as const;

/**
 * `defaults` are the configured ones, before CommandCentral is asked and when it is not; `cache` is
 * what it said last; `unavailable` the defaults, since it could not be asked.
 */
export type ProjectsFrom = "defaults" | "commandcentral" | "cache" | "unavailable";

export interface Principal {
  /** A `pipeline` acts for who began its run, a `codebase` for who had it imported. */
  readonly kind: (typeof PRINCIPAL_KINDS)[number];
  /** Stable id: the key's id, the JWT's `sub`, or the kind itself. */
  readonly id: string;
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly projects: "*" | ReadonlySet<string>;
  /** How the projects of a user are known whose token names none; left out for everybody else. */
  readonly projects_from?: ProjectsFrom;
  /** Of the request that it calls by; left out where there is none. */
  readonly trace?: RequestTrace;
}

/** What a caller is called where it is written down what it did. */
export function callerOf({ kind, id }: Principal): string {
  return `${kind}:${id}`;
}

/** Who asks for a run, and by which request. */
export function askedBy(principal: Principal): {
  readonly triggered_by: string;
  readonly trace: RequestTrace | null;
} {
  return { triggered_by: callerOf(principal), trace: principal.trace ?? null };
}

/** A caller as it was written down. */
interface Absent {
  readonly by: string;
  readonly grants: readonly string[];
  readonly trace?: RequestTrace | null;
}

/**
 * Who acts for a caller that is gone by now: as it was written down, in one project, and with the
 * scopes that it left.
 */
export function principalOf({ by, grants, trace = null }: Absent, projectId: string): Principal {
  const at = by.indexOf(":");
  const kind = PRINCIPAL_KINDS.find((known) => known === by.slice(0, at)) ?? "user";
  const held = new Set(grants);
  return {
    ...{ kind, id: by.slice(at + 1), name: by },
    scopes: new Set(SCOPES.filter((scope) => held.has(scope))),
    projects: new Set([projectId]),
    ...(trace !== null && { trace }),
  };
}

export function maySee(principal: Principal, projectId: string): boolean {
  return principal.projects === "*" || principal.projects.has(projectId);
}

/** Throws `forbidden`, naming the scope that is missing. */
export function requireScope(principal: Principal, scope: Scope): void {
  if (principal.scopes.has(scope)) return;
  throw new ApiError(
    "forbidden",
    `This call needs the scope "${scope}", which ${principal.name} does not have. Use a key or user that has it.`,
    { members: { required_scope: scope } },
  );
}

/**
 * The project a new resource belongs to. A caller of one project need not name it, and one of all
 * projects means `default` then. Throws `validation_failed` (which one of several is meant, or a
 * project that is not the caller's).
 */
export function projectFor(principal: Principal, requested?: string | null): string {
  const { projects } = principal;
  if (requested !== undefined && requested !== null) {
    if (maySee(principal, requested)) return requested;
    throw projectError(
      principal,
      `The project "${requested}" is not one of this caller's; name one that is.`,
    );
  }
  if (projects === "*") return DEFAULT_PROJECT;
  const [only, ...others] = projects;
  if (only !== undefined && others.length === 0) return only;
  throw projectError(principal, "This caller has several projects or none; name the one you mean.");
}

/**
 * The projects that a list covers: `*` for all, else those of the caller, narrowed to `filter`.
 * A filter for a project that the caller cannot see leaves none, as if it were empty.
 */
export function visibleProjects(
  principal: Principal,
  filter?: string | null,
): "*" | readonly string[] {
  if (filter === undefined || filter === null) {
    return principal.projects === "*" ? "*" : [...principal.projects];
  }
  return maySee(principal, filter) ? [filter] : [];
}

function projectError(principal: Principal, message: string): ApiError {
  const projects = principal.projects === "*" ? [] : [...principal.projects].sort();
  return new ApiError("validation_failed", message, {
    issues: [{ path: "project_id", message }],
    members: { projects },
  });
}
