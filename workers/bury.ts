/** Keeps dispatches that were given up as dead letters. */
import { uuidv7 } from "uuidv7";
import { DeadLetterRepository } from "./dead-letters/repository.ts";
import type { Dispatch } from "./executors/detached.ts";
import { kindOf } from "./run-coordinator.ts";

/** Keeps a dispatch of which there were so many tries; one that is kept already stays. */
export async function buryDispatch(
  env: Env,
  dispatch: Dispatch,
  reason: string,
  attempts: number,
): Promise<void> {
  const { project_id, resource_id, run, step, epoch, task_type, placement } = dispatch;
  await new DeadLetterRepository(env.DB).insert({
    id: uuidv7(),
    ...{ project_id, resource_id, run, step, epoch, task_type, reason },
    resource_kind: await kindOf(env, resource_id, placement),
    attempts,
    dead_at: Date.now(),
    redriven_at: null,
    redriven_by: null,
  });
}
