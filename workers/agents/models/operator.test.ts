import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../../http/json.ts";
import { complete } from "./complete.ts";
import { conversationProblem, type ModelMessage, userText } from "./messages.ts";
import { operatorEvents, operatorStep } from "./operator.ts";
import { ModelError, type ModelRequest, NO_USAGE } from "./port.ts";

const TOOLS = ["list_skills", "invoke_skill", "run_task", "search_code", "read_file"];

function request(change: Partial<ModelRequest> = {}): ModelRequest {
  return {
    model: "operator",
    instructions: null,
    messages: [userText("/help")],
    tools: TOOLS.map((name) => ({ name, description: name, input_schema: { type: "object" } })),
    tool_choice: "auto",
    output_schema: null,
    temperature: null,
    max_output_tokens: null,
    ...change,
  };
}
const step = (text: string, change: Partial<ModelRequest> = {}) =>
  operatorStep(request({ messages: [userText(text)], ...change }));

describe("a command", () => {
  it.each<[text: string, tool: string, input: Json]>([
    ["/skills", "list_skills", {}],
    ["/skills  pull request ", "list_skills", { query: "pull request" }],
    ["/invoke review", "invoke_skill", { skill: "review", input: {} }],
    ['/invoke review {"depth":\n 2}', "invoke_skill", { skill: "review", input: { depth: 2 } }],
    ["/invoke sum [1, 2]", "invoke_skill", { skill: "sum", input: [1, 2] }],
    ["/run ls -l | wc", "run_task", { command: "ls -l | wc" }],
    ["/run\nset -e\nls", "run_task", { command: "set -e\nls" }],
    [
      '/run {"script": "print(1)", "language": "python"}',
      "run_task",
      { script: "print(1)", language: "python" },
    ],
    ["/run [ -e x ]", "run_task", { command: "[ -e x ]" }],
    ["/search def main", "search_code", { query: "def main" }],
    ["/read src/a b.ts", "read_file", { path: "src/a b.ts" }],
    ["/call run_task", "run_task", {}],
    ['/call run_task  {"command":\n "ls"}', "run_task", { command: "ls" }],
  ])("%j calls %s", (text, tool, input) => {
    expect(step(text)).toEqual({ kind: "call", tool, input });
  });

  it.each([
    "/invoke",
    "/invoke review {",
    "/run",
    "/search",
    "/read  ",
    "/call",
    "/call run_task {",
  ])("%j is explained", (text) => {
    expect(step(text)).toEqual({ kind: "text", text: expect.stringContaining("Write: /") });
  });

  it("says which tool is missing", () => {
    const text = expect.stringContaining('"run_task"');
    expect(step("/run ls", { tools: [] })).toEqual({ kind: "text", text });
    expect(step("/run ls", { tool_choice: "none" })).toEqual({ kind: "text", text });
    expect(step("/call run_task", { tools: [] })).toEqual({ kind: "text", text });
  });
});

describe("anything else", () => {
  it.each(["hello", "", "what is /run?", "/dance", "/constructor", "/runs"])(
    "%j is answered by what it is and can do",
    (words) => {
      const { text } = { text: "", ...step(words) };
      expect(text).toMatch(words.startsWith("/") ? /no command/ : /no language model/);
      for (const command of ["/skills", "/invoke", "/run", "/search", "/read", "/help"]) {
        expect(text).toContain(command);
      }
    },
  );

  it("is refused where words are asked for", () => {
    const asked = () => operatorStep(request({ output_schema: { type: "object" } }));
    expect(asked).toThrow(ModelError);
    expect(asked).toThrow(/ANTHROPIC_API_KEY or OPENAI_BASE_URL|OPENAI_BASE_URL/);
  });
});

it("shows the results of calls", () => {
  const call = (id: string, name: string) =>
    ({ type: "tool_call", id, name, input: {}, signature: null, provider: "operator" }) as const;
  const result = (id: string, output: Json, is_error = false) =>
    ({ type: "tool_result", id, output, is_error }) as const;
  const after = (
    calls: readonly ReturnType<typeof call>[],
    results: readonly ReturnType<typeof result>[],
  ) =>
    operatorStep(
      request({
        messages: [
          userText("/run ls"),
          { role: "assistant", content: calls },
          { role: "tool", content: results },
        ],
      }),
    );
  const one = [call("1", "run_task")];
  expect(after(one, [result("1", "a.txt")])).toEqual({ kind: "text", text: "a.txt" });
  expect(after(one, [result("1", "")])).toEqual({ kind: "text", text: "(nothing)" });
  expect(after(one, [result("1", { exit_code: 0 })])).toEqual({
    kind: "text",
    text: '```json\n{\n  "exit_code": 0\n}\n```',
  });
  expect(after(one, [result("1", "no such file", true)])).toEqual({
    kind: "text",
    text: "run_task failed: no such file",
  });
  const two = [...one, call("2", "list_skills")];
  expect(after(two, [result("1", "a.txt"), result("2", "none")])).toEqual({
    kind: "text",
    text: "run_task:\na.txt\n\nlist_skills:\nnone",
  });
});

const texts = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc
    .tuple(
      fc.constantFrom("/skills", "/invoke", "/run", "/search", "/read", "/help", "/"),
      fc.string(),
      fc.json(),
    )
    .map((parts) => parts.join(" ")),
);
const offers = fc.subarray(TOOLS);

it("answers every message by a text or by one call of a tool that is offered, always the same", () => {
  fc.assert(
    fc.property(texts, offers, (text, offered) => {
      const tools = request().tools.filter(({ name }) => offered.includes(name));
      const first = step(text, { tools });
      expect(step(text, { tools })).toEqual(first);
      if (first.kind === "text") expect(first.text).not.toBe("");
      else expect(offered).toContain(first.tool);
    }),
  );
});

it("hands every JSON on to a skill unchanged", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (input) => {
      const text = JSON.stringify(input);
      expect(step(`/invoke name ${text}`)).toEqual({
        kind: "call",
        tool: "invoke_skill",
        input: { skill: "name", input: JSON.parse(text) },
      });
    }),
  );
});

it("holds conversations of any length that every provider would take, at no cost", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(texts, { minLength: 1, maxLength: 8 }), async (said) => {
      const messages: ModelMessage[] = [];
      const ids = new Set<string>();
      for (const text of said) {
        messages.push(userText(text));
        for (let calls = true; calls; ) {
          const port = { step: operatorEvents };
          const completion = await complete(
            port,
            request({ messages }),
            new AbortController().signal,
          );
          expect(completion.usage).toEqual(NO_USAGE);
          messages.push(completion.message);
          calls = completion.finish_reason === "tool_calls";
          for (const { id } of completion.tool_calls) {
            expect(ids.has(id)).toBe(false);
            ids.add(id);
            messages.push({
              role: "tool",
              content: [{ type: "tool_result", id, output: "done", is_error: false }],
            });
          }
        }
      }
      expect(conversationProblem(messages)).toBeNull();
    }),
    { numRuns: 50 },
  );
});
