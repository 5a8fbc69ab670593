/** Sessions of one service with the tools of another: two built services, over the network and back. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { TestService } from "./service.ts";

let service: TestService;
let peer: TestService;

beforeAll(async () => {
  [service, peer] = await Promise.all([
    TestService.start({ variables: { OUTBOUND_ALLOW_HOSTS: "127.0.0.1" } }),
    TestService.start(),
  ]);
  const skill = await peer.fetch("/api/v1/skills", {
    json: {
      ...{ name: "Count words", slug: "count-words", category: "analysis" },
      description: "Counts the words of a text.",
      implementation: {
        type: "javascript",
        script: "export default ({ text }) => ({ words: text.split(' ').length })",
      },
      inputs: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
    },
  });
  expect(skill.status, await skill.text()).toBe(201);
  const secret = await service.fetch("/api/v1/secrets", {
    json: { name: "PEER", value: `Bearer ${peer.key}` },
  });
  expect(secret.status).toBe(201);
});
afterAll(() => Promise.all([service?.stop(), peer?.stop()]));

const agentSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  waiting_for: z.string().nullable(),
  error: z.string().nullable(),
  error_code: z.string().nullable(),
  pinned_mcp_tools: z.array(z.looseObject({ name: z.string(), digest: z.string() })),
});
const sentSchema = z.looseObject({ reply: z.looseObject({ text: z.string() }).nullable() });

async function createAgent(change: Record<string, unknown> = {}) {
  const reply = await service.fetch("/api/v1/agents", {
    json: {
      name: "caller",
      tools: [],
      mcp_servers: [
        {
          name: "peer",
          url: `${peer.url}/mcp`,
          headers: { authorization: "${{ secrets.PEER }}" },
          tools: ["count-words", "pipelzr_list_skills"],
        },
      ],
      initialize: true,
      ...change,
    },
  });
  expect(reply.status).toBe(201);
  return agentSchema.parse(await reply.json());
}

async function say(id: string, content: string): Promise<string | null> {
  const reply = await service.fetch(`/api/v1/agents/${id}/message`, { json: { content } });
  return sentSchema.parse(await reply.json()).reply?.text ?? null;
}

const COUNT = '/call peer__count-words {"text": "one two three"}';

describe("an MCP server of a session", () => {
  it("has its tools called, and the secret that opens it is told to nobody", async () => {
    const { id, state, error, pinned_mcp_tools } = await createAgent();
    expect(state, error ?? "").toBe("waiting");
    expect(pinned_mcp_tools).toMatchObject([
      { name: "peer__pipelzr_list_skills" },
      { name: "peer__count-words", digest: expect.stringMatching(/^sha256:/) },
    ]);
    expect(await say(id, COUNT)).toContain('"words": 3');
    const path = `/api/v1/agents/${id}`;
    const read = async (what: string) => (await service.fetch(`${path}${what}`)).text();
    const told = await Promise.all(["", "/messages", "/usage"].map(read));
    const { body } = await service.fetch(`${path}/events?after=0`);
    const events = body?.pipeThrough(new TextDecoderStream()).getReader();
    let followed = "";
    while (!followed.includes("turn.ended")) followed += (await events?.read())?.value ?? "";
    await events?.cancel();
    told.push(followed);
    expect(told.join("\n")).toContain("count-words");
    expect(told.join("\n") + service.output).not.toContain(peer.key);
  });

  it("is asked for nothing that nobody has approved", async () => {
    const { id } = await createAgent({ tool_policies: { "*": "allow", "peer__*": "ask" } });
    expect(await say(id, COUNT)).toBeNull();
    const reply = await service.fetch(`/api/v1/agents/${id}/approvals`);
    expect(await reply.json()).toMatchObject({ items: [{ tool: "peer__count-words" }] });
  });

  it("goes on being had after the process died", async () => {
    const { id } = await createAgent();
    await service.killAndRecover();
    expect(await say(id, COUNT)).toContain('"words": 3');
  });

  it("keeps a session from being initialized until it answers", async () => {
    const gone = await createAgent({
      mcp_servers: [{ name: "peer", url: `${peer.url}/nowhere` }],
    });
    expect(gone).toMatchObject({ state: "error", error_code: "unavailable" });
    expect(gone.error).toContain('"peer": It answers with status 404');
    const other = await createAgent({
      mcp_servers: [
        {
          name: "peer",
          url: `${peer.url}/mcp`,
          headers: { authorization: "${{ secrets.LATER }}" },
        },
      ],
    });
    expect(other.error).toContain('No secret named "LATER"');
    await service.fetch("/api/v1/secrets", {
      json: { name: "LATER", value: `Bearer ${peer.key}` },
    });
    const again = await service.fetch(`/api/v1/agents/${other.id}/initialize`, { method: "POST" });
    expect(await again.json()).toMatchObject({ state: "waiting", error: null });
  });

  it("is refused where the service never asks", async () => {
    const reply = await peer.fetch("/api/v1/agents", {
      json: { name: "a", mcp_servers: [{ name: "here", url: `${service.url}/mcp` }] },
    });
    expect(reply.status).toBe(422);
    expect(await reply.json()).toMatchObject({
      errors: [{ path: "mcp_servers[0].url", message: expect.stringContaining("is refused") }],
    });
  });
});
