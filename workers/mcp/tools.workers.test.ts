/** Skills as tools: who sees which, and what calls of them come to. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createSkill, SKILLS, unique, WORD_COUNT } from "../skills/test-support.ts";
import { isolate } from "../test/app.ts";
import { mintKey, type Speech, script, speaker, textOf } from "./test-support.ts";

const { call } = isolate();
const { ask, askLegacy, callTool, send } = speaker(call);

const listSchema = z.looseObject({
  tools: z.array(z.looseObject({ name: z.string(), description: z.string() })),
  nextCursor: z.string().optional(),
  ttlMs: z.int(),
  cacheScope: z.string(),
});

async function listTools(speech: Speech = {}) {
  const tools: z.output<typeof listSchema>["tools"] = [];
  let cursor: string | undefined;
  do {
    const page = listSchema.parse(await ask("tools/list", { ...(cursor && { cursor }) }, speech));
    tools.push(...page.tools);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return tools;
}
const namesOf = async (speech: Speech = {}) => (await listTools(speech)).map(({ name }) => name);
const project = (name: string): Speech => ({ headers: { "x-pipelzr-project": name } });

describe("the list of tools", () => {
  it("has each skill with its schemas, after the service's own operations", async () => {
    const outputs = { type: "object", properties: { words: { type: "integer" } } };
    const skill = await createSkill(call, { outputs });
    const tools = await listTools();
    expect(tools.slice(0, 10).every(({ name }) => name.startsWith("pipelzr_"))).toBe(true);
    expect(tools.find(({ name }) => name === skill.slug)).toEqual({
      name: skill.slug,
      title: skill.name,
      description: WORD_COUNT.description,
      inputSchema: WORD_COUNT.inputs,
      outputSchema: outputs,
      annotations: { readOnlyHint: true, openWorldHint: false },
    });
  });

  it("is the caller's own to keep, for a while", async () => {
    const page = await ask("tools/list");
    expect(page).toMatchObject({ cacheScope: "private" });
    expect(page.ttlMs).toBeGreaterThan(0);
  });

  it("leaves out what cannot be invoked, and outputs that are no object", async () => {
    const disabled = await createSkill(call, { enabled: false });
    const text = await createSkill(call, { implementation: null, instructions: "# Do" });
    const list = await createSkill(call, { outputs: { type: "array" } });
    const open = await createSkill(call, script("export default () => 1"));
    const tools = await listTools();
    const names = tools.map(({ name }) => name);
    expect(names).not.toContain(disabled.slug);
    expect(names).not.toContain(text.slug);
    expect(tools.find(({ name }) => name === list.slug)).not.toHaveProperty("outputSchema");
    expect(tools.find(({ name }) => name === open.slug)).toMatchObject({
      inputSchema: { type: "object" },
    });
  });

  it("says what a skill reaches where that is known", async () => {
    const http = (method: string) => ({
      implementation: { type: "http", url: "https://api.example.com/v1", method },
      permissions: { network: ["api.example.com"] },
      inputs: null,
    });
    const reads = await createSkill(call, http("GET"));
    const writes = await createSkill(call, http("POST"));
    const networked = await createSkill(call, { permissions: { network: ["example.com"] } });
    const asked = await createSkill(call, { requires_approval: true });
    const tools = new Map((await listTools()).map((tool) => [tool.name, tool]));
    expect(tools.get(reads.slug)?.annotations).toEqual({ readOnlyHint: true, openWorldHint: true });
    expect(tools.get(writes.slug)?.annotations).toEqual({
      readOnlyHint: false,
      openWorldHint: true,
    });
    expect(tools.get(networked.slug)?.annotations).toEqual({});
    expect(tools.get(asked.slug)?.description).toContain("approve");
  });

  it("is in the order of age, page by page, and the same whoever asks again", async () => {
    const within = project(unique("pages"));
    const project_id = within.headers?.["x-pipelzr-project"];
    const slugs: string[] = [];
    for (let index = 0; index < 105; index += 1) {
      slugs.push((await createSkill(call, { project_id })).slug);
    }
    const first = listSchema.parse(await ask("tools/list", {}, within));
    expect(first.nextCursor).toBeTypeOf("string");
    const names = (await namesOf(within)).filter((name) => !name.startsWith("pipelzr_"));
    expect(names).toEqual(slugs);
    expect(await namesOf(within)).toEqual(await namesOf(within));
  });

  it("refuses a cursor that is not one of its own", async () => {
    const { error, http } = await send("tools/list", { cursor: "nonsense" });
    expect([http.status, error?.code]).toEqual([200, -32602]);
  });

  it("shows what the caller's scopes allow alone", async () => {
    const plain = await createSkill(call);
    const networked = await createSkill(call, { permissions: { network: ["example.com"] } });
    const reader = await mintKey(call, { scopes: ["tasks:read"], projects: ["default"] });
    expect(await namesOf({ key: reader })).toEqual(["pipelzr_get_task"]);
    const invoker = await mintKey(call, { scopes: ["skills:execute"], projects: ["default"] });
    const names = await namesOf({ key: invoker });
    expect(names).toContain(plain.slug);
    expect(names).not.toContain(networked.slug);
    expect(names.filter((name) => name.startsWith("pipelzr_"))).toEqual([]);
  });
});

describe("a call of a skill", () => {
  it("comes to its outputs, as structure and as text", async () => {
    const { slug } = await createSkill(call);
    const result = await callTool(slug, { text: "a b c" });
    expect(result.structuredContent).toEqual({ words: 3 });
    expect(JSON.parse(textOf(result))).toEqual({ words: 3 });
    expect(result.isError).toBeUndefined();
  });

  it("tells outputs that are no object as text alone", async () => {
    const { slug } = await createSkill(call, script("export default () => [1, 2]"));
    const result = await callTool(slug);
    expect(result).not.toHaveProperty("structuredContent");
    expect(textOf(result)).toBe("[1,2]");
  });

  it("is an error that names each wrong input, for the model to correct", async () => {
    const { slug, id } = await createSkill(call);
    const result = await callTool(slug, { text: 1 });
    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain("inputs.text");
    const history = await call(`${SKILLS}/${id}/invocations`);
    expect(history.body.items).toEqual([]);
  });

  it("is an error that says why the skill failed, and which invocation it was", async () => {
    const { slug } = await createSkill(
      call,
      script("export default () => { console.error('ouch'); throw new Error('no luck') }"),
    );
    const result = await callTool(slug);
    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain("no luck");
    expect(textOf(result)).toContain("ouch");
    expect(textOf(result)).toMatch(/Invocation: [0-9a-f-]{36}/);
  });

  it("of a skill that cannot be invoked says what to do", async () => {
    const { slug } = await createSkill(call, { enabled: false });
    const result = await callTool(slug, { text: "a" });
    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain("/enable");
  });

  it("without the scopes that it needs is refused with their names", async () => {
    const { slug } = await createSkill(call, { permissions: { network: ["example.com"] } });
    const reader = await mintKey(call, { scopes: ["skills:read"], projects: ["default"] });
    const refused = await callTool(slug, { text: "a" }, { key: reader });
    expect(textOf(refused)).toContain("skills:execute");
    const invoker = await mintKey(call, { scopes: ["skills:execute"], projects: ["default"] });
    const ungranted = await callTool(slug, { text: "a" }, { key: invoker });
    expect([ungranted.isError, textOf(ungranted)]).toEqual([
      true,
      expect.stringContaining("skills:network"),
    ]);
  });

  it.each(["no-such-tool", "pipelzr_nothing", "Not A Slug", "x".repeat(500)])(
    "of %s is one of an unknown tool",
    async (name) => {
      const { error, http } = await send("tools/call", { name, arguments: {} });
      expect([http.status, error?.code]).toEqual([200, -32602]);
    },
  );

  it("takes a skill by its slug, not by its id", async () => {
    const { id } = await createSkill(call);
    const { error } = await send("tools/call", { name: id, arguments: { text: "a" } });
    expect(error?.code).toBe(-32602);
  });

  it("is begun once for one Idempotency-Key", async () => {
    const { slug, id } = await createSkill(call);
    const keyed = { headers: { "idempotency-key": unique("key") } };
    const first = await callTool(slug, { text: "a b" }, keyed);
    expect(await callTool(slug, { text: "a b" }, keyed)).toEqual(first);
    await expect
      .poll(() => call(`${SKILLS}/${id}/invocations`).then(({ body }) => body.items))
      .toHaveLength(1);
    const other = await callTool(slug, { text: "other" }, keyed);
    expect([other.isError, textOf(other)]).toEqual([true, expect.stringContaining("Idempotency")]);
  });

  it("refuses JSON that could not be kept", async () => {
    const { slug } = await createSkill(call, script("export default () => 1"));
    const result = await callTool(slug, { text: "\ud800" });
    expect([result.isError, textOf(result)]).toEqual([true, expect.stringContaining("text")]);
  });
});

describe("the project of a call", () => {
  it("is the one that is named, by header or in the URL, else the implied one", async () => {
    const name = unique("project");
    const { slug } = await createSkill(call, { project_id: name });
    expect(await namesOf()).not.toContain(slug);
    expect(await namesOf(project(name))).toContain(slug);
    expect(await namesOf({ path: `/mcp?project_id=${name}` })).toContain(slug);
    const only = await mintKey(call, { scopes: ["skills:execute"], projects: [name] });
    expect(await namesOf({ key: only })).toContain(slug);
    expect((await callTool(slug, { text: "a" }, { key: only })).structuredContent).toEqual({
      words: 1,
    });
  });

  it("has to be named by who has several, and be one of the caller's", async () => {
    const key = await mintKey(call, { scopes: ["skills:execute"], projects: ["one", "two"] });
    const { http } = await send("tools/list", {}, { key });
    expect([http.status, http.body.code]).toEqual([422, "validation_failed"]);
    expect((await send("tools/list", {}, { key, ...project("one") })).http.status).toBe(200);
    expect((await send("tools/list", {}, { key, ...project("three") })).http.status).toBe(422);
    const both = { ...project("one"), path: "/mcp?project_id=two", key };
    expect((await send("tools/list", {}, both)).http.status).toBe(422);
    expect((await send("tools/list", {}, project("no project!"))).http.status).toBe(422);
  });

  it("hides what others have, the caller's other projects among them", async () => {
    const mine = unique("mine");
    const { slug } = await createSkill(call, { project_id: mine });
    const { error } = await send("tools/call", { name: slug, arguments: { text: "a" } });
    expect(error?.code).toBe(-32602);
    const made = await callTool("pipelzr_run_task", { command: "echo hi" }, project(mine));
    const task = { task_id: made.structuredContent?.id };
    expect((await callTool("pipelzr_get_task", task, project(mine))).isError).toBeUndefined();
    const hidden = await callTool("pipelzr_get_task", task, project("other"));
    expect([hidden.isError, textOf(hidden)]).toEqual([true, expect.stringContaining("No task")]);
  });
});

describe("the doors of the endpoint", () => {
  it("are those of the REST API: credentials, request ids, limits, problems", async () => {
    const { http } = await send("tools/list", {}, { key: null });
    expect([http.status, http.body.code]).toEqual([401, "unauthenticated"]);
    expect(http.headers.get("www-authenticate")).toContain("Bearer");
    const known = await send("tools/list", {}, { headers: { "x-request-id": "mcp-1" } });
    expect(known.http.headers.get("x-request-id")).toBe("mcp-1");
    expect(known.http.headers.get("x-ratelimit-limit")).not.toBeNull();
  });

  it("are closed to foreign hosts and origins before anything else", async () => {
    const origin = { headers: { origin: "http://evil.example.com" }, key: null };
    expect((await send("tools/list", {}, origin)).http).toMatchObject({ status: 403 });
    const host = { headers: { host: "evil.example.com" }, key: null };
    expect((await send("tools/list", {}, host)).http).toMatchObject({ status: 403 });
    const own = { headers: { origin: "http://localhost:3000" } };
    expect((await send("tools/list", {}, own)).http).toMatchObject({ status: 200 });
  });

  it("let messages pass alone", async () => {
    for (const method of ["GET", "DELETE", "PUT"]) {
      const reply = await call("/mcp", { method });
      expect([reply.status, reply.headers.get("allow")], method).toEqual([405, "OPTIONS, POST"]);
    }
    const options = await call("/mcp", { method: "OPTIONS" });
    expect([options.status, options.headers.get("allow")]).toEqual([204, "OPTIONS, POST"]);
  });

  it("answer what is no message as the protocol has it", async () => {
    const accept = "application/json, text/event-stream";
    const headers = { "content-type": "application/json", accept };
    const broken = await call("/mcp", { headers, method: "POST", body: "{" });
    expect(broken.status).toBe(400);
    expect(broken.body).toMatchObject({ error: { code: -32700 } });
    const { http, error } = await send("no/such/method");
    expect([http.status, error?.code]).toEqual([404, -32601]);
    const mismatch = await send("tools/list", {}, { headers: { "mcp-method": "tools/call" } });
    expect([mismatch.http.status, mismatch.error?.code]).toEqual([400, -32020]);
    const unknown = await send(
      "tools/list",
      {},
      { headers: { "mcp-protocol-version": "1999-01-01" } },
    );
    expect(unknown.http.status).toBe(400);
  });
});

describe("clients of 2025", () => {
  it("initialise without a session, list and call", async () => {
    const { slug } = await createSkill(call);
    const hello = await askLegacy("initialize", {
      ...{ protocolVersion: "2025-11-25", capabilities: {} },
      clientInfo: { name: "old", version: "1" },
    });
    expect(hello).toMatchObject({
      protocolVersion: "2025-11-25",
      serverInfo: { name: "pipelzr" },
      capabilities: { tools: {}, resources: { listChanged: false } },
    });
    expect(hello).not.toHaveProperty("capabilities.extensions.io.modelcontextprotocol/tasks");
    const { tools } = z
      .object({ tools: z.array(z.object({ name: z.string() })) })
      .parse(await askLegacy("tools/list"));
    expect(tools.map(({ name }) => name)).toContain("pipelzr_run_task");
    const called = await askLegacy("tools/call", { name: slug, arguments: { text: "a b" } });
    expect(called.structuredContent).toEqual({ words: 2 });
  });
});
