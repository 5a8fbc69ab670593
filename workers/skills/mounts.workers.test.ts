/** Skills that mount codebases: what is seen, what it is pinned to, and who may. */
import { describe, expect, it } from "vitest";
import { TestCodebase } from "../codebases/test-support.ts";
import { isolate } from "../test/app.ts";
import { invocationSchema } from "./invocation-schemas.ts";
import { createSkill, issuesOf, SKILLS, unique } from "./test-support.ts";

const { call } = isolate();

const LIST = "export default (_, ctx) => ctx.files.list('**')";
const READ = "export default (_, ctx) => ctx.files.read('code/README.md')";
const FILES = { "README.md": "one", "src/main.ts": "export {};\n" };

async function pushed(files: Readonly<Record<string, string>> = FILES) {
  const name = unique("shop");
  const codebase = await TestCodebase.create(call, { name });
  await codebase.push(files);
  return { name, codebase };
}

async function mounting(codebase: unknown, script = LIST, more: Record<string, unknown> = {}) {
  const implementation = { type: "typescript", script };
  return (await createSkill(call, { inputs: null, ...more, implementation, codebase })).slug;
}

async function invoke(slug: string, inputs: unknown = {}) {
  const reply = await call(`${SKILLS}/${slug}/invoke`, { body: { inputs } });
  expect([200, 202], reply.text).toContain(reply.status);
  return invocationSchema.parse(reply.body);
}

describe("a skill with a codebase", () => {
  it("sees the newest snapshot of the one that its inputs name, or nothing", async () => {
    const { name, codebase } = await pushed();
    const slug = await mounting("${{ inputs.codebase }}");
    const seen = ["code/README.md", "code/src/main.ts"];
    expect((await invoke(slug, { codebase: name })).outputs).toEqual(seen);
    expect((await invoke(slug, { codebase: codebase.id })).outputs).toEqual(seen);
    await codebase.push({ later: "x" });
    expect((await invoke(slug, { codebase: name })).outputs).toEqual(["code/later"]);
    expect((await invoke(slug, { codebase: `${name}@1` })).outputs).toEqual(seen);
    expect((await invoke(slug)).outputs).toEqual([]);
  });

  it("sees the folder and the snapshot that they name, where it says", async () => {
    const { name, codebase } = await pushed();
    await codebase.push({ later: "x" });
    const slug = await mounting({
      codebase: "${{ inputs.codebase }}",
      snapshot: "${{ inputs.snapshot }}",
      folder: "${{ inputs.folder }}",
      path: "tree",
    });
    const named = await invoke(slug, { codebase: name, snapshot: 1, folder: "src" });
    expect(named.outputs).toEqual(["tree/main.ts"]);
    expect((await invoke(slug, { codebase: name })).outputs).toEqual(["tree/later"]);
  });

  it("cannot write it", async () => {
    const { name } = await pushed();
    const script = `export default (_, ctx) => {
      try { ctx.files.write("code/README.md", "x") } catch (error) { return error.code }
    }`;
    expect((await invoke(await mounting(name, script))).outputs).toBe("EROFS");
  });

  it("mounts it by the shell, too", async () => {
    const { name } = await pushed();
    const { slug } = await createSkill(call, {
      inputs: null,
      implementation: { type: "command", command: "cat code/README.md" },
      codebase: name,
    });
    expect(await invoke(slug)).toMatchObject({ state: "completed", stdout: "one" });
  });

  it("stays with the snapshot that it began with when it is retried", async () => {
    const { name, codebase } = await pushed();
    const script = `export default (_, ctx) => {
      if (ctx.run === 1) throw new Error("not yet");
      return ctx.files.read("code/README.md");
    }`;
    const failed = await invoke(await mounting(name, script));
    expect(failed.state).toBe("failed");
    await codebase.push({ "README.md": "two" });
    const retried = await call(`/api/v1/invocations/${failed.id}/retry`, { method: "POST" });
    expect(retried.body, retried.text).toMatchObject({ state: "completed", outputs: "one" });
  });

  it("reuses outputs while the tree is the same", async () => {
    const { name, codebase } = await pushed();
    const script = "export default () => crypto.randomUUID()";
    const slug = await mounting(name, script, { cache: { ttl_seconds: 600 } });
    const first = await invoke(slug);
    await codebase.push({ other: "x" });
    expect((await invoke(slug)).outputs).not.toBe(first.outputs);
    await codebase.push(FILES);
    expect((await invoke(slug)).outputs).toBe(first.outputs);
  });

  it("is refused one that is not there, and begins nothing", async () => {
    const slug = await mounting("${{ inputs.codebase }}");
    const reply = await call(`${SKILLS}/${slug}/invoke`, {
      body: { inputs: { codebase: "nope" } },
    });
    expect(reply.status, reply.text).toBe(422);
    expect(issuesOf(reply.body)).toEqual({ codebase: expect.stringContaining("nope") });
    const odd = await call(`${SKILLS}/${slug}/invoke`, { body: { inputs: { codebase: ["x"] } } });
    expect(odd.status, odd.text).toBe(422);
    const list = await call(`${SKILLS}/${slug}/invocations`);
    expect(list.body.items).toEqual([]);
  });

  it("needs a caller that may read codebases", async () => {
    const { name } = await pushed();
    const slug = await mounting(name);
    const { body } = await call("/api/v1/keys", {
      body: { name: "no code", scopes: ["skills:execute"], projects: ["default"] },
    });
    const reply = await call(`${SKILLS}/${slug}/invoke`, { body: {}, key: String(body.key) });
    expect(reply.status, reply.text).toBe(403);
    expect(reply.body).toMatchObject({ required_scope: "codebases:read" });
  });

  it("is refused for what is no code", async () => {
    const reply = await call(SKILLS, {
      body: {
        ...{ name: unique("prompt"), category: "analysis", codebase: "acme/shop" },
        implementation: { type: "prompt", template: "Hello" },
      },
    });
    expect(reply.status).toBe(422);
    expect(Object.keys(issuesOf(reply.body))).toEqual(["codebase"]);
  });
});

describe("a skill with a codebase that is invoked", () => {
  it("by another mounts its own", async () => {
    const { name } = await pushed();
    const inner = await mounting("${{ inputs.codebase }}", READ);
    const script = `export default ({ codebase }, ctx) => ctx.skills.invoke("${inner}", { codebase })`;
    const outer = await mounting(null, script, { permissions: { skills: [inner] } });
    expect((await invoke(outer, { codebase: name })).outputs).toBe("one");
  });

  it("by a step of a pipeline mounts its own, and fails the step where it is not there", async () => {
    const { name } = await pushed();
    const skill = await mounting("${{ inputs.codebase }}", READ);
    const created = await call("/api/v1/pipelines", {
      body: {
        name: unique("mounts"),
        tasks: [{ name: "read", skill, inputs: { codebase: "${{ inputs.codebase }}" } }],
        outputs: { read: "${{ tasks.read.result }}" },
      },
    });
    expect(created.status, created.text).toBe(201);
    const execute = (codebase: string) =>
      call(`/api/v1/pipelines/${created.body.id}/execute`, { body: { inputs: { codebase } } });
    const done = await execute(name);
    expect(done.body, done.text).toMatchObject({ state: "completed", outputs: { read: "one" } });
    const failed = await execute("nope");
    expect(failed.body, failed.text).toMatchObject({ state: "failed" });
    expect(failed.text).toContain("nope");
  });
});
