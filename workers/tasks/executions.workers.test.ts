/** What codebases learn of executions: places of failures, and files that ran or failed. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { TestCodebase } from "../codebases/test-support.ts";
import { isolate } from "../test/app.ts";

const { call } = isolate();

const FILES = {
  "src/cart.ts": "export {};\n".repeat(9),
  "src/main.ts": "export {};\n",
  "lib/other.ts": "export {};\n",
  "java/com/shop/Cart.java": "class Cart {}\n",
};

async function codebase() {
  const name = `shop-${crypto.randomUUID()}`;
  const made = await TestCodebase.create(call, { name });
  const snapshot = await made.push(FILES);
  return { codebase: made, name, snapshot };
}

async function run(body: Record<string, unknown>) {
  const name = `task-${crypto.randomUUID()}`;
  const reply = await call("/api/v1/tasks", { body: { name, execute: true, ...body } });
  expect(reply.status, reply.text).toBe(201);
  return reply.body;
}

const trace = (...lines: readonly string[]) =>
  `printf '%s\\n' ${lines.map((line) => `'${line}'`).join(" ")} >&2; exit 3`;

async function found(pushed: TestCodebase, q: string): Promise<string[]> {
  const { items } = await pushed.search(q);
  return items.map(({ path }) => path).sort();
}

describe("a failure of a task with a codebase", () => {
  it("names lines of the snapshot, and links to them", async () => {
    const { codebase: pushed, name, snapshot } = await codebase();
    await pushed.push({ "src/cart.ts": "changed\n" });
    const body = await run({
      codebase: `${name}@${snapshot.number}`,
      command: trace(
        "Error: boom",
        "    at total (/workspace/code/src/cart.ts:3:9)",
        "    at node:internal/main:1:1",
        "    at run (/usr/lib/none.ts:5:5)",
        "\tat com.shop.Cart.total(Cart.java:1)",
      ),
    });
    const url = (path: string, line: number) =>
      `/api/v1/codebases/${pushed.id}/files/${path}?snapshot=${snapshot.number}#L${line}`;
    expect(body.locations).toEqual([
      {
        path: "src/cart.ts",
        line: 3,
        column: 9,
        snapshot: snapshot.number,
        url: url("src/cart.ts", 3),
      },
      {
        path: "java/com/shop/Cart.java",
        line: 1,
        column: null,
        snapshot: snapshot.number,
        url: url("java/com/shop/Cart.java", 1),
      },
    ]);
    const content = await call(url("src/cart.ts", 3).replace(/#.*/, ""));
    expect(content.text).toBe(FILES["src/cart.ts"]);
  });

  it("names them by their path in the codebase when a folder of it is mounted", async () => {
    const { name } = await codebase();
    const body = await run({
      codebase: { codebase: name, folder: "src", path: "app" },
      command: `cd app; ${trace("main.ts:1:2 is wrong")}`,
    });
    expect(body.locations).toMatchObject([{ path: "src/main.ts", line: 1, column: 2 }]);
    expect(body.locations).toMatchObject([{ url: expect.stringContaining("/files/src/main.ts?") }]);
  });

  it("of a step does the same, and has none where nothing is named", async () => {
    const { name } = await codebase();
    const made = await call("/api/v1/pipelines", {
      body: {
        name: "fails",
        codebase: name,
        stop_on_failure: false,
        tasks: [
          { name: "named", command: trace("src/main.ts:1: bad") },
          { name: "silent", command: "exit 1" },
        ],
        execute: true,
      },
    });
    expect(made.status, made.text).toBe(201);
    const step = async (which: string) =>
      (await call(`/api/v1/pipelines/${made.body.id}/runs/1/steps/${which}`)).body;
    expect(await step("named")).toMatchObject({
      state: "failed",
      locations: [{ path: "src/main.ts", line: 1 }],
    });
    expect(await step("silent")).toMatchObject({ state: "failed", locations: [] });
  });
});

describe("a search for what was executed", () => {
  it("finds files that commands named, and those that failures pointed to", async () => {
    const { codebase: pushed, name } = await codebase();
    const passed = await run({
      name: "passes",
      codebase: name,
      command: "cat code/src/main.ts && echo code/none.ts",
    });
    const failed = await run({
      name: "fails",
      codebase: name,
      command: `test -f code/lib/other.ts; ${trace("at /w/code/src/cart.ts:2:1")}`,
    });
    await expect.poll(() => found(pushed, "failed:*")).toEqual(["src/cart.ts"]);
    await expect
      .poll(() => found(pushed, "ran:*"))
      .toEqual(["lib/other.ts", "src/cart.ts", "src/main.ts"]);
    expect(await found(pushed, "ran:passes")).toEqual(["src/main.ts"]);
    expect(await found(pushed, `ran:${failed.id}`)).toEqual(["lib/other.ts", "src/cart.ts"]);
    expect(await found(pushed, `failed:${failed.id}`)).toEqual(["src/cart.ts"]);
    expect(await found(pushed, `failed:${passed.id}`)).toEqual([]);
  });

  it("keeps a report once, however often it comes", async () => {
    const { codebase: pushed, snapshot } = await codebase();
    const index = env.CODEBASE_INDEX.getByName(pushed.id);
    const report = {
      project_id: "default",
      codebase_id: pushed.id,
      snapshot: snapshot.number,
      root: snapshot.root ?? "",
      folder: "",
      by: { id: "task-1", name: "again", run: 1, step: "main", epoch: 1 },
      at: 1,
      ran: [["nowhere.ts", "src/main.ts"]],
      failed: [["lib/other.ts"]],
    };
    await index.executed(report);
    await index.executed(report);
    expect(await found(pushed, "ran:again")).toEqual(["lib/other.ts", "src/main.ts"]);
    expect(await found(pushed, "failed:task-1")).toEqual(["lib/other.ts"]);
  });
});
