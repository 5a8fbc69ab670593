import { describe, expect, it } from "vitest";
import type { ToolDefinition } from "../tool-port.ts";
import { callSpecs, inputDigest } from "./call-specs.ts";

const tool: ToolDefinition = {
  name: "run_task",
  description: "Runs a task.",
  input_schema: {
    type: "object",
    properties: { command: { type: "string" } },
    required: ["command"],
  },
  recovery: "attach",
  is_parallel: true,
  kind: "tool",
};
const call = (name: string, input: { readonly [name: string]: string | number }) =>
  ({ type: "tool_call", id: "c1", name, input, signature: null, provider: "openai" }) as const;
const judged = (
  name: string,
  input: { readonly [name: string]: string | number },
  tool_policies: Readonly<Record<string, "allow" | "ask" | "deny">> = {},
) => callSpecs([call(name, input)], [tool], { tool_policies })[0];

describe("a call", () => {
  it("is as its tool and its policy say", () => {
    const { policy: _, ...spec } = judged("run_task", { command: "ls" })?.spec ?? { policy: null };
    expect(spec).toMatchObject({ recovery: "attach", is_parallel: true, kind: "tool" });
    const policyOf = (policies: Readonly<Record<string, "allow" | "ask" | "deny">>) =>
      judged("run_task", { command: "ls" }, policies)?.spec.policy;
    expect(policyOf({})).toBe("allow");
    expect(policyOf({ "*": "deny" })).toBe("deny");
    expect(policyOf({ "*": "deny", run_task: "ask" })).toBe("ask");
  });

  it("of no tool, or with another input, is invalid and says why", () => {
    expect(judged("run_tsk", {})).toMatchObject({
      spec: { policy: "invalid" },
      problem: 'There is no tool "run_tsk". There are: run_task.',
    });
    const wrong = judged("run_task", { command: 1 }, { run_task: "allow" });
    expect(wrong?.spec.policy).toBe("invalid");
    expect(wrong?.problem).toContain("input.command");
  });

  it("of an outside tool has its server's policy before that of all, and an input that is not judged", () => {
    const outside: ToolDefinition = {
      ...tool,
      name: "docs__find",
      input_schema: { type: "object", properties: { a: { type: "string", pattern: "^(a+)+$" } } },
      is_input_checked_elsewhere: true,
    };
    const specOf = (
      input: { readonly [name: string]: string },
      tool_policies: Readonly<Record<string, "allow" | "ask" | "deny">>,
    ) => callSpecs([call("docs__find", input)], [outside], { tool_policies })[0]?.spec;
    const policies = { "*": "deny", "docs__*": "ask" } as const;
    expect(specOf({}, policies)?.policy).toBe("ask");
    expect(specOf({}, { ...policies, docs__find: "allow" })?.policy).toBe("allow");
    expect(specOf({}, { "*": "deny", "other__*": "ask" })?.policy).toBe("deny");
    expect(specOf({ a: `${"a".repeat(64)}!` }, {})?.policy).toBe("allow");
  });

  it("is known by its input, in whichever order that is written", () => {
    expect(inputDigest({ a: 1, b: 2 })).toBe(inputDigest({ b: 2, a: 1 }));
    expect(inputDigest({ a: 1 })).not.toBe(inputDigest({ a: 2 }));
  });
});
