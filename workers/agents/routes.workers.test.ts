/** Agents over HTTP, with the operator as their model. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { TestCodebase } from "../codebases/test-support.ts";
import { DEFAULT_PROJECT } from "../security/principal.ts";
import { createSkill } from "../skills/test-support.ts";
import { isolate } from "../test/app.ts";
import { messageListSchema } from "./message-schemas.ts";
import { agentListSchema, approvalListSchema, usageSchema } from "./schemas.ts";
import { AGENTS, createAgent, OPERATOR, readAgent, say } from "./test-support.ts";

const { call } = isolate();
const post = (path: string, body?: unknown, headers = {}) =>
  call(`${AGENTS}/${path}`, { method: "POST", headers, ...(body !== undefined && { body }) });

describe("agents", () => {
  it("are created idle, and take messages once they are initialized", async () => {
    const created = await call(AGENTS, { body: { ...OPERATOR, system_prompt: "Be brief." } });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      ...{ name: "worker", state: "idle", model: "operator", system_prompt: "Be brief." },
      ...{ iteration_count: 0, max_iterations: 100, max_tokens: 4096, timeout_seconds: 300 },
      ...{ input_tokens: 0, output_tokens: 0, total_cost_usd: 0, error: null, error_count: 0 },
      ...{ skills: [], tools: null, context: {}, project_id: DEFAULT_PROJECT },
    });
    const { id } = created.body;
    expect(created.headers.get("location")).toBe(`${AGENTS}/${id}`);
    const early = await post(`${id}/message`, { content: "/help" });
    expect(early.status).toBe(409);
    expect(early.body).toMatchObject({ state: "idle", allowed: ["initialize", "terminate"] });
    const ready = await post(`${id}/initialize`);
    expect(ready.status, ready.text).toBe(200);
    expect(ready.body).toMatchObject({ state: "waiting", waiting_for: "message" });
    const sent = await say(call, String(id), "/help");
    expect(sent.reply).toMatchObject({
      stop_reason: "end_turn",
      text: expect.stringContaining("/run"),
    });
    expect(sent).toMatchObject({ turn: 1, agent: { turns: 1, iteration_count: 1 } });
  });

  it("say what they lack when they cannot be initialized, and may be again", async () => {
    const { state, error, id } = await createAgent(call, { skills: ["none-such"] });
    expect({ state, error }).toEqual({ state: "error", error: expect.stringContaining("named") });
    expect((await post(`${id}/initialize`)).body).toMatchObject({ state: "error" });
    const refused = await post(`${id}/message`, { content: "hello" });
    expect(refused.status).toBe(409);
  });

  it("are created once for one Idempotency-Key", async () => {
    const headers = { "idempotency-key": crypto.randomUUID() };
    const first = await createAgent(call, {}, { headers });
    const again = await createAgent(call, {}, { headers });
    expect(again.id).toBe(first.id);
    const other = await call(AGENTS, { body: { ...OPERATOR, name: "other" }, headers });
    expect(other.status).toBe(422);
  });

  it("are listed by what they say of themselves", async () => {
    const session_id = crypto.randomUUID();
    const { id } = await createAgent(call, { session_id, labels: { team: session_id } });
    const list = async (query: string) =>
      agentListSchema.parse((await call(`${AGENTS}?${query}`)).body).items;
    await expect
      .poll(() => list(`session_id=${session_id}&state=waiting`))
      .toMatchObject([{ id, name: "worker", state: "waiting", waiting_for: "message" }]);
    expect(await list(`label=team=${session_id}&name=worker&model=operator`)).toHaveLength(1);
    expect(await list(`session_id=${session_id}&state=error`)).toEqual([]);
    expect(await list(`session_id=${session_id}&project_id=another`)).toEqual([]);
  });

  it("refuse what is no agent, with every problem", async () => {
    const reply = await call(AGENTS, { body: { max_iterations: 0, budget: { usd: -1 }, mood: 1 } });
    expect(reply.status).toBe(422);
    const paths = z.array(z.object({ path: z.string() })).parse(reply.body.errors);
    expect(paths.map(({ path }) => path).sort()).toEqual(
      ["budget.usd", "max_iterations", "mood", "name"].sort(),
    );
    expect((await call(`${AGENTS}/none`)).status).toBe(404);
  });

  it("are deleted with all that they have said and written", async () => {
    const { id } = await createAgent(call);
    await say(call, id, '/run {"command": "true"}');
    const prefix = `sessions/${DEFAULT_PROJECT}/${id}/`;
    await env.BLOBS.put(`${prefix}workspace/x`, "x");
    expect((await call(`${AGENTS}/${id}`, { method: "DELETE" })).status).toBe(204);
    for (const path of ["", "/messages", "/events", "/usage", "/approvals"]) {
      expect((await call(`${AGENTS}/${id}${path}`)).status, path).toBe(404);
    }
    expect((await env.BLOBS.list({ prefix })).objects).toEqual([]);
    const row = () => env.DB.prepare("SELECT id FROM agents WHERE id = ?").bind(id).first();
    await expect.poll(row).toBeNull();
    expect((await call(`${AGENTS}/${id}`, { method: "DELETE" })).status).toBe(404);
  });
});

describe("work of an agent", () => {
  it("searches code, runs tasks and invokes skills", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push({ "src/a.ts": "export const needle = 1;\n" });
    const { slug } = await createSkill(call);
    const { id, pinned_skills } = await createAgent(call, {
      ...{ skills: [slug], codebase: codebase.id },
    });
    expect(pinned_skills).toMatchObject([{ slug, version: "1.0.0" }]);
    const ask = async (content: string) => (await say(call, id, content)).reply?.text;
    expect(await ask("/search needle")).toContain("src/a.ts");
    expect(await ask("/read src/a.ts")).toContain("needle = 1");
    expect(await ask("/run echo from the task; cat code/src/a.ts")).toMatch(
      /from the task[\s\S]*needle/,
    );
    expect(await ask(`/invoke ${slug} {"text": "a b c"}`)).toContain('"words": 3');
    expect(await ask("/skills")).toContain(slug);
    expect(await ask("/run exit 3")).toContain("run_task failed");
    const { turns, iteration_count, error_count } = await readAgent(call, id);
    expect({ turns, iteration_count, error_count }).toEqual({
      ...{ turns: 6, iteration_count: 12, error_count: 0 },
    });
  });

  it("is told as messages, page by page", async () => {
    const { id } = await createAgent(call);
    for (const word of ["one", "two", "three"]) await say(call, id, word);
    const said: string[] = [];
    let path: string | null = `${AGENTS}/${id}/messages?limit=2`;
    while (path !== null) {
      const reply = await call(path);
      expect(reply.status, reply.text).toBe(200);
      const page = messageListSchema.parse(reply.body);
      expect(page.items.length).toBeLessThanOrEqual(2);
      said.push(...page.items.map(({ role }) => role));
      path = /<(.+)>/.exec(reply.headers.get("link") ?? "")?.[1] ?? null;
    }
    expect(said).toEqual(["user", "assistant", "user", "assistant", "user", "assistant"]);
  });

  it("begins once for one key, and tells the reply again", async () => {
    const { id } = await createAgent(call);
    const headers = { "idempotency-key": crypto.randomUUID() };
    const sends = await Promise.all(
      Array.from({ length: 8 }, () => post(`${id}/message`, { content: "/help" }, headers)),
    );
    const ids = sends.filter(({ status }) => status === 200).map(({ body }) => body.message_id);
    expect(new Set(ids).size).toBe(1);
    expect((await readAgent(call, id)).turns).toBe(1);
    const other = await post(`${id}/message`, { content: "/skills" }, headers);
    expect(other.status).toBe(422);
  });

  it("waits for approvals, with the input as it is or edited", async () => {
    const { id } = await createAgent(call, { tool_policies: { run_task: "ask" } });
    const waiting = async () => {
      const reply = await call(`${AGENTS}/${id}/approvals`);
      return approvalListSchema.parse(reply.body).items;
    };
    const sent = await post(`${id}/message`, { content: "/run echo asked" });
    expect(sent.status).toBe(202);
    expect(sent.body).toMatchObject({
      reply: null,
      agent: { state: "waiting", waiting_for: "approval" },
    });
    const [first] = await waiting();
    expect(first).toMatchObject({ tool: "run_task", input: { command: "echo asked" }, turn: 1 });
    const path = `${id}/approvals/${first?.call}`;
    expect((await post(`${id}/approvals/none/approve`, {})).status).toBe(409);
    expect((await post(`${path}/approve`, { input: { cmd: 1 } })).status).toBe(422);
    const approved = await post(`${path}/approve`, { input: { command: "echo edited" } });
    expect(approved.status, approved.text).toBe(200);
    const last = async () => {
      const reply = await call(`${AGENTS}/${id}/messages`);
      return JSON.stringify(messageListSchema.parse(reply.body).items.at(-1)?.content);
    };
    await expect.poll(last).toContain("edited");

    await post(`${id}/message`, { content: "/run echo never" }, { prefer: "respond-async" });
    await expect.poll(waiting).toHaveLength(1);
    const [second] = await waiting();
    await post(`${id}/approvals/${second?.call}/deny`, { reason: "Not today." });
    await expect.poll(last).toContain("Not today.");
  });
});

describe("control of an agent", () => {
  it("pauses, resumes, cancels and ends it, and refuses the rest with what is allowed", async () => {
    const { id } = await createAgent(call);
    expect((await post(`${id}/pause`, { mode: "now" })).body).toMatchObject({ state: "paused" });
    const queued = await post(`${id}/message`, { content: "/help" }, { prefer: "wait=1" });
    expect(queued.status).toBe(202);
    expect(queued.body).toMatchObject({ agent: { state: "paused", queued_messages: 1 } });
    expect((await post(`${id}/resume`)).status).toBe(200);
    await expect.poll(async () => (await readAgent(call, id)).turns).toBe(1);
    await expect.poll(async () => (await readAgent(call, id)).state).toBe("waiting");
    const idle = await post(`${id}/cancel`, {});
    expect(idle.status).toBe(409);
    expect(idle.body).toMatchObject({ state: "waiting", allowed: expect.any(Array) });
    expect((await post(`${id}/terminate`)).body).toMatchObject({ state: "terminated" });
    expect((await post(`${id}/terminate`)).status).toBe(200);
    const late = await post(`${id}/message`, { content: "hello" });
    expect(late.body).toMatchObject({ code: "illegal_transition", allowed: [] });
  });

  it("cancels the turn under way, and what it runs", async () => {
    const { id } = await createAgent(call);
    const script =
      "export default async () => { await new Promise((done) => setTimeout(done, 60_000)); }";
    const content = `/run ${JSON.stringify({ script })}`;
    await post(`${id}/message`, { content }, { prefer: "respond-async" });
    const tasks = async () => {
      const { items } = (await call(`/api/v1/tasks?agent_id=${id}`)).body;
      return z.array(z.object({ state: z.string() })).parse(items);
    };
    await expect.poll(tasks).toEqual([expect.objectContaining({ state: "running" })]);
    expect((await post(`${id}/cancel`, { turn: 7 })).status).toBe(409);
    expect((await post(`${id}/cancel`, { turn: 1 })).status).toBe(200);
    expect(await readAgent(call, id)).toMatchObject({ state: "waiting", stop_reason: "cancelled" });
    await expect.poll(tasks).toEqual([expect.objectContaining({ state: "cancelled" })]);
  });

  it("switches models, and refuses those there are not", async () => {
    const { id } = await createAgent(call);
    const patch = (model: string) => call(`${AGENTS}/${id}`, { method: "PATCH", body: { model } });
    expect((await patch("operator")).status).toBe(200);
    const unknown = await patch("anthropic/claude-sonnet-5-5");
    expect(unknown.status).toBe(422);
    expect(unknown.body.errors).toMatchObject([{ path: "model" }]);
  });
});

describe("the trace of a turn", () => {
  const spanSchema = z.object({
    name: z.string(),
    traceId: z.string(),
    spanId: z.string(),
    parentSpanId: z.string(),
  });
  const tracesSchema = z.object({
    resourceSpans: z.tuple([
      z.object({ scopeSpans: z.tuple([z.object({ spans: z.array(spanSchema) })]) }),
    ]),
  });

  it("is below its request, with the model's steps and the calls in it", async () => {
    const { id } = await createAgent(call);
    const [none] = tracesSchema.parse((await call(`${AGENTS}/${id}/traces`)).body).resourceSpans;
    expect(none.scopeSpans[0].spans).toEqual([]);
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    await say(call, id, "/run echo secret", { traceparent });
    const { body, text } = await call(`${AGENTS}/${id}/traces?turn=1`);
    const [{ scopeSpans }] = tracesSchema.parse(body).resourceSpans;
    const { spans } = scopeSpans[0];
    expect(spans.map(({ name }) => name)).toEqual([
      "invoke_agent worker",
      "chat operator",
      "chat operator",
      "execute_tool run_task",
    ]);
    expect(spans[0]).toMatchObject({
      traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
      parentSpanId: "00f067aa0ba902b7",
    });
    expect(spans.slice(1).map(({ parentSpanId }) => parentSpanId)).toEqual(
      spans.slice(1).map(() => spans[0]?.spanId),
    );
    expect(text).not.toContain("secret");
    expect((await call(`${AGENTS}/${id}/traces?turn=2`)).status).toBe(404);
  });
});

describe("an agent that has a result to hand in", () => {
  const outputs = {
    type: "object",
    properties: { score: { type: "integer" } },
    required: ["score"],
  };

  it("replies with what it handed in last, of the shape that was asked for", async () => {
    const { id } = await createAgent(call, { outputs });
    expect((await say(call, id, "/help")).reply).toMatchObject({ result: null });
    const wrong = await say(call, id, '/submit {"score": "high"}');
    expect(wrong.reply).toMatchObject({
      result: null,
      text: expect.stringContaining("input.score"),
    });
    expect((await say(call, id, '/submit {"score": 7}')).reply).toMatchObject({
      result: { score: 7 },
    });
  });

  it("is refused with a schema that is none", async () => {
    const reply = await call(AGENTS, { body: { ...OPERATOR, outputs: { type: "nothing" } } });
    expect(reply.status).toBe(422);
    expect(reply.body.errors).toMatchObject([
      { path: "outputs", message: expect.stringContaining("outputs.type") },
    ]);
  });
});

describe("what an agent uses", () => {
  it("is told step by step, and may be added to, once", async () => {
    const { id } = await createAgent(call);
    await say(call, id, "/help");
    const headers = { "idempotency-key": crypto.randomUUID() };
    const used = { input_tokens: 10, output_tokens: 5, cost_usd: 0.25 };
    for (let turn = 0; turn < 2; turn += 1) {
      const added = await post(`${id}/tokens`, used, headers);
      expect(added.body).toMatchObject({
        input_tokens: 10,
        output_tokens: 5,
        total_cost_usd: 0.25,
      });
    }
    const usage = usageSchema.parse((await call(`${AGENTS}/${id}/usage`)).body);
    expect(usage).toMatchObject({
      items: [{ turn: 1, step: 1, model: "operator" }],
      totals: { input_tokens: 10, output_tokens: 5, total_cost_usd: 0.25, iteration_count: 1 },
      budget: { usd: null },
      blocked_by: [],
    });
  });

  it("is bounded by budgets that pause and can be raised", async () => {
    const { id } = await createAgent(call, { budget: { steps: 1 } });
    await say(call, id, "/help");
    const blocked = await post(`${id}/message`, { content: "/help" });
    expect(blocked.status).toBe(202);
    expect(blocked.body).toMatchObject({
      agent: { state: "waiting", waiting_for: "budget", blocked_by: ["steps"] },
    });
    const patch = (body: unknown) => call(`${AGENTS}/${id}/budget`, { method: "PATCH", body });
    expect((await patch({ usd: 5 })).body).toMatchObject({ budget: { usd: 5, steps: 1 } });
    expect((await patch({ steps: null })).body).toMatchObject({ budget: { usd: 5, steps: null } });
    await expect.poll(async () => (await readAgent(call, id)).waiting_for).toBe("message");
  });
});
