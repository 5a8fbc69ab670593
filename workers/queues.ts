/** The consumers of the Worker's queues. */
import { uuidv7 } from "uuidv7";
import { backendFor } from "./backends.ts";
import { DeadLetterRepository, type DeadLetterRow } from "./dead-letters/repository.ts";
import type { Dispatch } from "./executors/detached.ts";
import { buryDispatches, consumeDispatches, MAX_DELIVERIES } from "./executors/dispatch.ts";
import { kindPlaced } from "./run-coordinator.ts";
import { ownerOf } from "./runs/attempt-owner.ts";

const DISPATCH_QUEUE = "pipelzr-dispatch";
const DEAD_LETTER_QUEUE = "pipelzr-dead-letters";

export async function consume({ queue, messages }: MessageBatch<unknown>, env: Env): Promise<void> {
  const owner = ({ placement, resource_id }: Dispatch) =>
    ownerOf(env.RUN_COORDINATOR, placement, resource_id);
  if (queue === DISPATCH_QUEUE) {
    await consumeDispatches(messages, {
      owner,
      backend: (dispatch) => backendFor(env, dispatch),
      postpone: async (dispatch, seconds) => {
        await env.DISPATCH.send(dispatch, { contentType: "json", delaySeconds: seconds });
      },
    });
  } else if (queue === DEAD_LETTER_QUEUE) {
    const note = (dispatch: Dispatch, reason: string) =>
      buryDispatch(env, dispatch, reason, MAX_DELIVERIES);
    await buryDispatches(messages, { owner, note });
  } else {
    // What returns without a word has acknowledged its messages.
    throw new Error(`The queue "${queue}" has no consumer here. Give it one in workers/queues.ts.`);
  }
}

/** Keeps a dispatch that was given up, of which there were so many tries; once. */
export async function buryDispatch(
  env: Env,
  dispatch: Dispatch,
  reason: string,
  attempts: number,
): Promise<void> {
  const letter = deadLetterOf(dispatch, reason, attempts, Date.now());
  await new DeadLetterRepository(env.DB).insert(letter);
}

function deadLetterOf(
  dispatch: Dispatch,
  reason: string,
  attempts: number,
  now: number,
): DeadLetterRow {
  const { project_id, resource_id, run, step, epoch, task_type, placement } = dispatch;
  return {
    id: uuidv7(),
    ...{ project_id, resource_id, run, step, epoch, task_type, reason },
    resource_kind: kindPlaced(placement),
    attempts,
    dead_at: now,
    redriven_at: null,
    redriven_by: null,
  };
}
