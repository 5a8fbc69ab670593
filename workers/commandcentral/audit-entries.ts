/** Entries of the audit log in the shape that CommandCentral gives its own. Pure. */
import { z } from "zod";
import type { OutboxEvent, OutboxMessage } from "../delivery/message.ts";
import type { Json } from "../http/json.ts";
import { timestamp } from "../http/schemas.ts";

const text = z.string().nullish().catch(null);

/** What is read of an entry; what it lacks is left open. */
const entrySchema = z.object({
  id: text,
  actor: z.object({ kind: text, id: text }).nullish().catch(null),
  actor_kind: text,
  actor_id: text,
  action: text,
  entity_type: text,
  entity_id: text,
  project_id: text,
  status: z.number().nullish().catch(null),
  outcome: text,
  error_code: text,
  request_id: text,
  correlation_id: text,
  from_state: text,
  to_state: text,
});
type Entry = z.output<typeof entrySchema>;

const SERVICE_ERROR = 500;
/** By the verb that the name of an operation begins with. */
const VERBS: readonly (readonly [RegExp, string])[] = [
  [/^(create|import|push|register)/, "entity_created"],
  [/^(update|patch|replace|set|rotate)/, "entity_updated"],
  [/^(delete|revoke)/, "entity_deleted"],
];
const SYSTEM_ACTORS: ReadonlySet<string> = new Set(["system", "anonymous"]);

/** The body that tells CommandCentral of an entry. */
export function toAuditEntry(
  event: OutboxEvent,
  { project_id, resource_id, trace }: Pick<OutboxMessage, "project_id" | "resource_id" | "trace">,
): Readonly<Record<string, Json>> {
  const entry = entrySchema.parse(event.data);
  const isSuccess = entry.outcome === "success";
  return {
    event_type: typeOf(entry),
    event_name: `${entry.entity_type ?? "service"}.${entry.action ?? "called"}`,
    entity_type: entry.entity_type ?? null,
    entity_id: entry.entity_id ?? null,
    ...actorOf(entry),
    from_state: entry.from_state ?? null,
    to_state: entry.to_state ?? null,
    transition_name: isTransition(entry) ? (entry.action ?? null) : null,
    success: isSuccess,
    failure_reason: isSuccess ? null : (entry.error_code ?? entry.outcome ?? null),
    project_id: entry.project_id ?? (project_id || null),
    correlation_id: entry.correlation_id ?? trace?.correlation_id ?? null,
    rationale: null,
    extra_data: {
      service: "pipelzr",
      log: resource_id,
      seq: event.seq,
      id: entry.id ?? null,
      status: entry.status ?? null,
      request_id: entry.request_id ?? null,
    },
    side_effects: [],
    timestamp: timestamp(event.at),
  };
}

function isTransition({ from_state: from, to_state: to }: Entry): boolean {
  return typeof from === "string" && typeof to === "string" && from !== to;
}

function typeOf(entry: Entry): string {
  const { action, outcome, status } = entry;
  if (outcome === "denied") return "permission_denied";
  if ((status ?? 0) >= SERVICE_ERROR) return "error";
  if (isTransition(entry))
    return outcome === "success" ? "transition_success" : "transition_denied";
  const verb = VERBS.find(([begins]) => begins.test(action ?? ""));
  return verb !== undefined && outcome === "success" ? verb[1] : "service_call";
}

function actorOf(entry: Entry): { readonly actor_type: string; readonly actor_id: string | null } {
  const kind = entry.actor?.kind ?? entry.actor_kind ?? "system";
  const actor_id = entry.actor?.id ?? entry.actor_id ?? null;
  if (kind === "user") return { actor_type: "user", actor_id };
  return { actor_type: SYSTEM_ACTORS.has(kind) ? "system" : "service", actor_id };
}
