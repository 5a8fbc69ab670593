/** The couriers of webhooks by name. Pure. */
export const COURIER_PREFIX = "webhook:";

export function courierNameOf(webhookId: string): string {
  return COURIER_PREFIX + webhookId;
}

/** The webhook that a courier of this name delivers to; null for another courier. */
export function webhookIdOf(courier: string): string | null {
  return courier.startsWith(COURIER_PREFIX) ? courier.slice(COURIER_PREFIX.length) : null;
}
