/**
 * The queue `dispatch`: each message is handed to a backend, which claims it at its coordinator, and
 * that is all: no invocation spans a task. A message that is repeated or late changes nothing.
 */
import { logWarning } from "../http/log.ts";
import {
  type AttemptBackend,
  type Dispatch,
  type DispatchOwner,
  dispatchSchema,
} from "./detached.ts";

const FIRST_RETRY_SECONDS = 1;
const MAX_RETRY_SECONDS = 60;

function retryLater(message: Message<unknown>): void {
  const seconds = FIRST_RETRY_SECONDS * 2 ** (message.attempts - 1);
  message.retry({ delaySeconds: Math.min(seconds, MAX_RETRY_SECONDS) });
}

export interface DispatchPorts {
  owner(dispatch: Dispatch): DispatchOwner;
  /** The backend that is to have a dispatch, or has it. */
  backend(dispatch: Dispatch): Promise<AttemptBackend>;
  /** Sends a dispatch again, as if for the first time. */
  postpone(dispatch: Dispatch, seconds: number): Promise<void>;
}

/** Tries at a delivery: `max_retries` of the queue in wrangler.toml, and the first one. */
export const MAX_DELIVERIES = 9;

export interface BurialPorts extends Pick<DispatchPorts, "owner"> {
  /** Notes a dispatch that was given up; one that is noted already stays. */
  note(dispatch: Dispatch, reason: string): Promise<void>;
}

export async function consumeDispatches(
  messages: readonly Message<unknown>[],
  ports: DispatchPorts,
): Promise<void> {
  await Promise.all(messages.map((message) => consume(message, ports)));
}

async function consume(message: Message<unknown>, ports: DispatchPorts): Promise<void> {
  const parsed = dispatchSchema.safeParse(message.body);
  if (!parsed.success) {
    // Of a version to come, or gone: the coordinator sends it again when it hears nothing.
    logWarning("dispatch_not_read", parsed.error, {});
    message.ack();
    return;
  }
  try {
    await deliver(parsed.data, ports);
    message.ack();
  } catch (error) {
    logWarning("dispatch_failed", error, { resource_id: parsed.data.resource_id });
    retryLater(message);
  }
}

async function deliver(dispatch: Dispatch, ports: DispatchPorts): Promise<void> {
  const backend = await ports.backend(dispatch);
  const answer = await backend.offer(dispatch);
  switch (answer.status) {
    case "taken":
      return;
    case "full":
      return postpone(dispatch, answer.retry_after_seconds, ports);
    case "returned":
      return ports.owner(dispatch).attemptReturned(dispatch, dispatch.task_type, answer.by);
    case "unavailable":
      return ports.owner(dispatch).attemptUnavailable(dispatch, dispatch.task_type, answer.by);
  }
}

/**
 * A wait for room is no failed try, so that the message goes back as a new one. One that would come
 * after the coordinator has sent the dispatch again is dropped: each would go on beside the next.
 */
async function postpone(dispatch: Dispatch, seconds: number, ports: DispatchPorts): Promise<void> {
  if (Date.now() + seconds * 1000 < dispatch.expires_at) await ports.postpone(dispatch, seconds);
}

/** The queue behind it: what could not be delivered is noted and fails, and says so. */
export async function buryDispatches(
  messages: readonly Message<unknown>[],
  ports: BurialPorts,
): Promise<void> {
  await Promise.all(messages.map((message) => bury(message, ports)));
}

async function bury(message: Message<unknown>, ports: BurialPorts): Promise<void> {
  const parsed = dispatchSchema.safeParse(message.body);
  if (!parsed.success) {
    logWarning("dispatch_not_read", parsed.error, {});
    message.ack();
    return;
  }
  const dispatch = parsed.data;
  try {
    const reason = undeliverable(dispatch);
    await ports.note(dispatch, reason);
    await ports.owner(dispatch).attemptUndeliverable(dispatch, reason);
    message.ack();
  } catch (error) {
    logWarning("dispatch_not_buried", error, { resource_id: dispatch.resource_id });
    retryLater(message);
  }
}

function undeliverable({ task_type, resource_id }: Dispatch): string {
  return `The dispatch to the executor "${task_type}" failed each time it was tried. The service's log says why, under "dispatch_failed" for the resource ${resource_id}. Mend that, then retry, or POST /api/v1/dead-letters/redrive for all that failed by it.`;
}
