/** Which pool of runners carries a dispatch out. */
import type { Dispatch } from "../detached.ts";

/** The pool that serves all projects. */
export const SHARED_POOL = "shared";

/** The pool of a project; null is the shared one. */
export function poolName(projectId: string | null): string {
  return projectId === null ? SHARED_POOL : `${OWN_PREFIX}${projectId}`;
}

const OWN_PREFIX = "project:";

/** Whether the pool is a project's own: the shared one serves what it has no runner for. */
export function isOwnPool(pool: string): boolean {
  return pool.startsWith(OWN_PREFIX);
}

/** The project whose own pool it is; empty for one of all projects. */
export function projectOfPool(pool: string): string {
  return isOwnPool(pool) ? pool.slice(OWN_PREFIX.length) : "";
}

const BACKEND_PREFIX = "runners/";

/** The name that a pool claims dispatches under. */
export function backendNameOf(pool: string): string {
  return `${BACKEND_PREFIX}${pool}`;
}

/** The pool that claimed under a name; null for another backend's. */
export function poolOfBackend(name: string): string | null {
  return name.startsWith(BACKEND_PREFIX) ? name.slice(BACKEND_PREFIX.length) : null;
}

/** The pools that may hold dispatches of a project, the one to ask first in front. */
export function poolsFor(projectId: string): readonly [own: string, shared: string] {
  return [poolName(projectId), SHARED_POOL];
}

/**
 * The pool for a dispatch: the project's own when it has a runner that is meant for the type,
 * connected or not, else the shared one.
 */
export async function chooseRunnerPool(
  env: Pick<Env, "RUNNER_POOL">,
  dispatch: Pick<Dispatch, "project_id" | "task_type">,
) {
  const [own, shared] = poolsFor(dispatch.project_id);
  const pool = env.RUNNER_POOL.getByName(own);
  return (await pool.fits(dispatch.task_type)) ? pool : env.RUNNER_POOL.getByName(shared);
}
