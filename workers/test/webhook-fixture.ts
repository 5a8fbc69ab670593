/** A webhook for the batteries: disabled, with one delivery in its log. */
import { expect } from "vitest";
import { z } from "zod";
import type { Client } from "./client.ts";
import { recipeOf } from "./requests.ts";

/** What a fixture is for. */
export type Use = "read" | "changed";

const PATH = "/api/v1/webhooks";
const createdSchema = z.object({ id: z.string() });
const listSchema = z.object({
  items: z.array(z.object({ id: z.string(), description: z.string() })),
});

/** A project has few of them, so that the one that is there for the same use serves again. */
export async function webhookOf(client: Client, key: string, use: Use): Promise<string> {
  const { items } = listSchema.parse((await client.call(PATH, { key })).json);
  const same = items.find(({ description }) => description === use);
  if (same !== undefined) return same.id;
  const json = { ...recipeOf("createWebhook").body, enabled: false, description: use };
  const created = await client.call(PATH, { key, json });
  expect(created.status, created.text).toBe(201);
  const { id } = createdSchema.parse(created.json);
  const sent = await client.call(`${PATH}/${id}/test`, { key, method: "POST" });
  expect(sent.json, sent.text).toMatchObject({ number: 1, outcome: "failed" });
  return id;
}
