/** Steps that are agents: each is a session of its own, whose end is the step's. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { agentListSchema } from "../agents/schemas.ts";
import { AGENTS, type Agent, readAgent } from "../agents/test-support.ts";
import { TestCodebase } from "../codebases/test-support.ts";
import { createSkill, patchSkill, unique } from "../skills/test-support.ts";
import { isolate } from "../test/app.ts";

const { call } = isolate();
const PIPELINES = "/api/v1/pipelines";

const agent = (prompt: string, more: Record<string, unknown> = {}) => ({
  model: "operator",
  prompt,
  ...more,
});

async function create(tasks: readonly unknown[], more: Record<string, unknown> = {}) {
  const created = await call(PIPELINES, { body: { name: unique("with agents"), tasks, ...more } });
  expect(created.status, created.text).toBe(201);
  return String(created.body.id);
}

async function run(tasks: readonly unknown[], more: Record<string, unknown> = {}) {
  const id = await create(tasks, more);
  const { body } = await call(`${PIPELINES}/${id}/execute`, { method: "POST" });
  return { id, body };
}

const start = (id: string) => call(`${PIPELINES}/${id}/start`, { method: "POST" });

async function agentsOf(pipeline: string) {
  const { body } = await call(`${AGENTS}?parent_id=${pipeline}`);
  return agentListSchema.parse(body).items;
}

/** The agent of a step, once lists show it in a state. */
async function agentIn(pipeline: string, expected: Partial<Agent>): Promise<Agent> {
  let id = "";
  await expect
    .poll(async () => {
      const [found] = await agentsOf(pipeline);
      id = found?.id ?? "";
      return found;
    })
    .toMatchObject(expected);
  return readAgent(call, id);
}

const stateOf = async (id: string) => (await call(`${PIPELINES}/${id}`)).body.state;
const alarmOf = (id: string) =>
  runInDurableObject(env.AGENT_SESSION.getByName(id), (_, { storage }) => storage.getAlarm());

describe("a step that is an agent", () => {
  it("names secrets for its MCP servers, whose values it is not told", async () => {
    const headers = { authorization: "${{ secrets.NOT_THERE }}" };
    const mcp_servers = [{ name: "docs", url: "https://mcp.example.com/mcp", headers }];
    const { id } = await run([{ name: "ask", agent: agent("/help", { mcp_servers }) }]);
    const { error } = await agentIn(id, { error_code: "validation_failed" });
    expect(error).toContain('No secret named "NOT_THERE"');
  });

  it("has what the agent says as its result, and is over with it", async () => {
    const { id, body } = await run(
      [
        { name: "list", script: "export default () => ({ word: 'hello' })" },
        { name: "say", needs: ["list"], agent: agent("/run echo ${{ tasks.list.result.word }}") },
      ],
      { outputs: { said: "${{ tasks.say.result }}" } },
    );
    expect(body, JSON.stringify(body)).toMatchObject({
      state: "completed",
      outputs: { said: { text: expect.stringContaining("hello") } },
    });
    const found = await agentIn(id, { state: "terminated" });
    expect(found).toMatchObject({
      ...{ name: "say", parent_id: id, pipeline: { id, run: 1 }, turns: 1 },
    });
    await expect.poll(() => alarmOf(found.id)).toBeNull();
  });

  it("has what the agent hands in, when that has a shape", async () => {
    const outputs = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
    const { body } = await run(
      [
        {
          name: "all",
          strategy: { matrix: { n: [1, 2, 3] } },
          agent: agent('/submit {"n": ${{ matrix.n }}}', { outputs }),
        },
      ],
      { outputs: { results: "${{ tasks.all.results.*.result.n }}" } },
    );
    expect(body).toMatchObject({ state: "completed", outputs: { results: [1, 2, 3] } });
  });

  it("asks an agent that has handed nothing in, and fails when it never does", async () => {
    const outputs = { type: "integer" };
    const { id, body } = await run([{ name: "none", agent: agent("/help", { outputs }) }]);
    expect(body.state).toBe("failed");
    expect(JSON.stringify(body)).toContain("agent_result_missing");
    expect(await agentIn(id, { state: "terminated" })).toMatchObject({ turns: 3 });
  });

  it("fails with the reason why an agent cannot begin, and is tried again if it says so", async () => {
    const { id, body } = await run([
      {
        name: "none",
        agent: agent("Hello.", { model: "openai/gpt-none" }),
        retry: { max_attempts: 2, initial_seconds: 0.01 },
      },
    ]);
    expect(body.state).toBe("failed");
    expect(JSON.stringify(body)).toContain("OPENAI");
    await expect.poll(async () => (await agentsOf(id)).length).toBe(2);
  });

  it("keeps to the skill and the codebase that its run began with", async () => {
    const { slug, id: skill } = await createSkill(call, {
      inputs: null,
      implementation: { type: "typescript", script: "export default () => 'one'" },
    });
    const codebase = await TestCodebase.create(call);
    await codebase.push({ "a.txt": "needle one\n" });
    const looking = { skills: [slug], codebase: codebase.id };
    const id = await create(
      [
        { name: "gate", approval: true },
        { name: "use", needs: ["gate"], agent: agent(`/invoke ${slug}`, looking) },
        { name: "find", needs: ["gate"], agent: agent("/search needle", looking) },
      ],
      { outputs: { used: "${{ tasks.use.result.text }}", found: "${{ tasks.find.result.text }}" } },
    );
    await start(id);
    await patchSkill(call, skill, {
      implementation: { type: "typescript", script: "export default () => 'two'" },
    });
    await codebase.push({ "a.txt": "needle two\n" });
    await call(`${PIPELINES}/${id}/approve`, { body: {} });
    await expect
      .poll(async () => (await call(`${PIPELINES}/${id}`)).body.outputs)
      .toMatchObject({
        used: expect.stringContaining("one"),
        found: expect.stringContaining("needle one"),
      });
  });

  it("waits with its agent, and goes on with it", async () => {
    const id = await create([
      { name: "ask", agent: agent("/run echo hi", { tool_policies: { run_task: "ask" } }) },
    ]);
    await start(id);
    const waiting = await agentIn(id, { state: "waiting", waiting_for: "approval" });
    expect(await stateOf(id)).toBe("running");
    const why = await call(`${PIPELINES}/${id}/runs/1/why`);
    expect(why.body).toMatchObject({
      steps: [{ step: "ask", waiting_for: { type: "agent", agent_id: waiting.id } }],
    });
    const { body } = await call(`${AGENTS}/${waiting.id}/approvals`);
    const [pending] = Array.isArray(body.items) ? body.items : [];
    await call(`${AGENTS}/${waiting.id}/approvals/${pending.call}/approve`, { body: {} });
    await expect.poll(() => stateOf(id)).toBe("completed");
  });

  it("ends its agent when it is cancelled, and when its time is over", async () => {
    const asking = agent("/run echo hi", { tool_policies: { "*": "ask" } });
    const cancelled = await create([{ name: "ask", agent: asking }]);
    await start(cancelled);
    await agentIn(cancelled, { state: "waiting" });
    await call(`${PIPELINES}/${cancelled}/cancel`, { method: "POST" });
    await agentIn(cancelled, { state: "terminated" });
    await expect.poll(() => stateOf(cancelled)).toBe("cancelled");
    const { id, body } = await run([{ name: "ask", timeout_seconds: 0.2, agent: asking }]);
    expect(body.state).toBe("failed");
    await agentIn(id, { state: "terminated" });
  });

  it("fails when somebody else ends its agent", async () => {
    const id = await create([
      { name: "ask", agent: agent("/run echo hi", { tool_policies: { "*": "ask" } }) },
    ]);
    await start(id);
    const waiting = await agentIn(id, { state: "waiting" });
    await call(`${AGENTS}/${waiting.id}/terminate`, { method: "POST" });
    await expect.poll(() => stateOf(id)).toBe("failed");
  });

  it("is written by who may have agents alone", async () => {
    const minted = await call("/api/v1/keys", {
      body: { name: "writer", scopes: ["pipelines:write"], projects: ["default"] },
    });
    const reply = await call(PIPELINES, {
      key: String(minted.body.key),
      body: { name: "narrow", tasks: [{ name: "one", agent: agent("/help") }] },
    });
    expect(reply.status).toBe(403);
    expect(reply.text).toContain("agents:write");
  });
});
