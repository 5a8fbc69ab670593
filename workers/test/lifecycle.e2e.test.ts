/** A task over HTTP from creation to deletion: conditions, pages, repeats, preferences, documents. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { problemSchema } from "../http/problem.ts";
import { taskListSchema, taskSchema } from "../tasks/schemas.ts";
import { Client, type Reply, SCRIPTS } from "./client.ts";
import { TestService } from "./service.ts";

const TASKS = "/api/v1/tasks";
const LISTED = 120;
const PAGE = 25;
const DUPLICATES = 8;

let service: TestService;
let client: Client;

beforeAll(async () => {
  service = await TestService.start();
  client = new Client(service);
});
afterAll(() => service.stop());

const problemOf = (reply: Reply) => problemSchema.loose().parse(reply.json);

describe("conditional requests", () => {
  test("a version is named by ETag, told from another, and guards changes", async () => {
    const { id } = await client.create({ command: "true" });
    const path = `${TASKS}/${id}`;
    const etag = (await client.call(path)).headers.get("etag") ?? "";
    expect(etag).toMatch(/^"v\d+"$/);
    for (const known of [etag, `W/${etag}`, `"v0", ${etag}`, "*"]) {
      const reply = await client.call(path, { headers: { "if-none-match": known } });
      expect([reply.status, reply.text], known).toEqual([304, ""]);
    }
    expect((await client.call(path, { headers: { "if-none-match": '"v0"' } })).status).toBe(200);

    const change = (description: string, ifMatch: string) =>
      client.call(path, {
        method: "PATCH",
        json: { description },
        headers: { "if-match": ifMatch },
      });
    const changed = await change("first", etag);
    expect(changed.status, changed.text).toBe(200);
    const next = changed.headers.get("etag");
    expect(next).not.toBe(etag);
    const stale = await change("second", etag);
    expect(stale.status).toBe(412);
    expect(problemOf(stale)).toMatchObject({ code: "precondition_failed", current_etag: next });
    expect((await client.task(id)).description).toBe("first");
    const removal = { method: "DELETE", headers: { "if-match": etag } };
    expect((await client.call(path, removal)).status).toBe(412);
    expect((await change("third", "*")).status).toBe(200);
  });
});

describe("changes", () => {
  test("a task that runs is neither changed nor deleted; a cancelled one is", async () => {
    const { id } = await client.start({ script: SCRIPTS.sleep, inputs: 60_000 });
    const path = `${TASKS}/${id}`;
    for (const call of [{ method: "PATCH", json: { description: "no" } }, { method: "DELETE" }]) {
      const refused = await client.call(path, call);
      expect(problemOf(refused)).toMatchObject({ status: 409, code: "illegal_transition" });
      expect(problemOf(refused)).toMatchObject({ allowed: ["cancel"] });
    }
    expect((await client.act(id, "cancel")).status).toBe(200);
    expect((await client.call(path, { method: "PATCH", json: { inputs: 1 } })).status).toBe(200);
    const again = await client.act(id, "execute");
    expect(again.json).toMatchObject({ state: "completed", run: 2, result: 1 });
    expect((await client.call(path, { method: "DELETE" })).status).toBe(204);
    for (const rest of ["", "/events", "/logs", "/attempts", "/why", "/artifacts"]) {
      expect((await client.call(path + rest)).status, rest).toBe(404);
    }
  });

  test("deleted tasks leave the lists, also when they were being projected", async () => {
    const name = `deleted-${randomUUID()}`;
    for (let count = 0; count < 40; count += 1) {
      const { id } = await client.create({ name, command: "true", execute: count % 2 === 0 });
      const change = { method: "PATCH", json: { description: "about to go" } };
      expect((await client.call(`${TASKS}/${id}`, change)).status).toBe(200);
      expect((await client.call(`${TASKS}/${id}`, { method: "DELETE" })).status).toBe(204);
    }
    await expect.poll(() => client.list({ name }), { timeout: 10_000 }).toEqual([]);
  });

  test("one answer lists every problem of a task, and nothing is stored", async () => {
    const name = `broken-${randomUUID()}`;
    const reply = await client.call(TASKS, {
      json: {
        name,
        script: "x",
        command: "y",
        priority: 101,
        unknown: 1,
        environment: { "1": "" },
      },
    });
    expect(reply.status).toBe(422);
    const paths = problemOf(reply).errors?.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(["priority", "unknown", "environment.1"]));
    const both = await client.call(TASKS, { json: { name, script: "x", command: "y" } });
    expect(problemOf(both).errors).toMatchObject([{ path: "command" }]);
    expect(await client.list({ name })).toEqual([]);
  });

  test("retries are counted, refused when they make no sense, and keep earlier runs", async () => {
    const task = await client.start({ command: "echo run; false", max_retries: 1 }, "wait=30");
    expect(task).toMatchObject({ state: "failed", exit_code: 1, error_code: "exit_nonzero" });
    const retried = await client.act(task.id, "retry");
    expect(retried.json).toMatchObject({ state: "failed", run: 2, retry_count: 1 });
    const spent = await client.act(task.id, "retry");
    expect(problemOf(spent)).toMatchObject({ code: "illegal_transition", state: "failed" });
    expect(problemOf(spent).detail).toMatch(/max_retries/);
    const repaired = { method: "PATCH", json: { command: "echo fine" } };
    expect((await client.call(`${TASKS}/${task.id}`, repaired)).status).toBe(200);
    expect((await client.act(task.id, "execute")).json).toMatchObject({
      state: "completed",
      run: 3,
    });
    expect((await client.act(task.id, "retry")).status).toBe(409);
    for (const [run, text] of ["run\n", "run\n", "fine\n"].entries()) {
      const path = `${TASKS}/${task.id}/logs?stream=stdout&run=${run + 1}`;
      expect((await client.call(path)).text).toBe(text);
    }
    const why = await client.call(`${TASKS}/${task.id}/why`);
    expect(why.json).toMatchObject({ state: "completed", waiting_for: null });
  });
});

describe("pages", () => {
  const name = `page-${randomUUID()}`;
  const seen: Record<"asc" | "desc", string[]> = { asc: [], desc: [] };
  let mine: string[] = [];

  async function readPages(order: "asc" | "desc", onPage: () => Promise<unknown>): Promise<void> {
    let path: string | null =
      `${TASKS}?${new URLSearchParams({ name, order, limit: String(PAGE) })}`;
    while (path !== null) {
      const reply = await client.call(path);
      expect(reply.status, reply.text).toBe(200);
      const { items, next_cursor } = taskListSchema.parse(reply.json);
      seen[order].push(...items.map(({ id }) => id));
      const link = /^<([^>]+)>; rel="next"$/.exec(reply.headers.get("link") ?? "")?.[1] ?? null;
      expect(link === null).toBe(next_cursor === null);
      if (link !== null) expect(items).toHaveLength(PAGE);
      path = link;
      await onPage();
    }
  }

  test(`${LISTED} tasks come exactly once while others are created`, async () => {
    const create = () => client.create({ name, command: "true" });
    for (let left = LISTED; left > 0; left -= 1) mine.push((await create()).id);
    await expect.poll(async () => (await client.list({ name })).length).toBe(LISTED);
    await Promise.all([readPages("desc", create), readPages("asc", create)]);
    for (const [order, ids] of Object.entries(seen)) {
      expect(new Set(ids).size, order).toBe(ids.length);
      expect(ids.filter((id) => mine.includes(id)).length, order).toBe(LISTED);
    }
    mine = mine.sort();
    expect(seen.asc.filter((id) => mine.includes(id))).toEqual(mine);
    expect(seen.desc.filter((id) => mine.includes(id))).toEqual(mine.toReversed());
  });

  test("a cursor is refused in another order, and when it is not the service's", async () => {
    const { next_cursor } = taskListSchema.parse(
      (await client.call(`${TASKS}?name=${name}&limit=1`)).json,
    );
    const good = encodeURIComponent(next_cursor ?? "");
    expect((await client.call(`${TASKS}?name=${name}&cursor=${good}`)).status).toBe(200);
    for (const query of [
      `cursor=${good}&order=asc`,
      "cursor=garbage",
      `cursor=${good}x`,
      "limit=0",
      "limit=201",
      "limit=1&limit=2",
      "state=unknown",
      "unknown=1",
      "created_after=yesterday",
    ]) {
      expect((await client.call(`${TASKS}?${query}`)).status, query).toBe(422);
    }
  });

  test("filters by state, type and age", async () => {
    const done = await client.start({ name, command: "true" }, "wait=30");
    const ids = async (query: Record<string, string>) =>
      (await client.list({ name, ...query })).map(({ id }) => id);
    await expect.poll(() => ids({ state: "completed,failed" })).toEqual([done.id]);
    expect(await ids({ state: "running" })).toEqual([]);
    expect(await ids({ task_type: "dagger" })).toEqual([]);
    expect(await ids({ created_before: done.created_at })).not.toContain(done.id);
    expect(await ids({ created_after: done.created_at })).toEqual([]);
    expect(
      await ids({ created_after: new Date(Date.parse(done.created_at) - 1).toISOString() }),
    ).toContain(done.id);
  });
});

describe("Idempotency-Key", () => {
  const idSchema = z.looseObject({ id: z.string() });
  const idOf = (reply: Reply) => idSchema.parse(reply.json).id;
  const post = (json: object, key: string, path = TASKS) =>
    client.call(path, { method: "POST", json, headers: { "idempotency-key": key } });

  test("the same request again is answered with the first response", async () => {
    const key = randomUUID();
    const body = {
      name: `once-${key}`,
      script: SCRIPTS.echo,
      inputs: { a: 1, b: 2 },
      execute: true,
    };
    const reordered = {
      execute: true,
      inputs: { b: 2, a: 1 },
      script: body.script,
      name: body.name,
    };
    const first = await post(body, key);
    const again = await post(reordered, key);
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.json).toEqual(first.json);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(again.headers.get("location")).toBe(first.headers.get("location"));
    expect((await client.task(idOf(first))).run).toBe(1);
    await expect.poll(async () => (await client.list({ name: body.name })).length).toBe(1);

    const other = await post({ ...body, inputs: { a: 2 } }, key);
    expect(problemOf(other)).toMatchObject({ status: 422, code: "idempotency_mismatch" });
    const elsewhere = await post(body, key, `${TASKS}/${idOf(first)}/execute`);
    expect(problemOf(elsewhere)).toMatchObject({ status: 422, code: "idempotency_mismatch" });
  });

  test("the same request many times at once makes one task and one run", async () => {
    const key = randomUUID();
    const body = { name: `twins-${key}`, script: SCRIPTS.sleep, inputs: 100, execute: true };
    const replies = await Promise.all(Array.from({ length: DUPLICATES }, () => post(body, key)));
    const created = replies.filter(({ status }) => status === 201);
    expect(created.length).toBeGreaterThan(0);
    expect(new Set(created.map(idOf)).size).toBe(1);
    for (const refused of replies.filter(({ status }) => status !== 201)) {
      expect(problemOf(refused)).toMatchObject({ status: 409, code: "idempotency_in_progress" });
      expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    const listed = () => client.list({ name: body.name });
    await expect.poll(async () => (await listed()).map(({ run }) => run)).toEqual([1]);
  });

  test("an execute with a key that is sent twice starts one run", async () => {
    const { id } = await client.create({ command: "true" });
    const key = randomUUID();
    const execute = () => client.act(id, "execute", { headers: { "idempotency-key": key } });
    const [first, again] = [await execute(), await execute()];
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.json).toEqual(first.json);
    expect((await client.task(id)).run).toBe(1);
  });

  test("what was refused frees its key, and a key that is none is refused", async () => {
    const key = randomUUID();
    expect((await post({ name: "" }, key)).status).toBe(422);
    expect((await post({ name: "fine", command: "true" }, key)).status).toBe(201);
    expect((await post({ name: "fine", command: "true" }, "a b")).status).toBe(422);
    expect((await post({ name: "fine", command: "true" }, "k".repeat(256))).status).toBe(422);
  });
});

describe("Prefer", () => {
  const body = { script: SCRIPTS.sleep, inputs: 60_000 };

  test("says how long a caller waits, and what was applied", async () => {
    for (const [prefer, applied] of [
      ["respond-async", "respond-async"],
      ["wait=0", "wait=0"],
      ["handling=lenient, wait=1", "wait=1"],
    ]) {
      const headers = { prefer: prefer ?? "" };
      const reply = await client.call(TASKS, {
        json: { name: "slow", execute: true, ...body },
        headers,
      });
      const task = taskSchema.parse(reply.json);
      expect([reply.status, task.completed_at], prefer).toEqual([201, null]);
      expect(reply.headers.get("preference-applied"), prefer).toBe(applied);
      expect(reply.headers.get("location")).toBe(`${TASKS}/${task.id}`);
      expect((await client.act(task.id, "cancel")).status).toBe(200);
    }
  });

  test("of an execute makes 202 with Location while it runs, 200 when it has ended", async () => {
    const slow = await client.create(body);
    const running = await client.act(slow.id, "execute", { headers: { prefer: "wait=0" } });
    expect(running.status, running.text).toBe(202);
    expect(running.headers.get("location")).toBe(`${TASKS}/${slow.id}`);
    expect((await client.act(slow.id, "cancel")).status).toBe(200);
    const quick = await client.create({ script: SCRIPTS.sleep, inputs: 50 });
    const ended = await client.act(quick.id, "execute", { headers: { prefer: "wait=99999" } });
    expect(ended.status, ended.text).toBe(200);
    expect(ended.headers.get("preference-applied")).toBe("wait=60");
    expect(ended.json).toMatchObject({ state: "completed", result: 50 });
  });
});

describe("YAML", () => {
  const yaml = (body: string, method = "POST", path = TASKS) =>
    client.call(path, { method, body, headers: { "content-type": "application/yaml" } });
  const DOCUMENT = `
# A task as a person writes it.
name: from yaml
script: |
  export default (input, { files }) => ({
    sum: input.numbers.reduce((a, b) => a + b, 0), text: files.read("a.txt") })
inputs:
  numbers: &numbers [1, 2, 3]
labels: { team: "42" }
files:
  a.txt: |
    grüße
execute: true
`;

  test("says the same as JSON", async () => {
    const reply = await yaml(DOCUMENT);
    expect(reply.status, reply.text).toBe(201);
    expect(reply.json).toMatchObject({
      name: "from yaml",
      state: "completed",
      labels: { team: "42" },
      result: { sum: 6, text: "grüße\n" },
    });
    const { id } = taskSchema.parse(reply.json);
    const changed = await yaml("description: changed\npriority: 7\n", "PATCH", `${TASKS}/${id}`);
    expect(changed.json).toMatchObject({ description: "changed", priority: 7, name: "from yaml" });
  });

  test("is refused with line and column when it cannot be read", async () => {
    const reply = await yaml("name: x\nlabels: {a: b\ncommand: 'true'\n");
    expect(problemOf(reply)).toMatchObject({ status: 400, code: "bad_request" });
    expect(problemOf(reply).errors?.[0]?.path).toMatch(/^line \d+, column \d+$/);
    expect((await yaml("name: x\nunknown: 1\ncommand: 'true'\n")).status).toBe(422);
  });
});
