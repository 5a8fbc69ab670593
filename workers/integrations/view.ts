/** Renders integrations for the wire. */
import type { CourierStatus } from "../delivery/object.ts";
import type { ParkedRow } from "../delivery/tables.ts";
import { timestamp, timestampOrNull } from "../http/schemas.ts";
import type { IntegrationView } from "./schemas.ts";
import type { Integration } from "./service.ts";

export function toIntegration(
  { name, enabled, url, status }: Integration,
  now: number,
): IntegrationView {
  const oldest = status?.oldest_at ?? null;
  return {
    name,
    enabled,
    url,
    health: healthOf(status),
    lag_seconds: oldest === null ? 0 : Math.max(0, now - oldest) / 1000,
    pending: status?.pending ?? 0,
    parked: status?.parked ?? 0,
    delivered: status?.delivered ?? 0,
    last_delivered_at: timestampOrNull(status?.delivered_at ?? null),
    last_error: status?.error ?? null,
    last_error_at: timestampOrNull(status?.error_at ?? null),
    next_try_at: timestampOrNull(status?.failures ? status.next_try_at : null),
  };
}

function healthOf(status: CourierStatus | null): IntegrationView["health"] {
  if (status === null) return "disabled";
  if (status.closed !== null) return "closed";
  if (status.failures > 0) return "down";
  const isBehind = status.parked > 0 || (status.oldest_at !== null && status.error_at !== null);
  return isBehind && (status.error_at ?? 0) > (status.delivered_at ?? 0) ? "delayed" : "ok";
}

export function toParked({ parked_at, oldest_at, ...row }: ParkedRow) {
  return { ...row, parked_at: timestamp(parked_at), oldest_at: timestampOrNull(oldest_at) };
}
