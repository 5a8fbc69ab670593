/** What CommandCentral's state tracker is told of a resource: the states that it went through. Pure. */
import type { OutboxMessage } from "../delivery/message.ts";

/** By topic and type of event; null says that the resource is gone. */
const STATES: Readonly<Record<string, Readonly<Record<string, string | null>>>> = {
  task: {
    "resource.created": "pending",
    "run.queued": "queued",
    "run.started": "running",
    "run.paused": "paused",
    "run.resumed": "running",
    "run.completed": "completed",
    "run.failed": "failed",
    "run.cancelled": "cancelled",
    "resource.deleted": null,
  },
  pipeline: {
    "resource.created": "draft",
    "run.queued": "queued",
    "run.started": "running",
    "run.paused": "paused",
    "run.resumed": "running",
    "run.completed": "completed",
    "run.failed": "failed",
    "run.cancelled": "cancelled",
    "resource.deleted": null,
  },
  agent: {
    "session.created": "idle",
    "session.ready": "waiting",
    "session.failed": "error",
    "session.paused": "paused",
    "turn.started": "running",
    "turn.ended": "waiting",
    "session.terminated": "terminated",
  },
};

export function isTracked({ topic, events }: Pick<OutboxMessage, "topic" | "events">): boolean {
  return events.some(({ type }) => stateOf(topic, type) !== undefined);
}

/** Undefined for what changes no state. */
function stateOf(topic: string, type: string): string | null | undefined {
  const states = Object.hasOwn(STATES, topic) ? STATES[topic] : undefined;
  return states !== undefined && Object.hasOwn(states, type) ? states[type] : undefined;
}

/** States in their order, those that follow themselves once; null where it is gone. */
export function statesIn({
  topic,
  events,
}: Pick<OutboxMessage, "topic" | "events">): readonly (string | null)[] {
  const states: (string | null)[] = [];
  for (const { type } of events) {
    const state = stateOf(topic, type);
    if (state !== undefined && state !== states.at(-1)) states.push(state);
  }
  return states;
}
