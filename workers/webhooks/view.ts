/** Renders webhooks for the wire. Pure. */
import type { CourierStatus } from "../delivery/object.ts";
import type { LoggedEntry } from "../delivery/tables.ts";
import { timestamp, timestampOrNull } from "../http/schemas.ts";
import type { WebhookRow } from "./repository.ts";
import type { WebhookDelivery, WebhookStatus, WebhookView } from "./schemas.ts";

export function toWebhook(row: WebhookRow, now: number): WebhookView {
  const { id, project_id, url, events, filter, description, enabled, disabled_reason } = row;
  const { revision, created_by, created_at, updated_at, previous_secret, previous_until } = row;
  const isSigning = previous_secret !== null && (previous_until ?? 0) > now;
  return {
    ...{ id, project_id, url, events, filter, description, enabled, disabled_reason },
    previous_secret_until: timestampOrNull(isSigning ? previous_until : null),
    ...{ revision, created_by },
    created_at: timestamp(created_at),
    updated_at: timestamp(updated_at),
  };
}

export function toStatus(row: WebhookRow, status: CourierStatus, now: number): WebhookStatus {
  const { pending, parked, oldest_at, delivered_at, error, error_at } = status;
  return {
    health: healthOf(row, status),
    ...{ pending, parked },
    lag_seconds: oldest_at === null ? 0 : Math.max(0, now - oldest_at) / 1000,
    last_delivered_at: timestampOrNull(delivered_at),
    last_error: error,
    last_error_at: timestampOrNull(error_at),
    next_try_at: timestampOrNull(status.failures > 0 ? status.next_try_at : null),
  };
}

function healthOf({ enabled }: WebhookRow, status: CourierStatus): WebhookStatus["health"] {
  if (!enabled || status.closed !== null) return "disabled";
  if (status.failures > 0) return "down";
  const failedLast = (status.error_at ?? 0) > (status.delivered_at ?? 0);
  const isBehind = status.parked > 0 || (status.oldest_at !== null && failedLast);
  return isBehind ? "delayed" : "ok";
}

export function toDelivery({ id, entity, at, ...entry }: LoggedEntry): WebhookDelivery {
  const { number, type, attempt, outcome, status_code, duration_ms, error } = entry;
  return {
    ...{ number, event_id: id, type, resource_id: entity, attempt, outcome },
    ...{ status_code, duration_ms, error, at: timestamp(at) },
  };
}
