/** Sessions taken out and in over HTTP: whole, with their files, and with nobody's rights. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createSkill } from "../skills/test-support.ts";
import { isolate } from "../test/app.ts";
import { messageListSchema } from "./message-schemas.ts";
import { agentSchema } from "./schemas.ts";
import { AGENTS, createAgent, readAgent, say } from "./test-support.ts";

const { call } = isolate();

async function exported(id: string): Promise<string> {
  const reply = await call(`${AGENTS}/${id}/export`);
  expect(reply.status, reply.text).toBe(200);
  expect(reply.headers.get("content-type")).toBe("application/x-ndjson");
  return reply.text;
}

const take = (bundle: string, query = "", init: Parameters<typeof call>[1] = {}) =>
  call(`${AGENTS}/import${query}`, {
    method: "POST",
    body: bundle,
    ...init,
    headers: { "content-type": "application/x-ndjson", ...init.headers },
  });

async function taken(bundle: string, query = "") {
  const reply = await take(bundle, query);
  expect(reply.status, reply.text).toBe(201);
  return agentSchema.parse(reply.body);
}

const messagesOf = async (id: string) =>
  messageListSchema.parse((await call(`${AGENTS}/${id}/messages?limit=200`)).body).items;

/** A session that has talked, called, asked for an approval, and written files. */
async function lived() {
  const { slug } = await createSkill(call, {
    inputs: null,
    implementation: { type: "typescript", script: "export default () => 'done'" },
  });
  const agent = await createAgent(call, {
    skills: [slug],
    tool_policies: { run_task: "ask" },
    budget: { usd: 3 },
  });
  await say(call, agent.id, `/invoke ${slug}`);
  await say(call, agent.id, "Grüße, 世界 \u{1F600}");
  for (const [path, content] of [
    ["notes/a.txt", "first\n"],
    ["b.txt", "zweite: ü\n"],
  ]) {
    await say(call, agent.id, `/call write_file ${JSON.stringify({ path, content })}`);
  }
  await say(call, agent.id, "/run echo hi", { prefer: "wait=1" });
  return { id: agent.id, slug };
}

describe("an exported session", () => {
  it("is the same text after it was imported, and goes on with its files", async () => {
    const { id } = await lived();
    const bundle = await exported(id);
    expect(bundle).not.toContain(id);
    const copy = await taken(bundle);
    expect(await exported(copy.id)).toBe(bundle);
    const again = await taken(await exported(copy.id));
    expect(await exported(again.id)).toBe(bundle);
    expect(copy).toMatchObject({
      state: "waiting",
      waiting_for: "approval",
      turns: 5,
      parent: null,
    });
    const { body } = await call(`${AGENTS}/${copy.id}/approvals`);
    const { items } = z.object({ items: z.array(z.object({ call: z.string() })) }).parse(body);
    await call(`${AGENTS}/${copy.id}/approvals/${items[0]?.call}/deny`, { body: {} });
    await expect.poll(async () => (await readAgent(call, copy.id)).waiting_for).toBe("message");
    const read = await say(call, copy.id, "/read notes/a.txt");
    expect(read.reply?.text).toContain("first");
    // The other has its own files.
    await call(`${AGENTS}/${id}`, { method: "DELETE" });
    expect((await say(call, copy.id, "/read b.txt")).reply?.text).toContain("zweite");
  });

  it("is made once for one Idempotency-Key, and another for another", async () => {
    const { id } = await createAgent(call);
    const bundle = await exported(id);
    const key = { "idempotency-key": crypto.randomUUID() };
    const withKey = async (body: string) => {
      const bytes = new TextEncoder().encode(body);
      const digest = Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("base64");
      return take(body, "", { headers: { ...key, "content-digest": `sha-256=:${digest}:` } });
    };
    const [first, again] = [await withKey(bundle), await withKey(bundle)];
    expect([first.status, again.status], first.text).toEqual([201, 201]);
    expect(again.body.id).toBe(first.body.id);
    expect(await withKey(`${bundle}\n`)).toMatchObject({
      ...{ status: 422, body: { code: "idempotency_mismatch" } },
    });
    expect((await take(bundle, "", { headers: key })).status).toBe(422);
    expect((await taken(bundle)).id).not.toBe(first.body.id);
    expect((await taken(bundle, "?name=renamed")).name).toBe("renamed");
  });

  it("is refused when it is no UTF-8", async () => {
    const reply = await call(`${AGENTS}/import`, {
      ...{ method: "POST", body: new Uint8Array([0xff, 0xfe]) },
      headers: { "content-type": "application/x-ndjson" },
    });
    expect(reply.status, reply.text).toBe(422);
    expect(reply.text).toContain("UTF-8");
  });

  it("has the rights of who takes it in, in that one's project", async () => {
    const { id, slug } = await lived();
    const bundle = await exported(id);
    const foreign = await take(bundle, "?project_id=elsewhere");
    expect(foreign.status).toBe(422);
    expect(foreign.text).toContain(slug);
    const minted = await call("/api/v1/keys", {
      body: { name: "small", scopes: ["agents:write", "agents:read"], projects: ["default"] },
    });
    const refused = await take(bundle, "", { key: String(minted.body.key) });
    expect(refused.status, refused.text).toBe(403);
    // What is refused leaves nothing.
    const { objects } = await env.BLOBS.list({ prefix: "sessions/elsewhere/" });
    expect(objects).toEqual([]);
  });

  it("is refused, with the line, when it is none", async () => {
    const { id } = await createAgent(call);
    await say(call, id, `/call write_file ${JSON.stringify({ path: "a", content: "x" })}`);
    const bundle = await exported(id);
    for (const [broken, place] of [
      ["nothing", "line 1"],
      [bundle.replace('"phase":"ready"', '"phase":"running"'), "line 1"],
      [bundle.replace('"table":"files"', '"table":"keys"'), /line \d+/],
      [bundle.replace('"path":"a"', '"path":"../a"'), /^\.\.\/a$/],
    ] as const) {
      const reply = await take(broken);
      expect(reply.status, reply.text).toBe(422);
      expect(reply.body.errors).toMatchObject([
        { path: typeof place === "string" ? place : expect.stringMatching(place) },
      ]);
    }
    const { body } = await call(`${AGENTS}?limit=200&name=nothing`);
    expect(body.items).toEqual([]);
  });
});

describe("a fork", () => {
  it("goes on from a message, with its own files, and leaves the other as it is", async () => {
    const { id } = await lived();
    const before = await exported(id);
    const messages = await messagesOf(id);
    const hello = messages.find(({ content }) => JSON.stringify(content).includes("Grüße"));
    const forked = await call(`${AGENTS}/${id}/fork`, { body: { seq: hello?.seq, name: "other" } });
    expect(forked.status, forked.text).toBe(201);
    const fork = agentSchema.parse(forked.body);
    expect(fork).toMatchObject({
      ...{ name: "other", state: "waiting", waiting_for: "message", total_cost_usd: 0 },
      ...{ input_tokens: 0, budget: { usd: 3 }, turns: 5 },
    });
    const told = await messagesOf(fork.id);
    expect(told.at(-1)?.seq).toBe(hello?.seq);
    expect((await say(call, fork.id, "/read notes/a.txt")).reply?.text).toContain("first");
    await say(
      call,
      fork.id,
      `/call write_file ${JSON.stringify({ path: "notes/a.txt", content: "changed\n" })}`,
    );
    expect(await exported(id)).toBe(before);
    const newest = await call(`${AGENTS}/${fork.id}/fork`, { body: {} });
    expect((await messagesOf(String(newest.body.id))).length).toBeGreaterThan(told.length);
  });
});

describe("a message with attachments", () => {
  it("tells the model what is in the files of tasks, and is refused for others", async () => {
    const { body: task } = await call("/api/v1/tasks", {
      body: {
        ...{ name: "report", execute: true, artifacts: ["*.txt", "*.bin"] },
        command: "echo 'all is well' > report.txt; printf '\\x00\\xff' > raw.bin",
      },
    });
    const { id } = await createAgent(call);
    const attachments = [`${task.id}/report.txt`, `${task.id}/raw.bin`];
    const sent = await call(`${AGENTS}/${id}/message`, { body: { content: "/help", attachments } });
    expect(sent.status, sent.text).toBe(200);
    const [message] = await messagesOf(id);
    expect(message).toMatchObject({
      attachments,
      content: [
        { text: "/help" },
        { text: expect.stringContaining("report.txt, 12 bytes:\n\nall is well\n") },
        { text: expect.stringMatching(/raw\.bin, \d bytes, which is not text/) },
      ],
    });
    const missing = await call(`${AGENTS}/${id}/message`, {
      body: { content: "/help", attachments: [attachments[0], `${task.id}/none.txt`] },
    });
    expect(missing.status).toBe(422);
    expect(missing.body.errors).toMatchObject([{ path: "attachments[1]" }]);
    expect(await messagesOf(id)).toHaveLength(2);
  });
});
