/** The Tasks extension: calls that take long, followed, answered and cancelled. */
import { describe, expect, it } from "vitest";
import { createSkill, unique } from "../skills/test-support.ts";
import { isolate } from "../test/app.ts";
import { mintKey, script, speaker, TASKS, textOf, toolResultSchema } from "./test-support.ts";

const { call } = isolate([], { MCP_TASK_AFTER_SECONDS: "0.1" });
const { ask, callTool, send } = speaker(call);

const follows = { capabilities: TASKS };
const answers = { capabilities: { ...TASKS, elicitation: {} } };
const SLEEP =
  "export default async ({ ms }) => { await new Promise((done) => setTimeout(done, ms)); return { ms } }";
const FOREVER = "export default () => new Promise((done) => setTimeout(done, 60_000))";

async function begin(name: string, args: unknown, speech = follows) {
  const created = await ask("tools/call", { name, arguments: args }, speech);
  expect(created, JSON.stringify(created)).toMatchObject({ resultType: "task", status: "working" });
  return created;
}

const get = (taskId: unknown, speech = follows) => ask("tasks/get", { taskId }, speech);
const ended = (taskId: unknown) =>
  expect
    .poll(() => get(taskId).then(({ status }) => status))
    .not.toBe("working")
    .then(() => get(taskId));

describe("a call that takes long", () => {
  it("is handed over as a task, which comes to what the call would have", async () => {
    const { slug } = await createSkill(call, script(SLEEP));
    const created = await begin(slug, { ms: 1_000 });
    expect(created).toMatchObject({
      taskId: expect.stringMatching(/^invocation:[0-9a-f-]{36}:1$/),
      ...{ ttlMs: null, pollIntervalMs: 1_000 },
      createdAt: expect.stringMatching(/Z$/),
      lastUpdatedAt: expect.stringMatching(/Z$/),
      statusMessage: expect.stringContaining(slug),
    });
    const done = await ended(created.taskId);
    expect(done).toMatchObject({ resultType: "complete", status: "completed" });
    expect(toolResultSchema.parse(done.result).structuredContent).toEqual({ ms: 1_000 });
  });

  it("is answered at once when it is short", async () => {
    const { slug } = await createSkill(call, script("export default () => ({ a: 1 })"));
    await callTool(slug, {}, follows);
    const again = await ask("tools/call", { name: slug, arguments: {} }, follows);
    expect(again).toMatchObject({ resultType: "complete", structuredContent: { a: 1 } });
  });

  it("is waited for where the client follows no tasks", async () => {
    const { slug } = await createSkill(call, script(SLEEP));
    const result = await callTool(slug, { ms: 400 });
    expect(result.structuredContent).toEqual({ ms: 400 });
  });

  it("that fails is completed with a result that is an error", async () => {
    const { slug } = await createSkill(
      call,
      script(
        "export default async () => { await new Promise((done) => setTimeout(done, 500)); throw new Error('no luck') }",
      ),
    );
    const done = await ended((await begin(slug, {})).taskId);
    expect(done.status).toBe("completed");
    const result = toolResultSchema.parse(done.result);
    expect([result.isError, textOf(result)]).toEqual([true, expect.stringContaining("no luck")]);
  });

  it("may be a task of PIPELZR, or a run of a pipeline", async () => {
    const task = await begin("pipelzr_run_task", {
      ...{ script: SLEEP, inputs: { ms: 700 }, wait_seconds: 30 },
    });
    expect(task.taskId).toMatch(/^task:/);
    const done = await ended(task.taskId);
    expect(toolResultSchema.parse(done.result).structuredContent).toMatchObject({
      ...{ state: "completed", result: { ms: 700 } },
    });
    const tasks = [{ name: "slow", script: SLEEP, inputs: { ms: 700 } }];
    const made = await call("/api/v1/pipelines", { body: { name: unique("p"), tasks } });
    const run = await begin("pipelzr_start_pipeline", { pipeline_id: made.body.id });
    expect(run.taskId).toBe(`pipeline:${made.body.id}:1`);
    expect(await ended(run.taskId)).toMatchObject({
      status: "completed",
      result: { isError: false, structuredContent: { state: "completed", run: 1 } },
    });
  });

  it("that is asked not to wait for its end is answered, not handed over", async () => {
    const begun = await ask(
      "tools/call",
      {
        name: "pipelzr_run_task",
        arguments: { script: SLEEP, inputs: { ms: 300 }, wait_seconds: 0 },
      },
      follows,
    );
    expect(begun).toMatchObject({ resultType: "complete" });
  });
});

describe("a task", () => {
  it.each(["invocation", "task", "pipeline"])(
    "of kind %s is cancelled, also twice",
    async (kind) => {
      const created = await (async () => {
        if (kind === "invocation")
          return begin((await createSkill(call, script(FOREVER))).slug, {});
        if (kind === "task") return begin("pipelzr_run_task", { script: FOREVER });
        const tasks = [{ name: "slow", script: FOREVER }];
        const made = await call("/api/v1/pipelines", { body: { name: unique("p"), tasks } });
        return begin("pipelzr_start_pipeline", { pipeline_id: made.body.id });
      })();
      const { taskId } = created;
      const acknowledged = await ask("tasks/cancel", { taskId }, follows);
      expect(Object.keys(acknowledged).sort()).toEqual(["_meta", "resultType"]);
      expect(await ended(taskId)).toMatchObject({ status: "cancelled" });
      expect(await ask("tasks/cancel", { taskId }, follows)).toEqual(acknowledged);
    },
  );

  it.each(["tasks/get", "tasks/cancel", "tasks/update"])(
    "needs a client that follows tasks for %s",
    async (method) => {
      const params = { taskId: "invocation:x:1", inputResponses: {} };
      const { http, error } = await send(method, params);
      expect([http.status, error?.code]).toEqual([400, -32021]);
      expect(error?.data).toEqual({ requiredCapabilities: TASKS });
    },
  );

  it.each(["nonsense", "invocation:nope:1", "task:01a21d10-930c-7532-b104-de5be2b6a52c:1"])(
    "that does not exist, such as %s, is an invalid parameter",
    async (taskId) => {
      for (const method of ["tasks/get", "tasks/cancel", "tasks/update"]) {
        const { error } = await send(method, { taskId, inputResponses: {} }, follows);
        expect(error?.code, method).toBe(-32602);
      }
    },
  );

  it("is hidden from other projects, and kept from callers without the scope", async () => {
    const { slug } = await createSkill(call, script(SLEEP));
    const { taskId } = await begin(slug, { ms: 500 });
    const elsewhere = { ...follows, headers: { "x-pipelzr-project": "elsewhere" } };
    expect((await send("tasks/get", { taskId }, elsewhere)).error?.code).toBe(-32602);
    const key = await mintKey(call, { scopes: ["tasks:read"], projects: ["default"] });
    const { error } = await send("tasks/get", { taskId }, { ...follows, key });
    expect(error?.message).toContain("skills:read");
  });

  it("is advertised, and has no methods for clients of 2025", async () => {
    const discovered = await ask("server/discover");
    expect(discovered).toMatchObject({
      capabilities: { extensions: { "io.modelcontextprotocol/tasks": {} } },
    });
    expect((await send("tasks/list", {}, follows)).error?.code).toBe(-32601);
    expect((await send("tasks/result", { taskId: "x" }, follows)).error?.code).toBe(-32601);
  });
});

describe("an approval", () => {
  async function asked() {
    const { slug } = await createSkill(call, { requires_approval: true });
    const { taskId } = await begin(slug, { text: "a b" }, answers);
    await expect
      .poll(() => get(taskId, answers).then(({ status }) => status))
      .toBe("input_required");
    return taskId;
  }
  const answer = (taskId: unknown, response: unknown) =>
    ask("tasks/update", { taskId, inputResponses: { "approval-1": response } }, answers);

  it("is asked of the client, and let through", async () => {
    const taskId = await asked();
    expect(await get(taskId, answers)).toMatchObject({
      inputRequests: {
        "approval-1": {
          method: "elicitation/create",
          params: {
            mode: "form",
            message: expect.stringContaining("a b"),
            requestedSchema: { required: ["approved"] },
          },
        },
      },
    });
    await answer(taskId, { action: "accept", content: { approved: true, comment: "fine" } });
    expect(await ended(taskId)).toMatchObject({
      status: "completed",
      result: { structuredContent: { words: 2 } },
    });
  });

  it("stays open for an answer that is none, and to another question", async () => {
    const taskId = await asked();
    await answer(taskId, { action: "cancel" });
    await answer(taskId, { nonsense: true });
    await ask(
      "tasks/update",
      { taskId, inputResponses: { other: { action: "accept", content: { approved: true } } } },
      answers,
    );
    expect(await get(taskId, answers)).toMatchObject({ status: "input_required" });
    await answer(taskId, { action: "decline" });
    expect(await ended(taskId)).toMatchObject({ status: "completed", result: { isError: true } });
  });

  it("is not asked of a client that cannot ask, or of a caller that may not decide", async () => {
    const { slug } = await createSkill(call, { requires_approval: true });
    const { taskId } = await begin(slug, { text: "a" });
    await expect
      .poll(() => get(taskId))
      .toMatchObject({
        status: "working",
        statusMessage: expect.stringContaining("approval"),
      });
    const scopes = ["skills:read", "skills:execute"];
    const key = await mintKey(call, { scopes, projects: ["default"] });
    const seen = await ask("tasks/get", { taskId }, { ...answers, key });
    expect(seen).toMatchObject({ status: "working" });
    const update = { taskId, inputResponses: {} };
    const { error } = await send("tasks/update", update, { ...answers, key });
    expect(error?.message).toContain("skills:write");
  });

  it("of a step of a pipeline is asked and answered alike", async () => {
    const tasks = [
      { name: "ask", approval: {} },
      { name: "after", needs: ["ask"], script: "export default () => 1" },
    ];
    const made = await call("/api/v1/pipelines", { body: { name: unique("p"), tasks } });
    const run = await begin("pipelzr_start_pipeline", { pipeline_id: made.body.id }, answers);
    await expect
      .poll(() => get(run.taskId, answers))
      .toMatchObject({ status: "input_required", inputRequests: { "approval-ask": {} } });
    const inputResponses = {
      "approval-ask": { action: "accept", content: { approved: true } },
    };
    await ask("tasks/update", { taskId: run.taskId, inputResponses }, answers);
    expect(await ended(run.taskId)).toMatchObject({
      status: "completed",
      result: { structuredContent: { state: "completed" } },
    });
  });
});
