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

export interface DispatchPorts {
  owner(dispatch: Dispatch): DispatchOwner;
  /** The backend that is to have a dispatch, or has it. */
  backend(dispatch: Dispatch): Promise<AttemptBackend>;
  /** Sends a dispatch again, as if for the first time. */
  postpone(dispatch: Dispatch, seconds: number): Promise<void>;
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
    const seconds = FIRST_RETRY_SECONDS * 2 ** (message.attempts - 1);
    message.retry({ delaySeconds: Math.min(seconds, MAX_RETRY_SECONDS) });
  }
}

async function deliver(dispatch: Dispatch, ports: DispatchPorts): Promise<void> {
  const backend = await ports.backend(dispatch);
  const answer = await backend.offer(dispatch);
  switch (answer.status) {
    case "taken":
      return;
    case "full":
      // A wait for room is no failed try.
      return ports.postpone(dispatch, answer.retry_after_seconds);
    case "unavailable":
      return ports.owner(dispatch).attemptUnavailable(dispatch, dispatch.task_type, answer.by);
  }
}

/** The queue behind it: what could not be delivered fails, and says so. */
export async function buryDispatches(
  messages: readonly Message<unknown>[],
  ports: Pick<DispatchPorts, "owner">,
): Promise<void> {
  for (const message of messages) {
    const parsed = dispatchSchema.safeParse(message.body);
    if (parsed.success) {
      const { task_type: type } = parsed.data;
      const reason = `The dispatch to the executor "${type}" could not be delivered. Look at the service's logs and at GET /ready, then retry.`;
      await ports.owner(parsed.data).attemptUndeliverable(parsed.data, reason);
    }
    message.ack();
  }
}
