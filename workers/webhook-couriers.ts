/** Wires the couriers of webhooks, which there are as many of as there are webhooks. */
import { loadConfig } from "./config.ts";
import type { CourierPorts } from "./delivery/courier.ts";
import { Outbox } from "./delivery/outbox.ts";
import { createOutbound } from "./security/outbound.ts";
import { COURIER_PREFIX, courierNameOf } from "./webhooks/names.ts";
import { WebhookRepository } from "./webhooks/repository.ts";
import { Sender } from "./webhooks/sender.ts";
import { WebhookTarget } from "./webhooks/target.ts";

/** What the courier of a webhook needs; null for one that is disabled or deleted. */
export async function webhookPortsOf(env: Env, id: string): Promise<CourierPorts | null> {
  const repository = new WebhookRepository(env.DB);
  const row = await repository.find("*", id);
  if (row === null || !row.enabled) return null;
  const target = new WebhookTarget({ row, repository, sender: webhookSenderOf(env) });
  const name = courierNameOf(id);
  return { name, outbox: new Outbox(env.DB), target, from: row.from_position };
}

export function webhookSenderOf(env: Env): Sender {
  const config = loadConfig(env);
  return new Sender({ config, outbound: createOutbound(env, config) });
}

/** Read each time, which is one small statement, so that a new webhook is known everywhere at once. */
export async function webhookCourierNames(env: Env): Promise<readonly string[]> {
  return (await new WebhookRepository(env.DB).enabledIds()).map(courierNameOf);
}

/** Frees what webhooks have left that are deleted. */
export async function forgetLeftWebhooks(env: Env): Promise<void> {
  const outbox = new Outbox(env.DB);
  const names = await outbox.couriers(COURIER_PREFIX);
  if (names.length === 0) return;
  const ids = names.map((name) => name.slice(COURIER_PREFIX.length));
  const existing = new Set(await new WebhookRepository(env.DB).existing(ids));
  for (const name of ids.filter((id) => !existing.has(id)).map(courierNameOf)) {
    await env.COURIER.getByName(name).forget();
    await outbox.forgetCourier(name);
  }
}
