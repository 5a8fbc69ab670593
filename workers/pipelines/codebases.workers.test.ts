/** Pipelines that mount codebases: what a run is pinned to, and for how long. */
import { describe, expect, it } from "vitest";
import { TestCodebase } from "../codebases/test-support.ts";
import { isolate, type Reply } from "../test/app.ts";

const { call } = isolate();

const READ = {
  command: "cat code/version; cat code/version >> /tmp/v; echo v=$(cat /tmp/v) >> $PIPELZR_OUTPUT",
};

async function codebase() {
  const name = `shop-${crypto.randomUUID()}`;
  return { codebase: await TestCodebase.create(call, { name }), name };
}

async function create(
  tasks: readonly object[],
  more: Record<string, unknown> = {},
): Promise<Reply> {
  return call("/api/v1/pipelines", { body: { name: "mounts", tasks, ...more } });
}

async function created(tasks: readonly object[], more: Record<string, unknown> = {}) {
  const reply = await create(tasks, more);
  expect(reply.status, reply.text).toBe(201);
  return `/api/v1/pipelines/${reply.body.id}`;
}

async function execute(path: string, body: Record<string, unknown> = {}) {
  const reply = await call(`${path}/execute`, { body });
  expect(reply.status, reply.text).toBe(200);
  return reply;
}

async function resultOf(path: string, run: number, step: string) {
  const reply = await call(`${path}/runs/${run}/steps/${step}`);
  expect(reply.body, reply.text).toMatchObject({ state: "completed" });
  return reply.body.result;
}

describe("a run of a pipeline with a codebase", () => {
  it("is pinned when it begins: its later steps and its retries see the same tree", async () => {
    const { codebase: pushed, name } = await codebase();
    const first = await pushed.push({ version: "one" });
    const path = await created(
      [
        { name: "before", ...READ },
        { name: "go", needs: ["before"], wait: { signal: "go" } },
        { name: "after", needs: ["go"], ...READ },
        { name: "bare", codebase: null, command: "test ! -e code" },
        { name: "break", needs: ["after"], command: 'test "$PIPELZR_IDEMPOTENCY_KEY" = x' },
      ],
      { codebase: name },
    );
    const begun = await call(`${path}/start`, { method: "POST" });
    expect(begun.status, begun.text).toBe(202);
    await pushed.push({ version: "two" });
    const signal = () => call(`${path}/signal`, { body: { name: "go" } });
    await expect.poll(async () => (await signal()).status).toBeLessThan(300);
    await expect
      .poll(async () => (await call(path)).body.state, { timeout: 10_000 })
      .toBe("failed");
    const run = await call(`${path}/runs/1`);
    expect(run.body, run.text).toMatchObject({
      codebases: [{ codebase_id: pushed.id, name, snapshot: first.number, root: first.root }],
    });
    expect(await resultOf(path, 1, "before")).toEqual({ v: "one" });
    expect(await resultOf(path, 1, "after")).toEqual({ v: "one" });
    await resultOf(path, 1, "bare");
    const retried = await call(`${path}/retry`, {
      body: { from: "before" },
      headers: { prefer: "respond-async" },
    });
    expect(retried.status, retried.text).toBe(202);
    await expect.poll(async () => (await signal()).status).toBeLessThan(300);
    await expect
      .poll(async () => (await call(`${path}/runs/2`)).body.state, { timeout: 10_000 })
      .toBe("failed");
    expect(await resultOf(path, 2, "after")).toEqual({ v: "one" });
    const anew = await call(`${path}/start`, { method: "POST" });
    expect(anew.status, anew.text).toBe(202);
    await expect
      .poll(async () => (await call(`${path}/runs/3/steps/before`)).body.result)
      .toEqual({ v: "two" });
  });

  it("lends what it is pinned to to runs below it", async () => {
    const { codebase: pushed, name } = await codebase();
    await pushed.push({ version: "one" });
    const below = await created([{ name: "read", ...READ }], {
      codebase: name,
      outputs: { v: "${{ tasks.read.result.v }}" },
    });
    const above = await created(
      [
        { name: "read", ...READ, codebase: name },
        { name: "go", needs: ["read"], wait: { signal: "go" } },
        { name: "below", needs: ["go"], pipeline: below.split("/").at(-1) },
      ],
      { outputs: { v: "${{ tasks.below.result.v }}" } },
    );
    await call(`${above}/start`, { method: "POST" });
    await pushed.push({ version: "two" });
    const signal = () => call(`${above}/signal`, { body: { name: "go" } });
    await expect.poll(async () => (await signal()).status).toBeLessThan(300);
    await expect
      .poll(async () => (await call(above)).body.state, { timeout: 10_000 })
      .toBe("completed");
    expect((await call(`${above}/runs/1`)).body).toMatchObject({ outputs: { v: "one" } });
    expect((await execute(below)).body).toMatchObject({ outputs: { v: "two" } });
  });

  it("reuses a step's result while the tree it mounts is the same", async () => {
    const { codebase: pushed, name } = await codebase();
    const step = { name: "build", ...READ, cache: true };
    const whole = await created([step], { codebase: name });
    const folder = await created([
      {
        ...step,
        command: "cat code/a >> $PIPELZR_OUTPUT",
        codebase: { codebase: name, folder: "lib" },
      },
    ]);
    const cached = async (path: string, run: number) =>
      (await call(`${path}/runs/${run}/steps/build`)).body.cache;
    await pushed.push({ version: "one", "lib/a": "k=1" });
    await execute(whole);
    await execute(folder);
    await pushed.push({ version: "two", "lib/a": "k=1" });
    await execute(whole);
    await execute(folder);
    expect(await cached(whole, 2)).toMatchObject({ hit: false, differs: ["codebase"] });
    expect(await cached(folder, 2)).toMatchObject({ hit: true, run: 1 });
    await execute(whole);
    expect(await cached(whole, 3)).toMatchObject({ hit: true, run: 2 });
  });

  it("mounts what its inputs say", async () => {
    const { codebase: pushed, name } = await codebase();
    await pushed.push({ version: "one", "lib/a": "k=1" }, { ref: "v1" });
    await pushed.push({ version: "two" }, { ref: "v2" });
    const path = await created(
      [
        { name: "read", ...READ },
        {
          name: "part",
          codebase: {
            codebase: name,
            snapshot: "${{ inputs.number }}",
            folder: "${{ inputs.folder }}",
          },
          command: "cat code/a >> $PIPELZR_OUTPUT",
        },
      ],
      { codebase: `${name}@\${{ inputs.ref }}` },
    );
    const inputs = { ref: "v1", number: 1, folder: "lib" };
    await execute(path, { inputs });
    expect(await resultOf(path, 1, "read")).toEqual({ v: "one" });
    expect(await resultOf(path, 1, "part")).toEqual({ k: "1" });
    const shown = await call(`${path}/runs/1`);
    expect(shown.body.codebases).toMatchObject([{ ref: "v1" }, { snapshot: 1, folder: "lib" }]);
    const refused = async (given: object) => {
      const reply = await call(`${path}/execute`, { body: { inputs: given } });
      expect(reply.status, reply.text).toBe(422);
      return reply.body.errors;
    };
    expect(await refused({ ...inputs, ref: "v9" })).toMatchObject([
      { path: "codebase", message: expect.stringContaining('no snapshot "v9"') },
    ]);
    expect(await refused({ number: 1, folder: "lib", ref: null })).toMatchObject([
      { path: "codebase" },
    ]);
    expect(await refused({ ...inputs, folder: null })).toMatchObject([
      { path: "tasks[1].codebase", message: expect.stringContaining("comes to no text") },
    ]);
  });

  it("does not begin when what it mounts is not there, and says where it is named", async () => {
    const { codebase: pushed, name } = await codebase();
    const path = await created([{ name: "read", ...READ, codebase: name }]);
    for (const action of ["start", "execute"]) {
      const early = await call(`${path}/${action}`, { method: "POST" });
      expect(early.status, early.text).toBe(422);
      expect(early.body.errors).toEqual([
        { path: "tasks[0].codebase", message: expect.stringContaining("Push one") },
      ]);
    }
    const atOnce = await create([{ name: "read", ...READ, codebase: name }], { execute: true });
    expect(atOnce.status, atOnce.text).toBe(422);
    await pushed.push({ version: "one" });
    expect((await execute(path)).body).toMatchObject({ state: "completed" });
  });

  it("fails the step whose snapshot was deleted meanwhile", async () => {
    const { codebase: pushed, name } = await codebase();
    const { number } = await pushed.push({ version: "one" });
    const path = await created([
      { name: "go", wait: { signal: "go" } },
      { name: "read", needs: ["go"], ...READ, codebase: `${name}@${number}` },
    ]);
    await call(`${path}/start`, { method: "POST" });
    await call(`${pushed.path}/snapshots/${number}`, { method: "DELETE" });
    const signal = () => call(`${path}/signal`, { body: { name: "go" } });
    await expect.poll(async () => (await signal()).status).toBeLessThan(300);
    await expect
      .poll(async () => (await call(path)).body.state, { timeout: 10_000 })
      .toBe("failed");
    expect((await call(`${path}/runs/1/steps/read`)).body).toMatchObject({
      error_code: "codebase_gone",
    });
  });
});

describe("a definition is refused with", () => {
  it("codebases and snapshots that are not there, and files in their way, all in one answer", async () => {
    const { codebase: pushed, name } = await codebase();
    await pushed.push({ version: "one" });
    const reply = await create(
      [
        { name: "a", ...READ },
        { name: "b", ...READ, codebase: `${name}@v9` },
        { name: "c", ...READ, codebase: { codebase: name, path: "src" }, files: { "src/x": "x" } },
        { name: "d", ...READ, codebase: null },
      ],
      { codebase: "no-such-codebase" },
    );
    expect(reply.status, reply.text).toBe(422);
    const paths = (reply.body.errors as { path: string }[]).map(({ path }) => path);
    expect(paths.sort()).toEqual(["codebase", "tasks[1].codebase", "tasks[2].files.src/x"]);
  });

  it("expressions that are not of the inputs", async () => {
    const reply = await create([
      { name: "a", command: "true" },
      { name: "b", needs: "a", command: "true", codebase: "shop@${{ tasks.a.result }}" },
    ]);
    expect(reply.status, reply.text).toBe(422);
    expect(reply.body.errors).toMatchObject([
      { path: "tasks[1].codebase", message: expect.stringContaining("use inputs") },
    ]);
  });

  it("a codebase of a step that runs no code", async () => {
    const reply = await create([{ name: "hold", wait: { seconds: 0 }, codebase: "any" }]);
    expect(reply.status, reply.text).toBe(422);
    expect(reply.body.errors).toMatchObject([{ path: "tasks[0].codebase" }]);
  });
});
