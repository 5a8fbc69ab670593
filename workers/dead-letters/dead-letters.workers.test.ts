/** Dispatches that were given up: listed, and redriven by the retries of their runs. */
import { createMessageBatch } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import type { Dispatch } from "../executors/detached.ts";
import { FakeOwner } from "../executors/runner/test-support.ts";
import { consume } from "../queues.ts";
import { choresOf } from "../services.ts";
import { type CallInit, isolate } from "../test/app.ts";
import { MAX_REDRIVEN } from "./schemas.ts";

const { call } = isolate();
const PATH = "/api/v1/dead-letters";

const made: string[] = [];
beforeEach(async () => {
  // The lane's own queue delivers as well: the pool is told that nothing is wanted.
  new FakeOwner().install();
  await env.DB.prepare("DELETE FROM dead_letters").run();
});
afterEach(async () => {
  // What waits for a runner would do so beyond this file.
  for (const path of made.splice(0)) await call(`${path}/cancel`, { method: "POST" });
  vi.restoreAllMocks();
});

const itemSchema = z.looseObject({ id: z.string(), status: z.string(), resource_id: z.string() });
const pageSchema = z.object({ items: z.array(itemSchema), next_cursor: z.string().nullable() });
const redrivenSchema = z.object({
  redriven: z.number(),
  skipped: z.number(),
  items: z.array(
    z.object({ id: z.string(), status: z.string(), run: z.number().nullable(), reason: z.any() }),
  ),
  next_cursor: z.string().nullable(),
});

async function list(query = "", init: CallInit = {}) {
  const reply = await call(`${PATH}${query}`, init);
  expect(reply.status, reply.text).toBe(200);
  return pageSchema.parse(reply.body);
}

async function redrive(body: object = {}, init: CallInit = {}) {
  const reply = await call(`${PATH}/redrive`, { body, ...init });
  expect(reply.status, reply.text).toBe(200);
  return redrivenSchema.parse(reply.body);
}

async function keyOf(scopes: readonly string[], projects: readonly string[] | null = null) {
  const reply = await call("/api/v1/keys", { body: { name: "k", scopes, projects } });
  expect(reply.status, reply.text).toBe(201);
  return String(reply.body.key);
}

/** The queue gives a dispatch up. */
async function giveUp(ref: Pick<Dispatch, "resource_id" | "placement"> & Partial<Dispatch>) {
  const dispatch: Dispatch = {
    ...{ version: 1, run: 1, step: 0, epoch: 1, project_id: "default", task_type: "subprocess" },
    ...{ patient: true, claimed_by: null, expires_at: Date.now() + 30_000 },
    ...ref,
  };
  const message = { id: crypto.randomUUID(), timestamp: new Date(), attempts: 1, body: dispatch };
  await consume(createMessageBatch("pipelzr-dead-letters", [message]), env);
  return dispatch;
}

/** A task whose dispatch was given up, so that it has failed. */
async function deadTask(project_id = "default", more: object = {}) {
  const body = { name: "t", task_type: "subprocess", command: "true", project_id, ...more };
  const created = await call("/api/v1/tasks", { body });
  expect(created.status, created.text).toBe(201);
  const id = String(created.body.id);
  made.push(`/api/v1/tasks/${id}`);
  await call(`/api/v1/tasks/${id}/execute`, { method: "POST", headers: { prefer: "wait=0" } });
  await giveUp({ resource_id: id, placement: "shared", project_id });
  return id;
}

async function stateOf(kind: "tasks" | "pipelines", id: string) {
  return (await call(`/api/v1/${kind}/${id}`)).body;
}

/** A pipeline of two steps elsewhere that failed, both given up. */
async function deadPipeline() {
  const step = { task_type: "subprocess", command: "true" };
  const tasks = [
    { name: "a", ...step },
    { name: "b", ...step },
  ];
  const created = await call("/api/v1/pipelines", { body: { name: "p", tasks } });
  expect(created.status, created.text).toBe(201);
  const id = String(created.body.id);
  made.push(`/api/v1/pipelines/${id}`);
  await call(`/api/v1/pipelines/${id}/start`, { method: "POST" });
  const steps = async () => (await call(`/api/v1/pipelines/${id}/runs/1/steps`)).body.items;
  await expect.poll(steps).toMatchObject([{ state: "queued" }, { state: "queued" }]);
  for (const step of [0, 1]) await giveUp({ resource_id: id, placement: "own", step });
  await expect.poll(async () => (await stateOf("pipelines", id)).state).toBe("failed");
  return id;
}

describe("a dead letter", () => {
  it("is written once, and its attempt fails by it", async () => {
    const id = await deadTask();
    await giveUp({ resource_id: id, placement: "shared" });
    expect(await stateOf("tasks", id)).toMatchObject({
      state: "failed",
      error_code: "dispatch_undeliverable",
    });
    const { items } = await list();
    expect(items).toMatchObject([
      {
        resource_id: id,
        resource_kind: "task",
        status: "open",
        ...{ run: 1, step: 0, epoch: 1, task_type: "subprocess", attempts: 9 },
        ...{ redriven_at: null, redriven_by: null, reason: expect.stringContaining("redrive") },
      },
    ]);
    const one = await call(`${PATH}/${items[0]?.id}`);
    expect(one).toMatchObject({ status: 200, body: { resource_id: id } });
  });

  it("is listed by its filters, in pages, for those who see its project", async () => {
    const ids = [await deadTask("alpha"), await deadTask("beta"), await deadTask("alpha")];
    const first = await list("?limit=2&order=asc");
    expect(first.items.map((item) => item.resource_id)).toEqual(ids.slice(0, 2));
    const rest = await list(`?limit=2&order=asc&cursor=${first.next_cursor}`);
    expect(rest).toMatchObject({ items: [{ resource_id: ids[2] }], next_cursor: null });
    expect((await list("?project_id=alpha")).items).toHaveLength(2);
    expect((await list(`?resource_id=${ids[1]}`)).items).toHaveLength(1);
    expect((await list("?task_type=dagger")).items).toEqual([]);
    expect((await list("?status=redriven")).items).toEqual([]);
    const key = await keyOf(["dead_letters:read", "dead_letters:write"], ["beta"]);
    const { items } = await list("", { key });
    expect(items.map((item) => item.resource_id)).toEqual([ids[1]]);
    const [hidden] = (await list("?project_id=alpha")).items;
    for (const method of ["GET", "DELETE"]) {
      expect((await call(`${PATH}/${hidden?.id}`, { method, key })).status).toBe(404);
    }
    const foreign = await redrive({ ids: [hidden?.id] }, { key });
    expect(foreign.items).toMatchObject([{ status: "skipped", run: null }]);
  });

  it("is deleted, which leaves its task as it is", async () => {
    const id = await deadTask();
    const [letter] = (await list()).items;
    const remove = () => call(`${PATH}/${letter?.id}`, { method: "DELETE" });
    expect((await remove()).status).toBe(204);
    expect((await remove()).status).toBe(404);
    expect(await stateOf("tasks", id)).toMatchObject({ state: "failed" });
  });

  it("is kept as long as runs are", async () => {
    await deadTask();
    const sweepAt = async (now: number) => {
      for (const chore of choresOf(env, now)) await chore();
      return (await list()).items.length;
    };
    expect(await sweepAt(Date.now())).toBe(1);
    expect(await sweepAt(Date.now() + 86_401_000)).toBe(0);
  });
});

describe("redriving", () => {
  it("retries the task, once", async () => {
    const id = await deadTask();
    expect(await redrive()).toMatchObject({
      ...{ redriven: 1, skipped: 0, next_cursor: null },
      items: [{ status: "redriven", run: 2, reason: null }],
    });
    expect(await stateOf("tasks", id)).toMatchObject({ state: "queued", run: 2 });
    const [letter] = (await list("?status=redriven")).items;
    expect(letter).toMatchObject({
      redriven_at: expect.any(String),
      redriven_by: "dev_key:dev",
    });
    expect(await redrive()).toMatchObject({ redriven: 0, items: [] });
    const again = await redrive({ ids: [letter?.id, "unknown"] });
    expect(again.items).toMatchObject([
      { status: "skipped", reason: expect.stringContaining("was redriven at") },
      { id: "unknown", status: "skipped", reason: expect.stringContaining("No dead letter") },
    ]);
  });

  it("retries a pipeline once for all of its steps that failed so", async () => {
    const id = await deadPipeline();
    const { redriven, items } = await redrive({ resource_id: id });
    expect(redriven).toBe(2);
    expect(items.map(({ run }) => run)).toEqual([2, 2]);
    expect((await list("?status=open")).items).toEqual([]);
    const runs = await call(`/api/v1/pipelines/${id}/runs`);
    expect(runs.body.items).toMatchObject([{ run: 2, retry_of: 1 }, { run: 1 }]);
  });

  it("skips what was retried meanwhile, and holds it for done", async () => {
    const id = await deadTask();
    await call(`/api/v1/tasks/${id}/retry`, { method: "POST", headers: { prefer: "wait=0" } });
    expect(await redrive()).toMatchObject({
      items: [{ status: "skipped", reason: "Run 2 has retried it." }],
    });
    expect((await list("?status=open")).items).toEqual([]);
    expect(await stateOf("tasks", id)).toMatchObject({ run: 2 });
  });

  it("skips what was executed anew, failed by something else, or is gone", async () => {
    const anew = await deadTask();
    await call(`/api/v1/tasks/${anew}/execute`, { method: "POST", headers: { prefer: "wait=0" } });
    const created = await call("/api/v1/tasks", {
      body: { name: "t", script: "export default () => { throw new Error() }", execute: true },
    });
    const other = String(created.body.id);
    await giveUp({ resource_id: other, placement: "shared" });
    const gone = await deadTask();
    expect((await call(`/api/v1/tasks/${gone}`, { method: "DELETE" })).status).toBe(204);
    const { items, redriven } = await redrive();
    expect(redriven).toBe(0);
    expect(items.map(({ reason }) => reason)).toEqual([
      "Run 2 has begun since.",
      expect.stringContaining("not by this"),
      expect.stringContaining("No task"),
    ]);
  });

  it("says when a task has no retries left", async () => {
    await deadTask("default", { max_retries: 0 });
    expect((await redrive()).items).toMatchObject([
      { status: "skipped", reason: expect.stringContaining("max_retries") },
    ]);
  });

  it("does so many at once, and goes on by the cursor", async () => {
    const ids = [await deadTask("bulk"), await deadTask("bulk"), await deadTask("bulk")];
    const first = await redrive({ project_id: "bulk", limit: 2 });
    expect(first).toMatchObject({ redriven: 2, next_cursor: expect.any(String) });
    const rest = await redrive({ project_id: "bulk", limit: 2, cursor: first.next_cursor });
    expect(rest).toMatchObject({ redriven: 1, next_cursor: null });
    for (const id of ids) expect(await stateOf("tasks", id)).toMatchObject({ run: 2 });
  });

  it("needs to be allowed to run what it retries", async () => {
    await deadTask();
    const writer = await keyOf(["dead_letters:read", "dead_letters:write"]);
    expect((await redrive({}, { key: writer })).items).toMatchObject([
      { status: "skipped", reason: expect.stringContaining("tasks:execute") },
    ]);
    const reader = await keyOf(["dead_letters:read"]);
    expect((await call(`${PATH}/redrive`, { body: {}, key: reader })).status).toBe(403);
    const runner = await keyOf(["dead_letters:write", "tasks:execute"], ["other"]);
    expect(await redrive({}, { key: runner })).toMatchObject({ redriven: 0, skipped: 0 });
  });

  it.each([
    { ids: [] },
    { ids: ["a"], task_type: "dagger" },
    { limit: MAX_REDRIVEN + 1 },
    { task_type: "local" },
    { status: "open" },
    { cursor: "nonsense" },
  ])("cannot be asked for by %j", async (body) => {
    expect((await call(`${PATH}/redrive`, { body })).status).toBe(422);
  });
});
