/** For tests of webhooks: rows in the real database, and the real sender before a receiver of the test's own. */
import { env } from "cloudflare:workers";
import { loadConfig } from "../config.ts";
import type { OutboxMessage } from "../delivery/message.ts";
import { secretCipher } from "../security/crypto.ts";
import { guardedFetch, type Send } from "../security/outbound.ts";
import { WebhookRepository, type WebhookRow } from "./repository.ts";
import { identityOf, Sender } from "./sender.ts";
import { newSecret } from "./signature.ts";

export const repository = new WebhookRepository(env.DB);

/** A stored webhook of the project `default`, and its secret. */
export async function storedWebhook(change: Partial<WebhookRow> = {}) {
  const id = crypto.randomUUID();
  const secret = newSecret();
  const row: WebhookRow = {
    ...{ id, project_id: "default", url: "https://hooks.example.com/in", events: ["*"] },
    ...{ filter: { kinds: null, resource_ids: null }, description: "", enabled: true },
    ...{ disabled_reason: null, from_position: 0, previous_secret: null, previous_until: null },
    ...{ secret: await seal(id, 1, secret), secret_seed: id, revision: 1 },
    ...{ created_by: "test", created_at: Date.now(), updated_at: Date.now() },
    ...change,
  };
  await repository.insert(row, 1_000);
  return { row, secret };
}

export async function seal(id: string, version: number, secret: string) {
  const cipher = await secretCipher(loadConfig(env));
  const identity = identityOf({ id, project_id: "default" }, version);
  return { ...(await cipher.encrypt(identity, secret)), version };
}

/** Sends by the real guard, behind which `serve` answers. */
export function senderTo(serve: Send, timeout_ms = 5_000): Sender {
  const guard = { allowHosts: [], resolver: null, sendPublic: serve, sendExempt: serve };
  return new Sender({
    config: loadConfig(env),
    outbound: (request, options) => guardedFetch(request, { ...guard, ...options }),
    timeout_ms,
  });
}

/** A message about a task, with these seqs. */
export function taskMessage(resource_id: string, position: number, ...seqs: number[]) {
  const message: OutboxMessage = {
    ...{ position, id: `${resource_id}:${position}`, topic: "task", project_id: "default" },
    ...{ resource_id, trace: null, created_at: Date.now() },
    events: seqs.map((seq) => ({ seq, run: 1, at: 1_000, type: "run.completed", data: {} })),
  };
  return message;
}
