/** `/mcp` as agents reach it: the official client, of both eras, against the running service. */
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { SkillsClient } from "@modelcontextprotocol/client/ext/skills";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { mintKey } from "./client.ts";
import { TestService } from "./service.ts";

const SKILLS = {
  "word-count": {
    implementation: {
      type: "typescript",
      script: "export default ({ text }) => ({ words: text.split(' ').length })",
    },
    inputs: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
    outputs: {
      type: "object",
      properties: { words: { type: "integer" } },
      required: ["words"],
      additionalProperties: false,
    },
    files: { "references/words.md": "# Words\n" },
    instructions: "# Count words",
  },
  shout: {
    implementation: { type: "bash", script: "echo text=HELLO > $PIPELZR_OUTPUT" },
  },
  fails: {
    implementation: {
      type: "javascript",
      script: "export default () => { throw new Error('no') }",
    },
  },
} as const;

const ERAS = [
  ["2026-07-28", { pin: "2026-07-28" }],
  ["2025-11-25", "legacy"],
] as const;

let service: TestService;
const clients: Client[] = [];

beforeAll(async () => {
  service = await TestService.start();
  for (const [slug, skill] of Object.entries(SKILLS)) {
    const json = { name: slug, slug, category: "analysis", description: `Skill ${slug}`, ...skill };
    const reply = await service.fetch("/api/v1/skills", { json });
    expect(reply.status, await reply.text()).toBe(201);
  }
});
afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));
afterAll(() => service.stop());

async function connect(mode: (typeof ERAS)[number][1] | "auto", key = service.key) {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  const transport = new StreamableHTTPClientTransport(new URL("/mcp", service.url), {
    requestInit: { headers: { authorization: `Bearer ${key}` } },
  });
  await client.connect(transport);
  clients.push(client);
  return client;
}

describe.each(ERAS)("a client of %s", (revision, mode) => {
  it("agrees on the revision, and knows who answers", async () => {
    const client = await connect(mode);
    expect(client.getNegotiatedProtocolVersion()).toBe(revision);
    expect(client.getServerVersion()).toMatchObject({ name: "pipelzr" });
    expect(client.getInstructions()).toContain("pipelzr_");
  });

  it("lists every skill and operation, and calls the skills", async () => {
    const client = await connect(mode);
    const { tools } = await client.listTools();
    const names = tools.map(({ name }) => name);
    expect(names.slice(-3)).toEqual(Object.keys(SKILLS));
    expect(names.filter((name) => name.startsWith("pipelzr_"))).toHaveLength(11);
    // The client itself holds structured content against the output schema.
    const counted = await client.callTool({ name: "word-count", arguments: { text: "a b c" } });
    expect(counted.structuredContent).toEqual({ words: 3 });
    const shouted = await client.callTool({ name: "shout", arguments: {} });
    expect(shouted.structuredContent).toEqual({ text: "HELLO" });
    const failed = await client.callTool({ name: "fails", arguments: {} });
    expect(failed).toMatchObject({ isError: true, content: [{ type: "text" }] });
    const wrong = await client.callTool({ name: "word-count", arguments: {} });
    expect(wrong).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining("text") }],
    });
    await expect(client.callTool({ name: "nothing", arguments: {} })).rejects.toMatchObject({
      code: -32602,
    });
  });

  it("calls the operations, whose answers are what their schemas say", async () => {
    const client = await connect(mode);
    await client.listTools();
    const call = async (name: string, args: Record<string, unknown> = {}) => {
      const result = await client.callTool({ name: `pipelzr_${name}`, arguments: args });
      expect(result.isError ?? false, JSON.stringify(result)).toBe(false);
      return z.record(z.string(), z.unknown()).parse(result.structuredContent);
    };
    const task = await call("run_task", { command: "echo hi; echo 7 > $PIPELZR_OUTPUT" });
    expect(task).toMatchObject({ state: "completed", stdout: "hi\n", result: 7 });
    expect(await call("get_task", { task_id: task.id })).toMatchObject({ id: task.id });

    const tasks = [{ name: "one", script: "export default () => 1" }];
    const made = await service.fetch("/api/v1/pipelines", {
      json: { name: `p ${revision}`, tasks },
    });
    const { id: pipeline_id } = z.object({ id: z.string() }).parse(await made.json());
    expect(await call("start_pipeline", { pipeline_id })).toMatchObject({ state: "completed" });
    expect(await call("get_pipeline_run", { pipeline_id })).toMatchObject({ run: 1 });
    const waiting = await service.fetch("/api/v1/pipelines", {
      json: { name: `w ${revision}`, tasks: [{ name: "ask", approval: {} }] },
    });
    const { id } = z.object({ id: z.string() }).parse(await waiting.json());
    await call("start_pipeline", { pipeline_id: id, wait_seconds: 0 });
    expect(await call("cancel_pipeline_run", { pipeline_id: id })).toMatchObject({ run: 1 });

    const archive = await service.fetch("/api/v1/codebases", { json: { name: `c-${revision}` } });
    const codebase = z.object({ id: z.string() }).parse(await archive.json());
    expect(await call("list_codebases")).toMatchObject({
      items: expect.arrayContaining([expect.objectContaining({ id: codebase.id, latest: null })]),
    });
    expect(await call("search_code", { query: "anything" })).toMatchObject({ items: [] });

    expect(await call("list_skills")).toMatchObject({
      items: Object.keys(SKILLS).map((slug) => expect.objectContaining({ slug })),
    });
    const invoked = await service.fetch("/api/v1/skills/word-count/invoke", {
      json: { inputs: { text: "a" } },
    });
    const { id: invocation_id } = z.object({ id: z.string() }).parse(await invoked.json());
    expect(await call("get_invocation", { invocation_id })).toMatchObject({
      outputs: { words: 1 },
    });
  });

  it("hears of progress while a call goes on", async () => {
    const client = await connect(mode);
    const heard: string[] = [];
    const result = await client.callTool(
      {
        name: "pipelzr_run_task",
        arguments: {
          script:
            "export default async () => { for (const n of [1, 2, 3]) { console.log('part', n); await new Promise((done) => setTimeout(done, 120)) } }",
        },
      },
      { onprogress: ({ message }) => heard.push(message ?? "") },
    );
    expect(result.structuredContent).toMatchObject({ state: "completed" });
    expect(heard).toEqual(expect.arrayContaining(["part 2", "part 3"]));
  });

  it("reads skills as files, which are what their digests say", async () => {
    const client = await connect(mode);
    const skills = new SkillsClient(client);
    const { skills: entries } = await skills.list();
    expect(entries.map(({ uri }) => uri).sort()).toEqual(
      Object.keys(SKILLS)
        .map((slug) => `skill://${slug}/SKILL.md`)
        .sort(),
    );
    const { skill } = await skills.get("skill://word-count/SKILL.md");
    expect(await skills.read(skill)).toMatchObject({
      verified: true,
      body: expect.stringContaining("# Count words"),
    });
    expect(await skills.read(skill, "references/words.md")).toMatchObject({
      ...{ verified: true, text: "# Words\n" },
    });
  });
});

describe("the endpoint", () => {
  it("speaks the newest revision with a client that leaves it open", async () => {
    const client = await connect("auto");
    expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
  });

  it("lets nobody in without a key, and shows what the key allows alone", async () => {
    await expect(connect("auto", "plz_nonsense")).rejects.toThrow();
    const { key } = await mintKey(service, { scopes: ["tasks:read"], projects: ["default"] });
    const client = await connect("auto", key);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(["pipelzr_get_task"]);
  });
});
