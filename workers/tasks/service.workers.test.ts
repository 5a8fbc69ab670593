/** Tasks over HTTP, as far as the service decides: filters, races, messages. */
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { isolate } from "../test/app.ts";

const { call } = isolate();
const taskSchema = z.object({ id: z.string(), state: z.string(), name: z.string() });
const listSchema = z.object({ items: z.array(taskSchema) });

async function create(body: Record<string, unknown>) {
  const reply = await call("/api/v1/tasks", { body: { name: "t", command: "true", ...body } });
  expect(reply.status, reply.text).toBe(201);
  return taskSchema.parse(reply.body);
}

async function names(query: string): Promise<string[]> {
  const reply = await call(`/api/v1/tasks?${query}`);
  expect(reply.status, reply.text).toBe(200);
  return listSchema
    .parse(reply.body)
    .items.map(({ name }) => name)
    .sort();
}

describe("listing by label", () => {
  it("finds the tasks that have every label asked for", async () => {
    await create({ name: "both", labels: { team: "search", "odd key": "a=b" } });
    await create({ name: "one", labels: { team: "search" } });
    await create({ name: "none" });
    await vi.waitFor(async () => expect(await names("label=team=search")).toEqual(["both", "one"]));
    expect(await names("label=team=search&label=odd%20key=a=b")).toEqual(["both"]);
    expect(await names("label=team=other")).toEqual([]);
  });

  it("says how a label is sent", async () => {
    const reply = await call("/api/v1/tasks?label=team");
    expect(reply.status).toBe(422);
    expect(reply.text).toContain("Send a label as key=value.");
  });
});

describe("changes without a precondition", () => {
  it("never meet one: several at once all take effect", async () => {
    const { id } = await create({});
    const path = `/api/v1/tasks/${id}`;
    const replies = await Promise.all(
      ["a", "b", "c", "d"].map((name, priority) =>
        call(path, { method: "PATCH", body: priority % 2 === 0 ? { name } : { priority } }),
      ),
    );
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect((await call(path, { method: "DELETE" })).status).toBe(204);
  });

  it("are refused with one that is out of date", async () => {
    const { id } = await create({});
    const path = `/api/v1/tasks/${id}`;
    const etag = (await call(path)).headers.get("etag") ?? "";
    expect((await call(path, { method: "PATCH", body: { name: "new" } })).status).toBe(200);
    const headers = { "If-Match": etag };
    expect((await call(path, { method: "DELETE", headers })).status).toBe(412);
    expect((await call(path, { method: "PATCH", body: { name: "x" }, headers })).status).toBe(412);
  });
});

describe("a run that does not exist", () => {
  it.each(["logs", "events", "attempts"])(
    "is told from a task that does not, by %s",
    async (part) => {
      const { id } = await create({ execute: true });
      const reply = await call(`/api/v1/tasks/${id}/${part}?run=7`);
      expect(reply.status).toBe(404);
      expect(reply.body.detail).toBe(`The task ${id} has no run 7. Its newest run is 1.`);
    },
  );
});

describe("a list of executors", () => {
  const typeOf = async (body: Record<string, unknown>) => {
    const reply = await call("/api/v1/tasks", { body: { name: "t", command: "true", ...body } });
    return { status: reply.status, text: reply.text };
  };

  it("says the type by its first, unless that is said", async () => {
    const left = await typeOf({ executors: ["dagger", "subprocess"] });
    expect(left.status, left.text).toBe(201);
    expect(JSON.parse(left.text)).toMatchObject({ task_type: "dagger" });
    const said = await typeOf({ executors: ["dagger"], task_type: "local" });
    expect(said.status).toBe(422);
    expect(said.text).toContain("The first of executors is the task_type");
    expect((await typeOf({ executors: ["dagger", "dagger"] })).text).toContain(
      "Name each executor once.",
    );
  });

  it("names at least one, and none that is always there", async () => {
    const empty = await typeOf({ executors: [] });
    expect(empty.status).toBe(422);
    expect(JSON.parse(empty.text)).toMatchObject({
      errors: [{ path: "executors", message: expect.stringContaining("at least one") }],
    });
    const local = await typeOf({ executors: ["subprocess", "local"] });
    expect(local.status).toBe(422);
    expect(JSON.parse(local.text)).toMatchObject({
      errors: [{ path: "executors[1]", message: expect.stringContaining("always there") }],
    });
    expect((await typeOf({ executors: ["vm"] })).text).toContain("Use one of: dagger, e2b");
  });

  it("is held against the type by a change too", async () => {
    const { id } = await create({ executors: ["dagger", "subprocess"] });
    const path = `/api/v1/tasks/${id}`;
    const patch = (body: Record<string, unknown>) => call(path, { method: "PATCH", body });
    expect((await patch({ task_type: "local" })).status).toBe(422);
    const turned = await patch({ executors: ["subprocess", "dagger"] });
    expect(turned.body).toMatchObject({ task_type: "subprocess" });
    const local = await patch({ executors: [], task_type: "local" });
    expect(local.body).toMatchObject({ task_type: "local", executors: [] });
  });
});

describe("a member that nothing would heed", () => {
  it("is refused when a change of the type leaves it behind, until it is taken away", async () => {
    const { id } = await create({ task_type: "subprocess", runs_on: ["gpu"] });
    const patch = (body: Record<string, unknown>) =>
      call(`/api/v1/tasks/${id}`, { method: "PATCH", body });
    const refused = await patch({ task_type: "local" });
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({
      errors: [{ path: "runs_on", message: expect.stringContaining("leave runs_on out ([])") }],
    });
    expect((await patch({ task_type: "local", runs_on: [] })).status).toBe(200);
  });
});
