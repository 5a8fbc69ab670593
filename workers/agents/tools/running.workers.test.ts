/** Tools that run something elsewhere: tasks, skills, pipelines. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createSkill, unique } from "../../skills/test-support.ts";
import { isolate } from "../../test/app.ts";
import { TestSession } from "./test-support.ts";

const { call } = isolate();
const listed = z.object({ items: z.array(z.looseObject({ id: z.string(), state: z.string() })) });

async function list(path: string) {
  return listed.parse((await call(path)).body).items;
}

describe("run_task", () => {
  it("answers with what the task came to", async () => {
    const session = await new TestSession().prepare();
    const ran = await session.call("run_task", { command: "echo hello; echo oops >&2" });
    expect(ran).toMatchObject({
      is_error: false,
      output: { state: "completed", exit_code: 0, stdout: "hello\n", stderr: "oops\n" },
    });
    const script = "export default ({ a }) => ({ twice: a * 2 })";
    expect(await session.call("run_task", { script, inputs: { a: 21 } })).toMatchObject({
      output: { result: { twice: 42 } },
    });
  });

  it("is an error when the task fails, or cannot be made", async () => {
    const session = await new TestSession().prepare();
    expect(await session.call("run_task", { command: "exit 3" })).toMatchObject({
      is_error: true,
      output: { state: "failed", exit_code: 3 },
    });
    expect(await session.call("run_task", { script: "x", command: "y" })).toMatchObject({
      is_error: true,
      output: expect.stringContaining("- "),
    });
  });

  it("finds its task when the call is run again", async () => {
    const session = await new TestSession().prepare();
    const input = { command: "echo once" };
    const first = await session.call("run_task", input, { key: "same" });
    const again = await session.call("run_task", input, { key: "same" });
    expect(again).toEqual(first);
    await expect.poll(() => list(`/api/v1/tasks?agent_id=${session.id}`)).toHaveLength(1);
    await session.call("run_task", input, { key: "other" });
    await expect.poll(() => list(`/api/v1/tasks?agent_id=${session.id}`)).toHaveLength(2);
  });

  it("stops its task when the call is stopped", async () => {
    const session = await new TestSession().prepare();
    const stop = new AbortController();
    const script =
      "export default async () => { await new Promise((done) => setTimeout(done, 60_000)); }";
    const running = session.call("run_task", { script }, { signal: stop.signal });
    const states = async () =>
      (await list(`/api/v1/tasks?agent_id=${session.id}`)).map(({ state }) => state);
    await expect.poll(states).toEqual(["running"]);
    stop.abort();
    expect(await running).toMatchObject({ is_error: true });
    await expect.poll(states).toEqual(["cancelled"]);
  });

  it("has the files that the session has written", async () => {
    const session = await new TestSession().prepare();
    await session.call("write_file", { path: "src/a.txt", content: "written\n" });
    const command = "cat changes/src/a.txt extra.txt";
    const files = { "extra.txt": "given\n" };
    expect(await session.call("run_task", { command, files })).toMatchObject({
      output: { stdout: "written\ngiven\n" },
    });
  });
});

describe("skills", () => {
  it("run by their slugs as they were pinned, for the session", async () => {
    const { slug, id } = await createSkill(call);
    const session = await new TestSession({ skills: [slug] }).prepare();
    const implementation = { type: "typescript", script: "export default () => ({ words: -1 })" };
    await call(`/api/v1/skills/${id}`, { method: "PATCH", body: { implementation } });
    const counted = { is_error: false, output: { words: 3 } };
    expect(await session.call(slug, { text: "a b c" })).toEqual(counted);
    const invoke = { skill: slug, input: { text: "a b c" } };
    expect(await session.call("invoke_skill", invoke)).toEqual(counted);
    const latest = { skill: `${slug}@latest`, input: { text: "a" } };
    expect(await session.call("invoke_skill", latest)).toMatchObject({ output: { words: -1 } });
    await expect
      .poll(() => list(`/api/v1/invocations?parent_id=${session.id}`))
      .toMatchObject([
        { parent: { kind: "agent", id: session.id, run: 1 }, invoked_by: "dev_key:dev" },
        {},
        {},
      ]);
  });

  it("are invoked once when the call is run again, even if they are disabled since", async () => {
    const { slug, id } = await createSkill(call);
    const session = await new TestSession({ skills: [slug] }).prepare();
    const first = await session.call(slug, { text: "a b" }, { key: "same" });
    await call(`/api/v1/skills/${id}/disable`, { method: "POST" });
    expect(await session.call(slug, { text: "a b" }, { key: "same" })).toEqual(first);
    expect(await session.call(slug, { text: "a b" })).toMatchObject({
      is_error: true,
      output: expect.stringContaining("disabled"),
    });
  });

  it("tell what is wrong with their input, and why they fail", async () => {
    const { slug } = await createSkill(call);
    const script = "export default () => { throw new Error('no luck') }";
    const failing = await createSkill(call, {
      implementation: { type: "javascript", script },
      inputs: null,
    });
    const session = await new TestSession({ skills: [slug, failing.slug] }).prepare();
    expect(await session.call(slug, { txt: 1 })).toMatchObject({
      is_error: true,
      output: expect.stringContaining("inputs"),
    });
    expect(await session.call(failing.slug, {})).toMatchObject({
      is_error: true,
      output: { state: "failed", error: expect.stringContaining("no luck") },
    });
  });

  it("of instructions alone are read", async () => {
    const { slug } = await createSkill(call, {
      ...{ implementation: null, inputs: null, instructions: "# Do this\n" },
    });
    const session = await new TestSession({ skills: [slug] }).prepare();
    expect(await session.call(slug, {})).toEqual({ is_error: false, output: "# Do this\n" });
  });

  it("are listed and described", async () => {
    const name = unique("rare");
    const { slug } = await createSkill(call, { name });
    const session = await new TestSession().prepare();
    expect(await session.call("list_skills", { query: name })).toMatchObject({
      output: { skills: [{ slug, name, runs: true }] },
    });
    expect(await session.call("describe_skill", { skill: slug })).toMatchObject({
      output: { slug, inputs: { required: ["text"] } },
    });
    expect(await session.call("describe_skill", { skill: "none" })).toMatchObject({
      is_error: true,
      output: expect.stringContaining('"none"'),
    });
  });
});

describe("start_pipeline", () => {
  const tasks = [{ name: "make", script: "export default ({ a }) => a * 2", inputs: { a: 21 } }];

  it("runs one to its end, by id or name, once a call", async () => {
    const name = unique("pipeline");
    const outputs = { answer: "${{ tasks.make.result }}" };
    const { id } = (await call("/api/v1/pipelines", { body: { name, tasks, outputs } })).body;
    const session = await new TestSession().prepare();
    const first = await session.call("start_pipeline", { pipeline: String(id) }, { key: "same" });
    expect(first).toEqual({
      is_error: false,
      output: { pipeline_id: id, run: 1, state: "completed", outputs: { answer: 42 } },
    });
    const again = await session.call("start_pipeline", { pipeline: String(id) }, { key: "same" });
    expect(again).toEqual(first);
    await expect.poll(() => list(`/api/v1/pipelines?name=${name}`)).toHaveLength(1);
    const named = await session.call("start_pipeline", { pipeline: name });
    expect(named).toMatchObject({ output: { run: 2 } });
  });

  it("tells of one that fails, or is not there", async () => {
    const failing = { name: unique("p"), tasks: [{ name: "x", command: "exit 1" }] };
    const { id } = (await call("/api/v1/pipelines", { body: failing })).body;
    const session = await new TestSession().prepare();
    expect(await session.call("start_pipeline", { pipeline: String(id) })).toMatchObject({
      is_error: true,
      output: { state: "failed", error: expect.any(String) },
    });
    expect(await session.call("start_pipeline", { pipeline: "none" })).toMatchObject({
      is_error: true,
      output: expect.stringContaining('"none"'),
    });
  });
});
