/** What webhooks are told: the public names of events, who wants which, and what is sent. Pure. */
import type { OutboxEvent, OutboxMessage } from "../delivery/message.ts";
import type { Json } from "../http/json.ts";
import { nearestName } from "../http/suggest.ts";

/** What the runs of every kind that has some come to. */
const RUN_EVENTS = {
  "resource.created": "created",
  "resource.updated": "updated",
  "resource.deleted": "deleted",
  "run.queued": "queued",
  "run.started": "started",
  "run.paused": "paused",
  "run.resumed": "resumed",
  "run.completed": "completed",
  "run.failed": "failed",
  "run.cancelled": "cancelled",
} as const;

/** By topic of the outbox, and by type of its events: what comes after the dot of the public name. */
const PUBLIC_NAMES = {
  task: RUN_EVENTS,
  pipeline: {
    ...RUN_EVENTS,
    "gate.opened": "gate_opened",
    "gate.approved": "gate_approved",
    "gate.refused": "gate_refused",
  },
  invocation: RUN_EVENTS,
  agent: {
    "session.created": "created",
    "session.ready": "ready",
    "session.failed": "failed",
    "session.paused": "paused",
    "session.resumed": "resumed",
    "session.terminated": "terminated",
    "turn.started": "turn_started",
    "turn.ended": "turn_ended",
    "tool.approval_requested": "approval_requested",
    "budget.reached": "budget_reached",
  },
  audit: { "audit.recorded": "recorded" },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

export const WEBHOOK_KINDS = ["task", "pipeline", "invocation", "agent", "audit"] as const;
export type WebhookKind = (typeof WEBHOOK_KINDS)[number];

const NAMES: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map(
  WEBHOOK_KINDS.map((kind) => [
    kind,
    new Map(Object.entries(PUBLIC_NAMES[kind]).map(([type, name]) => [type, `${kind}.${name}`])),
  ]),
);

/** Every type that can be subscribed to. */
export const EVENT_TYPES: readonly string[] = [...NAMES.values()].flatMap((names) => [
  ...names.values(),
]);

/** Is sent when somebody asks for it, whatever is subscribed to. */
export const TEST_EVENT = "webhook.test";

export const MAX_PATTERN_CHARS = 100;

export interface WebhookFilter {
  /** Null for all. */
  readonly kinds: readonly WebhookKind[] | null;
  readonly resource_ids: readonly string[] | null;
}

/** What decides which events a webhook is sent. */
export interface Subscription {
  readonly project_id: string;
  readonly events: readonly string[];
  readonly filter: WebhookFilter;
}

/** Its public name; null for what webhooks are not told of. */
export function publicType(topic: string, type: string): string | null {
  return NAMES.get(topic)?.get(type) ?? null;
}

/** `*` stands for any part of a name, dots included. */
export function matchesPattern(pattern: string, type: string): boolean {
  const pieces = pattern.split("*");
  const [first = "", ...rest] = pieces;
  if (rest.length === 0) return pattern === type;
  const last = rest.pop() ?? "";
  if (!type.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = type.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return type.length - at >= last.length && type.endsWith(last);
}

/** Entries of the audit log, of which most calls make one, are sent to who names them. */
function covers(pattern: string, type: string): boolean {
  const isNamed = !type.startsWith("audit.") || !pattern.startsWith("*");
  return isNamed && matchesPattern(pattern, type);
}

/** What is wrong with a pattern, and what was meant perhaps; null for one that covers something. */
export function problemOf(pattern: string): string | null {
  if (EVENT_TYPES.some((type) => covers(pattern, type))) return null;
  const nearest = nearestName(pattern, EVENT_TYPES) ?? sameEnd(pattern);
  if (nearest !== null) return `No event is called "${pattern}". Did you mean "${nearest}"?`;
  return `No event is called "${pattern}". There are: ${EVENT_TYPES.join(", ")}; * stands for any part.`;
}

/** `run.completed` is asked for by those who think of runs, whichever resource they are of. */
function sameEnd(pattern: string): string | null {
  const end = pattern.slice(pattern.lastIndexOf("."));
  const isKnown = end.length > 1 && EVENT_TYPES.some((type) => covers(`*${end}`, type));
  return isKnown ? `*${end}` : null;
}

export interface WebhookEvent {
  /** The same whenever and to whomever the event is sent. */
  readonly id: string;
  readonly type: string;
  /** The JSON that is signed and sent. */
  readonly body: string;
}

/** The events of a message that a subscription wants, in their order. */
export function eventsFor(
  subscription: Subscription,
  message: OutboxMessage,
): readonly WebhookEvent[] {
  return wantedOf(subscription, message).map(({ type, event }) => describe(type, message, event));
}

export function wants(subscription: Subscription, message: OutboxMessage): boolean {
  return wantedOf(subscription, message).length > 0;
}

function wantedOf({ project_id, events, filter }: Subscription, message: OutboxMessage) {
  if (message.project_id !== project_id) return [];
  const { kinds, resource_ids } = filter;
  if (kinds !== null && !kinds.some((kind) => kind === message.topic)) return [];
  if (resource_ids !== null && !resource_ids.includes(message.resource_id)) return [];
  return message.events.flatMap((event) => {
    const type = publicType(message.topic, event.type);
    if (type === null || !events.some((pattern) => covers(pattern, type))) return [];
    return [{ type, event }];
  });
}

function describe(type: string, message: OutboxMessage, event: OutboxEvent): WebhookEvent {
  const { resource_id, project_id, topic } = message;
  const own: Readonly<Record<string, Json>> = {
    // An entry of the audit log is a thing of its own, of which the log is not the name.
    id: topic === "audit" ? (event.data.id ?? resource_id) : resource_id,
    kind: topic,
    project_id,
    run: event.run === 0 ? null : event.run,
    seq: event.seq,
  };
  // What the event has comes after, and takes the place of nothing.
  const data = { ...own, ...event.data, ...own };
  const timestamp = new Date(event.at).toISOString();
  // A dot would be taken for the end of the id in what is signed.
  const id = `evt_${resource_id}_${event.seq}`.replaceAll(/[^\w-]/g, "_");
  return { id, type, body: JSON.stringify({ type, timestamp, data }) };
}

/** The event of a test; `id` is its own. */
export function testEvent(webhookId: string, projectId: string, id: string, now: number) {
  const data = { id: webhookId, kind: "webhook", project_id: projectId, run: null, seq: 0 };
  const timestamp = new Date(now).toISOString();
  const body = JSON.stringify({ type: TEST_EVENT, timestamp, data });
  return { id: `evt_${id}`, type: TEST_EVENT, body };
}
