import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_EXPRESSION_CHARS, parseExpression } from "./expressions-parse.ts";
import { parseCondition, parseTemplate } from "./expressions-template.ts";

const pathsOf = (text: string) =>
  parseExpression(text).expression?.references.map(({ context, segments }) =>
    [context, ...segments.map((each) => (each.kind === "name" ? each.name : each.kind))].join("."),
  );

describe("what an expression refers to", () => {
  it.each<[string, string[]]>([
    ["tasks.a.result", ["tasks.a.result"]],
    ["TASKS['a-b'].result[0]", ["tasks.a-b.result.0"]],
    ["tasks.*.result", ["tasks.all.result"]],
    ["tasks", ["tasks"]],
    ["inputs[matrix.x].y", ["matrix.x", "inputs.computed.y"]],
    ["contains(toJSON(tasks.a), inputs.b) && !env.C", ["tasks.a", "inputs.b", "env.C"]],
    ["(run.id)", ["run.id"]],
    ["fromJSON(inputs.x).tasks.y", ["inputs.x"]],
    ["'tasks.a'", []],
  ])("%s", (text, expected) => {
    expect(pathsOf(text)).toEqual(expected);
  });

  it("says where, and whether it asks for a status", () => {
    const { expression } = parseExpression("  failure() &&\n tasks.a.state == 'x'");
    expect(expression?.calls_status).toBe(true);
    expect([...(expression?.functions ?? [])]).toEqual(["failure"]);
    expect(expression?.references[0]?.offset).toBe(16);
    expect(parseExpression("contains('a', 'b')").expression?.calls_status).toBe(false);
  });
});

describe("what is wrong with an expression", () => {
  it.each<[string, number, RegExp]>([
    ["", 0, /empty/],
    ["inputs.a +1", 9, /does not fit|no part/],
    ["(inputs.a", 8, /too early|fit/],
    ["inputs.a ==", 9, /too early/],
    ["input.a", 0, /Did you mean inputs\?/],
    ["needs.a.result", 0, /Did you mean tasks\?/],
    ["1 == 2 && jobs", 10, /Did you mean tasks\?/],
    ["sucess()", 0, /Did you mean success\(\)\?/],
    ["constructor('x')", 0, /no function "constructor"/],
    ["__proto__()", 0, /no function "__proto__"/],
    ["hashFiles('x')", 0, /no function "hashFiles"/],
    ["format()", 0, /needs more arguments/],
    ["success(1)", 0, /takes fewer arguments/],
    ["case(1, 2)", 0, /more arguments/],
    ["case(true, 2, 3, 4)", 0, /pairs/],
    ['inputs.a == "x"', 12, /single quotes/],
    ["'open", 0, /not closed/],
    [`${"(".repeat(60)}1${")".repeat(60)}`, 0, /too deeply/],
    [`1${"==1".repeat(3_000)}`, 0, /too deeply/],
    ["x".repeat(MAX_EXPRESSION_CHARS + 1), 0, /at most 10000 characters/],
  ])("%.20s", (text, offset, message) => {
    const { problem } = parseExpression(text);
    expect(problem?.message).toMatch(message);
    if (!/too deeply/.test(problem?.message ?? "")) expect(problem?.offset).toBe(offset);
  });

  it("never throws, whatever the text", () => {
    const piece = fc.constantFrom(
      "inputs",
      ".",
      "a",
      "[",
      "]",
      "(",
      ")",
      "'",
      "!",
      "==",
      "&&",
      " ",
      "\n",
      ",",
      "*",
      "1",
      "success",
      "é",
      "|",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const parsed = parseExpression(pieces.join(""));
        expect((parsed.expression === null) !== (parsed.problem === null)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a template", () => {
  it("gives offsets into the whole text", () => {
    const { problems } = parseTemplate("ab ${{ foo }} ${{ inputs.x }} ${{ bar.y");
    expect(problems.map(({ offset }) => offset)).toEqual([7, 30]);
  });

  it("ends an expression at braces outside of quotes", () => {
    expect(parseTemplate("${{ 'a}}''b' }}!").parts).toHaveLength(2);
  });

  it("refuses text beside the braces of a condition, which would always be true", () => {
    expect(parseCondition("${{ false }} && true").problems).toHaveLength(1);
    expect(parseCondition("!${{ false }}").problems).toHaveLength(1);
    expect(parseCondition("${{ false }}").problems).toEqual([]);
  });
});
