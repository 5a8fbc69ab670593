/** Which object carries a dispatch out, and how the backends that claim dispatches are named. */
import type { AttemptBackend, Dispatch } from "./executors/detached.ts";
import { createRemoteBackend, SANDBOX_BACKEND } from "./executors/e2b/backend.ts";
import { chooseRunnerPool, poolOfBackend } from "./executors/runner/pools.ts";

/** The backend that claimed under a name. */
export function backendNamed(env: Env, name: string): AttemptBackend {
  if (name === SANDBOX_BACKEND) return createRemoteBackend(env.REMOTE_ATTEMPT);
  const pool = poolOfBackend(name);
  if (pool !== null) return env.RUNNER_POOL.getByName(pool);
  throw new Error(`no backend is called "${name}"`);
}

/** The backend that is to have a dispatch, or has it. */
export async function backendFor(env: Env, dispatch: Dispatch): Promise<AttemptBackend> {
  if (dispatch.claimed_by !== null) return backendNamed(env, dispatch.claimed_by);
  if (dispatch.task_type === "e2b") return backendNamed(env, SANDBOX_BACKEND);
  return chooseRunnerPool(env, dispatch);
}
