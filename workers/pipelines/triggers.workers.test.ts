/** Who began a run and by what: in views, in lists, in events, and through the years. */
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isolate } from "../test/app.ts";
import {
  create as createQuietly,
  downgrade,
  eventsOfType,
  execute,
  runs,
  stubOf,
} from "./test-support-runs.ts";

const DEV = "dev_key:dev";
const { call } = isolate();
const idSchema = z.looseObject({ id: z.string() });

async function post(path: string, body: object = {}, key?: string) {
  const reply = await call(`/api/v1/${path}`, { body, ...(key ? { key } : {}) });
  expect(reply.status, reply.text).toBeLessThan(300);
  return reply.body;
}

const STEP = { name: "a", command: "true" };
const FAILS = { name: "a", script: "export default () => { throw new Error('no') }" };
const create = async (task: object, more: object = {}) =>
  idSchema.parse(await post("pipelines", { name: "triggered", tasks: [task], ...more })).id;

async function runsOf(id: string) {
  const { body } = await call(`/api/v1/pipelines/${id}/runs`);
  const itemSchema = z.looseObject({ trigger: z.string(), triggered_by: z.string().nullable() });
  return z
    .looseObject({ items: z.array(itemSchema) })
    .parse(body)
    .items.map(({ trigger, triggered_by }) => [trigger, triggered_by]);
}

/** A key of its own, and who its callers are. */
async function newKey() {
  const scopes = ["pipelines:read", "pipelines:execute"];
  const made = await post("keys", { name: "other", scopes, projects: ["default"] });
  const { id, key } = z.looseObject({ id: z.string(), key: z.string() }).parse(made);
  return { key, caller: `api_key:${id}` };
}

describe("a run of a pipeline", () => {
  it("says who began it and by what, each run for itself", async () => {
    const other = await newKey();
    const id = await create(FAILS, { execute: true });
    await post(`pipelines/${id}/execute`, {}, other.key);
    await post(`pipelines/${id}/retry`);
    await post(`pipelines/${id}/start`, {}, other.key);
    expect(await runsOf(id)).toEqual([
      ["start", other.caller],
      ["retry", DEV],
      ["execute", other.caller],
      ["execute", DEV],
    ]);
    const one = await call(`/api/v1/pipelines/${id}/runs/3`);
    expect(one.body).toMatchObject({ trigger: "retry", triggered_by: DEV, retry_of: 2 });
    const shown = await call(`/api/v1/pipelines/${id}`);
    expect(shown.body).toMatchObject({ newest_run: { triggered_by: other.caller } });
  });

  it("says so in the events of its beginning", async () => {
    const id = await create(STEP);
    await post(`pipelines/${id}/execute`);
    const told = { trigger: "execute", triggered_by: DEV };
    expect(await eventsOfType(id, "run.queued")).toEqual([told]);
    expect(await eventsOfType(id, "run.started")).toEqual([told]);
  });

  it("that was cancelled before it was begun says who did that", async () => {
    const id = await create(STEP);
    await post(`pipelines/${id}/cancel`);
    expect(await runsOf(id)).toEqual([["cancel", DEV]]);
  });

  it("that is a step was begun by whoever began the run above it, however far", async () => {
    const other = await newKey();
    const leaf = await create(STEP);
    const middle = await create({ name: "leaf", pipeline: leaf });
    const root = await create({ name: "middle", pipeline: middle });
    await post(`pipelines/${root}/execute`, {}, other.key);
    expect(await runsOf(middle)).toEqual([["parent", other.caller]]);
    expect(await runsOf(leaf)).toEqual([["parent", other.caller]]);
  });

  it("of before this was noted was begun by nobody known", async () => {
    const id = await createQuietly([STEP]);
    await execute(id);
    await runInDurableObject(stubOf(id), (_, { storage }) => downgrade(storage.sql));
    await runInDurableObject(stubOf(id), (_, state) => state.abort("upgrade")).catch(() => null);
    await execute(id, {});
    expect(await runs.runs(id, null, 5)).toMatchObject([
      { run: 2, trigger: "execute", triggered_by: null },
      { run: 1, trigger: "execute", triggered_by: null },
    ]);
    await post(`pipelines/${id}/execute`);
    expect(await runsOf(id)).toMatchObject([["execute", DEV], {}, {}]);
  });
});

describe("a pipeline's triggered_by", () => {
  it("is what its creation says, whoever begins its runs", async () => {
    const id = await create(STEP, { triggered_by: "release-train" });
    await post(`pipelines/${id}/execute`);
    const shown = await call(`/api/v1/pipelines/${id}`);
    expect(shown.body).toMatchObject({ triggered_by: "release-train" });
  });

  it("is else who began the newest run, and lists find it by that", async () => {
    const other = await newKey();
    const id = await create(STEP);
    expect((await call(`/api/v1/pipelines/${id}`)).body).toMatchObject({ triggered_by: null });
    await post(`pipelines/${id}/execute`, {}, other.key);
    await expect
      .poll(async () => (await call(`/api/v1/pipelines?triggered_by=${other.caller}`)).body.items)
      .toMatchObject([{ id, triggered_by: other.caller }]);
  });
});

describe("a run of a task", () => {
  it("says who began it in its events", async () => {
    const { id } = idSchema.parse(await post("tasks", { name: "t", command: "true" }));
    await post(`tasks/${id}/execute`);
    const stream = await call(`/api/v1/tasks/${id}/events`);
    expect(stream.text).toContain(`"trigger":"execute","triggered_by":"${DEV}"`);
  });
});

describe("inputs of a run", () => {
  it("are refused where none is started, before anything is stored", async () => {
    const body = { name: "unstarted", tasks: [STEP], run_inputs: { a: 1 } };
    const reply = await call("/api/v1/pipelines", { body });
    expect(reply.status).toBe(422);
    expect(reply.body).toMatchObject({
      errors: [{ path: "run_inputs", message: expect.stringContaining("Set execute to true") }],
    });
    const listed = await call("/api/v1/pipelines?name=unstarted");
    expect(listed.body).toMatchObject({ items: [] });
  });
});
