/** `GET /tasks?pipeline_id=`: the steps of a pipeline's run, in the shape of tasks. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isolate, type Reply } from "../test/app.ts";
import { stepTaskListSchema } from "./step-tasks.ts";

const { call } = isolate();
const createdSchema = z.looseObject({ id: z.string(), state: z.string() });

async function create(tasks: readonly object[], more: object = {}): Promise<string> {
  const body = { name: "listed", tasks, ...more };
  const reply = await call("/api/v1/pipelines", { body });
  expect(reply.status, reply.text).toBe(201);
  return createdSchema.parse(reply.body).id;
}

const list = (query: string) => call(`/api/v1/tasks?${query}`);

function pageOf(reply: Reply) {
  expect(reply.status, reply.text).toBe(200);
  return z.strictObject(stepTaskListSchema.shape).parse(reply.body);
}

const stepsOf = async (query: string) => pageOf(await list(query)).items;
const namesOf = async (query: string) => (await stepsOf(query)).map(({ name }) => name);

const MIXED = [
  { name: "ok", command: "true", description: "Fine.", labels: { team: "search" } },
  { name: "bad", script: "export default () => { throw new Error('no') }", needs: ["ok"] },
  { name: "never", command: "true", needs: ["bad"] },
  { name: "ask", approval: { timeout_seconds: 60 }, needs: ["never"] },
];

describe("the tasks of a pipeline", () => {
  it("are the steps of its newest run, as tasks are shown", async () => {
    const id = await create(MIXED, { execute: true, priority: 3 });
    const [ok, bad, never, ask] = await stepsOf(`pipeline_id=${id}`);
    expect(ok).toMatchObject({
      id: `${id}:1:ok`,
      name: "ok",
      description: "Fine.",
      project_id: "default",
      pipeline_id: id,
      task_type: "local",
      language: "bash",
      state: "completed",
      run: 1,
      attempt: 1,
      exit_code: 0,
      priority: 3,
      labels: { team: "search" },
      timeout_seconds: 300,
      error: null,
      started_at: expect.any(String),
      completed_at: expect.any(String),
      duration_ms: expect.any(Number),
      step: { kind: "work", state: "completed", group: null, items: null, reused_from: null },
    });
    expect(bad).toMatchObject({ state: "failed", language: "javascript" });
    expect(bad?.error).toContain("no");
    expect(never).toMatchObject({ state: "cancelled", attempt: 0, step: { state: "skipped" } });
    expect(ask).toMatchObject({
      task_type: null,
      language: null,
      timeout_seconds: 60,
      step: { kind: "approval" },
    });
  });

  it("say where the step is read, also those that look for it as a task", async () => {
    const tasks = [
      { name: "each", strategy: { matrix: { n: [1, 2] } }, script: "export default () => 7" },
    ];
    const id = await create(tasks, { execute: true });
    const items = await stepsOf(`pipeline_id=${id}`);
    expect(items.map(({ name, step }) => [name, step.group, step.items])).toEqual([
      ["each", null, 2],
      ["each[0]", "each", null],
      ["each[1]", "each", null],
    ]);
    const last = items[2];
    const step = await call(last?.step.path ?? "");
    expect(step.body).toMatchObject({ name: "each[1]", result: 7 });
    const lost = await call(`/api/v1/tasks/${encodeURIComponent(last?.id ?? "")}`);
    expect(lost.status).toBe(404);
    expect(lost.body.detail).toContain(last?.step.path);
  });

  it("are none before the first run, and those of any run that is asked for", async () => {
    const id = await create([{ name: "a", script: "export default (_, ctx) => ctx.run" }]);
    expect(pageOf(await list(`pipeline_id=${id}`))).toEqual({ items: [], next_cursor: null });
    for (const run of [1, 2]) {
      const path = `/api/v1/pipelines/${id}/execute`;
      expect((await call(path, { method: "POST" })).status).toBe(200);
      expect(await stepsOf(`pipeline_id=${id}`)).toMatchObject([{ run }]);
    }
    expect(await stepsOf(`pipeline_id=${id}&run=1`)).toMatchObject([{ id: `${id}:1:a`, run: 1 }]);
    const missing = await list(`pipeline_id=${id}&run=3`);
    expect(missing.status).toBe(404);
    expect(missing.body.detail).toContain("has no run 3. Its newest run is 2.");
  });

  it("are waited for like tasks that run", async () => {
    const id = await create([
      { name: "ask", approval: true },
      { name: "b", command: "true" },
    ]);
    await call(`/api/v1/pipelines/${id}/start`, { method: "POST" });
    const [ask] = await stepsOf(`pipeline_id=${id}&name=ask`);
    expect(ask).toMatchObject({
      state: "running",
      timeout_seconds: null,
      completed_at: null,
      step: { state: "waiting" },
    });
    await call(`/api/v1/pipelines/${id}/cancel`, { method: "POST" });
    const [cancelled] = await stepsOf(`pipeline_id=${id}&name=ask`);
    expect(cancelled).toMatchObject({
      state: "cancelled",
      cancel_requested_at: expect.any(String),
    });
  });

  it("are filtered by what steps have", async () => {
    const id = await create(MIXED, { execute: true });
    const of = `pipeline_id=${id}`;
    expect(await namesOf(`${of}&state=completed,failed`)).toEqual(["ok", "bad"]);
    expect(await namesOf(`${of}&state=cancelled`)).toEqual(["never", "ask"]);
    expect(await namesOf(`${of}&task_type=local`)).toEqual(["ok", "bad", "never"]);
    expect(await namesOf(`${of}&name=bad`)).toEqual(["bad"]);
    expect(await namesOf(`${of}&label=team=search`)).toEqual(["ok"]);
    expect(await namesOf(`${of}&project_id=default`)).toHaveLength(4);
    expect((await list(`${of}&project_id=other`)).status).toBe(404);
  });

  it("come in pages that stay with the run they began with", async () => {
    const tasks = ["a", "b", "c"].map((name) => ({ name, command: "true" }));
    const id = await create(tasks, { execute: true });
    const first = await list(`pipeline_id=${id}&limit=2`);
    expect(pageOf(first).items.map(({ name }) => name)).toEqual(["a", "b"]);
    const next = pageOf(first).next_cursor ?? "";
    const link = /^<([^>]+)>; rel="next"$/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    await call(`/api/v1/pipelines/${id}/execute`, { method: "POST" });
    const second = await call(link);
    expect(pageOf(second)).toMatchObject({ items: [{ name: "c", run: 1 }], next_cursor: null });
    expect(second.headers.get("link")).toBeNull();

    const steps = await call(`/api/v1/pipelines/${id}/runs/latest/steps?limit=2&cursor=${next}`);
    expect(steps.body).toMatchObject({ items: [{ name: "c" }], next_cursor: null });
    const other = await list(`pipeline_id=${id}&run=2&cursor=${next}`);
    expect(other.status).toBe(422);
    expect(other.text).toContain("It belongs to run 1");
  });

  it("refuse a cursor of another list, and the list of tasks one of theirs", async () => {
    const id = await create([{ name: "a", command: "true" }], { execute: true });
    for (const query of [`pipeline_id=${id}&cursor=7`, "cursor=1.7"]) {
      const reply = await list(query);
      expect(reply.status, query).toBe(422);
      expect(reply.body).toMatchObject({ errors: [{ path: "query.cursor" }] });
    }
  });

  it("refuse filters that mean nothing for steps, each by its name", async () => {
    const id = await create([{ name: "a", command: "true" }]);
    const reply = await list(
      `pipeline_id=${id}&agent_id=a&order=desc&created_after=2026-01-01T00:00:00Z`,
    );
    expect(reply.status).toBe(422);
    expect(reply.body).toMatchObject({
      errors: [
        { path: "query.agent_id" },
        { path: "query.order" },
        { path: "query.created_after" },
      ],
    });
    const alone = await list("run=1");
    expect(alone.status).toBe(422);
    expect(alone.body).toMatchObject({ errors: [{ path: "query.run" }] });
  });

  it("are told of by a pipeline that exists, to who may read it", async () => {
    const missing = await list("pipeline_id=nothing");
    expect(missing.status).toBe(404);
    expect(missing.body.detail).toContain('No pipeline with id "nothing"');
    const id = await create([{ name: "a", command: "true" }], { execute: true });
    const made = await call("/api/v1/keys", {
      body: { name: "tasks alone", scopes: ["tasks:read"], projects: ["default"] },
    });
    const { key } = z.looseObject({ key: z.string() }).parse(made.body);
    const reply = await call(`/api/v1/tasks?pipeline_id=${id}`, { key });
    expect(reply.status).toBe(403);
    expect(reply.body.required_scope).toBe("pipelines:read");
    expect((await call("/api/v1/tasks", { key })).status).toBe(200);
  });

  it("are not the tasks that were created with its id, which are found by their own filter", async () => {
    const id = await create([{ name: "a", command: "true" }], { execute: true });
    const body = { name: "linked", command: "true", pipeline_id: id };
    expect((await call("/api/v1/tasks", { body })).status).toBe(201);
    await expect
      .poll(async () => (await list(`linked_pipeline_id=${id}`)).body.items)
      .toMatchObject([{ name: "linked", pipeline_id: id }]);
    expect(await namesOf(`pipeline_id=${id}`)).toEqual(["a"]);
  });
});
