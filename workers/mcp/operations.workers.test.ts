/** PIPELZR's own operations as tools. */
import { describe, expect, it } from "vitest";
import { FILES, TestCodebase } from "../codebases/test-support.ts";
import { createSkill, unique } from "../skills/test-support.ts";
import { isolate } from "../test/app.ts";
import { mintKey, script, speaker, textOf } from "./test-support.ts";

const { call } = isolate();
const { callTool } = speaker(call);

const SLEEP =
  "export default async (ms) => { await new Promise((done) => setTimeout(done, ms)); return ms }";

async function createPipeline(tasks: readonly unknown[], inputs?: unknown): Promise<string> {
  const body = { name: unique("pipeline"), tasks, ...(inputs !== undefined && { inputs }) };
  const reply = await call("/api/v1/pipelines", { body });
  expect(reply.status, reply.text).toBe(201);
  return String(reply.body.id);
}

describe("pipelzr_run_task", () => {
  it("runs a script or a command, and answers with what it came to", async () => {
    const done = await callTool("pipelzr_run_task", {
      script: "export default ({ n }) => { console.log('hi'); return { twice: n * 2 } }",
      inputs: { n: 21 },
    });
    expect(done.isError).toBeUndefined();
    expect(done.structuredContent).toMatchObject({
      ...{ state: "completed", exit_code: 0, result: { twice: 42 }, stdout: "hi\n" },
    });
    const shell = await callTool("pipelzr_run_task", {
      command: "cat data/words.txt | wc -l",
      files: { "data/words.txt": "one\ntwo\n" },
    });
    expect(shell.structuredContent?.stdout).toContain("2");
  });

  it("is an error when the task fails, with its output", async () => {
    const failed = await callTool("pipelzr_run_task", { command: "echo broken >&2; exit 3" });
    expect(failed.isError).toBe(true);
    expect(failed.structuredContent).toMatchObject({
      ...{ state: "failed", exit_code: 3, stderr: "broken\n" },
    });
  });

  it("refuses wrong arguments with every path, and what a task cannot be", async () => {
    const wrong = await callTool("pipelzr_run_task", { command: 1, timeout_seconds: -1, huh: 1 });
    expect(wrong.isError).toBe(true);
    for (const path of ["command", "timeout_seconds", "huh"]) {
      expect(textOf(wrong)).toContain(`- ${path}:`);
    }
    const empty = await callTool("pipelzr_run_task", {});
    expect([empty.isError, textOf(empty)]).toEqual([true, expect.stringContaining("command")]);
  });

  it("answers before the end when it is not to wait, and is followed by pipelzr_get_task", async () => {
    const begun = await callTool("pipelzr_run_task", {
      ...{ script: SLEEP, inputs: 200, wait_seconds: 0 },
    });
    expect(begun.isError).toBeUndefined();
    const { id } = begun.structuredContent ?? {};
    const done = await callTool("pipelzr_get_task", { task_id: id, wait_seconds: 30 });
    expect(done.structuredContent).toMatchObject({ id, state: "completed", result: 200 });
  });

  it("is begun once for one Idempotency-Key", async () => {
    const keyed = { headers: { "idempotency-key": unique("key") } };
    const first = await callTool("pipelzr_run_task", { command: "echo a" }, keyed);
    const again = await callTool("pipelzr_run_task", { command: "echo a" }, keyed);
    expect(again.structuredContent?.id).toBe(first.structuredContent?.id);
  });

  it("needs the scope that creating a task needs", async () => {
    const key = await mintKey(call, { scopes: ["tasks:read"], projects: ["default"] });
    const refused = await callTool("pipelzr_run_task", { command: "echo a" }, { key });
    expect([refused.isError, textOf(refused)]).toEqual([
      true,
      expect.stringContaining("tasks:write"),
    ]);
  });
});

describe("pipelines", () => {
  it("are started with inputs, and answer with their outputs", async () => {
    const id = await createPipeline(
      [{ name: "double", script: "export default ({ n }) => n * 2", inputs: "${{ inputs }}" }],
      { type: "object", properties: { n: { type: "number" } }, required: ["n"] },
    );
    const done = await callTool("pipelzr_start_pipeline", { pipeline_id: id, inputs: { n: 4 } });
    expect(done.isError, textOf(done)).toBeUndefined();
    expect(done.structuredContent).toMatchObject({
      ...{ pipeline_id: id, run: 1, state: "completed", progress_percent: 100, open_steps: [] },
    });
    const wrong = await callTool("pipelzr_start_pipeline", { pipeline_id: id });
    expect([wrong.isError, textOf(wrong)]).toEqual([true, expect.stringContaining("n")]);
  });

  it("are watched while they wait, and cancelled", async () => {
    const id = await createPipeline([{ name: "ask", approval: {} }]);
    const begun = await callTool("pipelzr_start_pipeline", { pipeline_id: id, wait_seconds: 0 });
    expect(begun.structuredContent).toMatchObject({ run: 1 });
    await expect
      .poll(async () => {
        const seen = await callTool("pipelzr_get_pipeline_run", { pipeline_id: id });
        return seen.structuredContent?.open_steps;
      })
      .toMatchObject([{ step: "ask", state: "waiting", reason: expect.stringContaining("pprov") }]);
    const gone = await callTool("pipelzr_cancel_pipeline_run", { pipeline_id: id });
    expect(gone.isError, textOf(gone)).toBeUndefined();
    const ended = await callTool("pipelzr_get_pipeline_run", {
      ...{ pipeline_id: id, run: 1, wait_seconds: 30 },
    });
    expect(ended.structuredContent).toMatchObject({ state: "cancelled" });
    const twice = await callTool("pipelzr_cancel_pipeline_run", { pipeline_id: id, run: 1 });
    expect(twice.isError).toBe(true);
  });

  it("are errors when they fail, with the steps that did", async () => {
    const id = await createPipeline([{ name: "bad", command: "exit 1" }]);
    const failed = await callTool("pipelzr_start_pipeline", { pipeline_id: id });
    expect(failed.isError).toBe(true);
    expect(failed.structuredContent).toMatchObject({ state: "failed", failed_steps: ["bad"] });
  });

  it("that do not exist, or never ran, say so", async () => {
    const missing = await callTool("pipelzr_get_pipeline_run", { pipeline_id: "nope" });
    expect([missing.isError, textOf(missing)]).toEqual([true, expect.stringContaining("nope")]);
    const id = await createPipeline([{ name: "a", command: "echo" }]);
    const fresh = await callTool("pipelzr_get_pipeline_run", { pipeline_id: id });
    expect([fresh.isError, textOf(fresh)]).toEqual([true, expect.stringContaining("not been run")]);
  });
});

describe("codebases", () => {
  it("are listed, searched and read", async () => {
    const codebase = await TestCodebase.create(call);
    const { number } = await codebase.push(FILES);
    await codebase.settled(number);
    const listed = await callTool("pipelzr_list_codebases", { limit: 100 });
    expect(listed.structuredContent?.items).toContainEqual(
      expect.objectContaining({ id: codebase.id, latest: expect.objectContaining({ number }) }),
    );
    for (const codebase_id of [codebase.id, undefined]) {
      const found = await callTool("pipelzr_search_code", { query: "parseQuery", codebase_id });
      expect(found.isError, textOf(found)).toBeUndefined();
      expect(found.structuredContent).toMatchObject({
        items: expect.arrayContaining([
          expect.objectContaining({
            ...{ codebase_id: codebase.id, path: "src/parse.ts" },
            matches: expect.arrayContaining([expect.objectContaining({ line: 1 })]),
          }),
        ]),
      });
    }
    const file = await callTool("pipelzr_read_code_file", {
      ...{ codebase_id: codebase.id, path: "src/parse.ts", from_line: 2, lines: 1 },
    });
    expect(file.structuredContent).toEqual({
      ...{ path: "src/parse.ts", snapshot: number, language: "typescript" },
      ...{ from_line: 2, to_line: 2, total_lines: 3, text: "  return text.split(' ');" },
    });
    const past = await callTool("pipelzr_read_code_file", {
      ...{ codebase_id: codebase.id, path: "src/parse.ts", from_line: 9 },
    });
    expect(past.structuredContent).toMatchObject({ to_line: 8, text: "" });
  });

  it("refuse a query with a fault, and a file that is not there", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES);
    const fault = await callTool("pipelzr_search_code", { query: "(" });
    expect(fault.isError).toBe(true);
    const gone = await callTool("pipelzr_read_code_file", {
      ...{ codebase_id: codebase.id, path: "nope.ts" },
    });
    expect([gone.isError, textOf(gone)]).toEqual([true, expect.stringContaining("nope.ts")]);
  });
});

describe("skills", () => {
  it("are listed with those that are no tools, by words and category", async () => {
    const word = unique("zebra");
    const { slug } = await createSkill(call, { name: word, enabled: false });
    const found = await callTool("pipelzr_list_skills", { query: word, category: "analysis" });
    expect(found.structuredContent).toMatchObject({ items: [{ slug, enabled: false }] });
    const other = await callTool("pipelzr_list_skills", { query: word, category: "research" });
    expect(other.structuredContent).toEqual({ items: [], next_cursor: null });
  });

  it("have invocations that are read", async () => {
    const { slug } = await createSkill(call, script("export default () => 7"));
    const reply = await call(`/api/v1/skills/${slug}/invoke`, { body: { inputs: {} } });
    const seen = await callTool("pipelzr_get_invocation", {
      ...{ invocation_id: reply.body.id, wait_seconds: 10 },
    });
    expect(seen.structuredContent).toMatchObject({ slug, state: "completed", outputs: 7 });
  });
});

describe("pipelzr_message_agent", () => {
  it("sends a message, and answers with the reply", async () => {
    const made = await call("/api/v1/agents", { body: { name: "helper", initialize: true } });
    expect(made.status, made.text).toBe(201);
    const said = await callTool("pipelzr_message_agent", {
      agent_id: made.body.id,
      content: "/help",
    });
    expect(said.isError, textOf(said)).toBeUndefined();
    expect(said.structuredContent).toMatchObject({
      turn: 1,
      reply: { stop_reason: "end_turn", text: expect.stringContaining("/skills") },
      ...{ state: "waiting", waiting_for: "message" },
    });
  });

  it("is an error for an agent that takes no messages", async () => {
    const made = await call("/api/v1/agents", { body: { name: "gone" } });
    await call(`/api/v1/agents/${made.body.id}/terminate`, { method: "POST" });
    const said = await callTool("pipelzr_message_agent", { agent_id: made.body.id, content: "hi" });
    expect([said.isError, textOf(said)]).toEqual([true, expect.stringContaining("terminated")]);
  });
});
