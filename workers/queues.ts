/** The consumers of the Worker's queues. */
import { backendFor } from "./backends.ts";
import type { Dispatch } from "./executors/detached.ts";
import { buryDispatches, consumeDispatches } from "./executors/dispatch.ts";
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
    await buryDispatches(messages, { owner });
  } else {
    // What returns without a word has acknowledged its messages.
    throw new Error(`The queue "${queue}" has no consumer here. Give it one in workers/queues.ts.`);
  }
}
