/** Which tools a session has, and what calls come to that no tool carries out. */
import { describe, expect, it } from "vitest";
import { valueIssues } from "../../executors/outputs-schema.ts";
import { createSkill } from "../../skills/test-support.ts";
import { isolate } from "../../test/app.ts";
import { TestSession } from "./test-support.ts";

const { call } = isolate();

describe("the tools of a session", () => {
  it("are all that the caller may use, in a fixed order", async () => {
    const session = await new TestSession().prepare();
    expect(session.names).toEqual([
      "list_skills",
      "describe_skill",
      "invoke_skill",
      "run_task",
      "start_pipeline",
      "spawn_agent",
      "search_code",
      "list_files",
      "read_file",
      "write_file",
      "apply_patch",
      "ask_user",
    ]);
    const small = await new TestSession({ grants: ["skills:read"] }).prepare();
    expect(small.names).toEqual(["list_skills", "describe_skill", "ask_user"]);
  });

  it("are those that are named, and the session's skills", async () => {
    const { slug, version, digest } = await createSkill(call);
    const session = new TestSession({ skills: [slug], tools: ["read_file"] });
    const { skills } = await session.host.prepare(session.context, {
      skills: [slug],
      tools: ["read_file"],
      codebase: null,
      outputs: null,
      mcp_servers: [],
    });
    expect(skills).toEqual([{ slug, version, digest }]);
    expect((await session.prepare()).names).toEqual([slug, "read_file"]);
    expect(session.definitions[0]).toMatchObject({
      input_schema: { type: "object", required: ["text"] },
      recovery: "attach",
      kind: "tool",
    });
  });

  it("say by schemas what they take", async () => {
    const { definitions } = await new TestSession().prepare();
    const schemaOf = (name: string) =>
      definitions.find((definition) => definition.name === name)?.input_schema ?? null;
    expect(valueIssues(schemaOf("read_file"), { path: "a" }, "input")).toEqual([]);
    expect(valueIssues(schemaOf("read_file"), { file: "a" }, "input")).not.toEqual([]);
    for (const { input_schema } of definitions) {
      expect(input_schema).toMatchObject({ type: "object" });
    }
  });

  it.each([
    [{ tools: ["read_file", "telephone"] }, "tools[1]", "no such tool"],
    [{ tools: ["run_task"], grants: ["skills:read"] }, "tools[0]", "tasks:write"],
    [{ skills: ["no-such-skill"] }, "skills[0]", "no-such-skill"],
    [{ codebase: "no/such" }, "codebase", "no codebase"],
  ] as const)("are refused at preparation: %j", async (options, path, words) => {
    await expect(new TestSession(options).prepare()).rejects.toMatchObject({
      code: "validation_failed",
      issues: [{ path, message: expect.stringContaining(words) }],
    });
  });

  it("need the scopes that skills and codebases need", async () => {
    for (const options of [{ skills: ["any"] }, { codebase: "any" }]) {
      const session = new TestSession({ ...options, grants: ["agents:execute"] });
      await expect(session.prepare()).rejects.toMatchObject({ code: "forbidden" });
    }
  });

  it("answer what they do not know with what to do", async () => {
    const session = await new TestSession({ tools: ["read_file"] }).prepare();
    expect(await session.call("run_task", { command: "true" })).toMatchObject({
      is_error: true,
      output: expect.stringContaining('no tool "run_task"'),
    });
    expect(await session.call("read_file", { file: "a" })).toMatchObject({
      is_error: true,
      output: expect.stringMatching(/read_file.*\n- .*path/s),
    });
  });

  it("are closed to who sends a message without the scopes", async () => {
    const session = await new TestSession().prepare();
    const denied = await session.call("run_task", { command: "true" }, {}, ["agents:execute"]);
    expect(denied).toMatchObject({
      is_error: true,
      output: expect.stringContaining('"tasks:write"'),
    });
  });
});
