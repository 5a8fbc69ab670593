/** Which object carries a dispatch out, and how the backends that claim dispatches are named. */
import type { AttemptBackend, Dispatch } from "./executors/detached.ts";

/** The backend that claimed under a name. */
export function backendNamed(_env: Env, name: string): AttemptBackend {
  throw new Error(`no backend is called "${name}"`);
}

/** The backend that is to have a dispatch, or has it. */
export async function backendFor(env: Env, dispatch: Dispatch): Promise<AttemptBackend> {
  const { claimed_by: claimed, task_type: type } = dispatch;
  return backendNamed(env, claimed ?? type);
}
