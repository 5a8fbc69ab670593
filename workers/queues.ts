/** The consumers of the Worker's queues. */
import { backendFor } from "./backends.ts";
import { buryDispatch } from "./bury.ts";
import { indexWork } from "./codebase-index.ts";
import { jobSchema } from "./codebases/index/intake/jobs.ts";
import { wakeCouriers } from "./couriers.ts";
import type { Dispatch } from "./executors/detached.ts";
import { buryDispatches, consumeDispatches, MAX_DELIVERIES } from "./executors/dispatch.ts";
import { logWarning } from "./http/log.ts";
import { ownerOf } from "./runs/attempt-owner.ts";

const DISPATCH_QUEUE = "pipelzr-dispatch";
const DEAD_LETTER_QUEUE = "pipelzr-dead-letters";
const OUTBOX_QUEUE = "pipelzr-outbox";
const INDEXING_QUEUE = "pipelzr-indexing";
/** Before a job that failed is tried again; what it was for sends another after a while. */
const RETRY_SECONDS = 5;

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
  } else if (queue === INDEXING_QUEUE) {
    await performJobs(messages, env);
  } else if (queue === OUTBOX_QUEUE) {
    // However many say so, it is said once.
    await wakeCouriers(env);
  } else {
    // What returns without a word has acknowledged its messages.
    throw new Error(`The queue "${queue}" has no consumer here. Give it one in workers/queues.ts.`);
  }
}

/** Side by side: parsers run in isolates of their own. */
async function performJobs(messages: readonly Message<unknown>[], env: Env): Promise<void> {
  const work = indexWork(env);
  const jobs = messages.map(async (message) => {
    try {
      await work.perform(jobSchema.parse(message.body));
      message.ack();
    } catch (error) {
      logWarning("index_job_failed", error, { id: message.id });
      message.retry({ delaySeconds: RETRY_SECONDS });
    }
  });
  await Promise.all(jobs);
}
