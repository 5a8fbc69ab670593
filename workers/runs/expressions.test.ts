import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../http/json.ts";
import {
  conditionHolds,
  EvaluationFailed,
  resolveJson,
  resolveText,
  type Scope,
} from "./expressions.ts";
import { LazyObject, lazyObject } from "./expressions-data.ts";
import type { StatusAnswers } from "./expressions-functions.ts";
import { ResultNotLoaded } from "./ports.ts";

function scopeOf(inputs: Json, status: StatusAnswers | null = null): Scope {
  const empty = () => ({});
  const contexts = {
    inputs: () => inputs,
    tasks: empty,
    matrix: empty,
    env: empty,
    secrets: empty,
  };
  return { contexts: lazyObject({ ...contexts, run: empty }), status };
}

const INPUTS = {
  A: "upper",
  a: "lower",
  list: [1, 2, 3],
  people: [{ name: "x", tags: ["t"] }, { name: "y" }],
  constructor: "own",
  big: 9_007_199_254_740_991,
  empty: "",
  none: null,
  nested: { Deep: { er: true } },
};
const scope = scopeOf(INPUTS);

describe("a value that is one expression", () => {
  it.each<[string, Json]>([
    ["inputs.list", [1, 2, 3]],
    ["inputs['list'][1]", 2],
    ["inputs.list[7]", null],
    ["inputs.list[-1]", null],
    ["inputs.A", "upper"],
    ["inputs.a", "lower"],
    ["inputs.NESTED.deep.ER", true],
    ["inputs.constructor", "own"],
    ["inputs.toString", null],
    ["inputs.missing.deeper", null],
    ["inputs.big", 9_007_199_254_740_991],
    ["inputs.people.*.name", ["x", "y"]],
    ["inputs.people.*.tags[0]", ["t"]],
    ["inputs.list.*", [1, 2, 3]],
    ["inputs.none", null],
    ["1 == 1 && 'x' || 'y'", "x"],
    ["!inputs.empty", true],
    ["'A' == 'a'", true],
    ["inputs.nested == inputs.nested", true],
    ["contains(inputs.list, 2)", true],
    ["contains('Hello', 'ELL')", true],
    ["startsWith('Hello', 'he')", true],
    ["format('{0}{{}}{1}', 'a''b''c', 1)", "a'b'c{}1"],
    ["join(inputs.list, '-')", "1-2-3"],
    ["fromJSON('{\"x\":[1]}').x[0]", 1],
    ["toJSON(inputs.nested)", JSON.stringify(INPUTS.nested, null, 2)],
    ["toJSON(inputs.people.*.name)", JSON.stringify(["x", "y"], null, 2)],
    ["case(false, 1, true, 2, 3)", 2],
    ["'}}'", "}}"],
  ])("%s", (expression, expected) => {
    expect(resolveText(`\${{ ${expression} }}`, scope)).toEqual(expected);
  });

  it("passes an object by reference", () => {
    expect(resolveText("${{ inputs.people }}", scope)).toBe(INPUTS.people);
    expect(resolveText("${{ inputs.people[0].tags }}", scope)).toBe(INPUTS.people[0]?.tags);
  });

  it("passes any JSON through toJSON and fromJSON", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const json: Json = JSON.parse(
          JSON.stringify(value, (key, inner) => (key === "__proto__" ? 0 : inner)),
        );
        expect(resolveText("${{ toJSON(inputs.v) }}", scopeOf({ v: json }))).toBe(
          JSON.stringify(json, null, 2),
        );
        expect(resolveText("${{ inputs.v }}", scopeOf({ v: json }))).toEqual(json);
      }),
    );
  });
});

describe("a text around expressions", () => {
  it.each<[string, Json]>([
    ["plain", "plain"],
    ["a ${{ inputs.A }} b", "a upper b"],
    ["${{ 1 }}${{ 2 }}", "12"],
    ["${{ inputs.none }}.", "."],
    ["x${{ true }}", "xtrue"],
    [" ${{ 1 }}", " 1"],
  ])("%s", (text, expected) => {
    expect(resolveText(text, scope)).toEqual(expected);
  });

  it("is found anywhere in a JSON value, and what holds none stays the same object", () => {
    const untouched = { x: [1, "y"] };
    const value = { a: ["${{ inputs.list }}", 1], b: untouched };
    expect(resolveJson(value, scope)).toEqual({ a: [[1, 2, 3], 1], b: untouched });
    expect(resolveJson(untouched, scope)).toBe(untouched);
  });
});

describe("a condition", () => {
  const answers = { success: false, failure: true, cancelled: false };
  it.each<[string, boolean]>([
    ["failure()", true],
    ["${{ failure() }}", true],
    ["  ${{ failure() }} ", true],
    ["Always()", true],
    ["success() || cancelled()", false],
    ["inputs.list", true],
    ["inputs.empty", false],
    ["inputs.none", false],
    ["0", false],
    ["NaN", false],
    ["'false'", true],
    ["false", false],
  ])("%s", (text, expected) => {
    expect(conditionHolds(text, scopeOf(INPUTS, answers))).toBe(expected);
  });
});

describe("evaluation", () => {
  it("reads no more of a context than the expression names", () => {
    const read: string[] = [];
    const lazy = new LazyObject({
      find: (key) => key,
      names: () => Array.from({ length: 10_000 }, (_, index) => `s${index}`),
      read: (name) => {
        read.push(name);
        return { state: "completed" };
      },
    });
    const contexts = lazyObject({ tasks: () => lazy, inputs: () => ({}) });
    const text = "${{ tasks.s7.state }} ${{ tasks.s7.state }}";
    expect(resolveText(text, { contexts, status: null })).toBe("completed completed");
    expect(read).toEqual(["s7"]);
  });

  it("lets through what a context throws, also from within an index", () => {
    const contexts = lazyObject({
      inputs: () => [1],
      tasks: () => {
        throw new ResultNotLoaded(3);
      },
    });
    expect(() => resolveText("${{ inputs[tasks.x.result] }}", { contexts, status: null })).toThrow(
      ResultNotLoaded,
    );
  });

  it.each<[string, RegExp]>([
    ["fromJSON('{')", /not JSON/],
    ["fromJSON('')", /empty text/],
    ["NaN", /no number/],
    ["format('{3}', 1)", /more arguments/],
  ])("says why %s comes to nothing", (expression, message) => {
    expect(() => resolveText(`\${{ ${expression} }}`, scope)).toThrow(message);
  });

  it("names the member in which it failed", () => {
    const value = { list: ["ok", { deep: "${{ fromJSON('x') }}" }] };
    const failure = (() => {
      try {
        return resolveJson(value, scope, ["inputs"]);
      } catch (error) {
        return error;
      }
    })();
    expect(failure).toBeInstanceOf(EvaluationFailed);
    expect(failure).toMatchObject({ place: "inputs.list[1].deep" });
  });

  it.each([
    ["format", "format('{0}{0}{0}{0}{0}{0}', inputs.long)"],
    ["join", "join(inputs.longs, '')"],
    ["toJSON", "toJSON(toJSON(toJSON(toJSON(toJSON(toJSON(inputs.quotes))))))"],
  ])("bounds what %s may build", (_, expression) => {
    const long = "x".repeat(1024 * 1024);
    const bomb = scopeOf({ long, longs: Array(5).fill(long), quotes: '"'.repeat(500_000) });
    expect(() => resolveText(`\${{ ${expression} }}`, bomb)).toThrow(
      /more than 4194304 characters/,
    );
  });

  it("bounds what a value may come to, also when it only repeats one object", () => {
    const big = scopeOf({ big: ["x".repeat(4 * 1024 * 1024)] });
    const value = Array.from({ length: 9 }, () => "${{ inputs.big }}");
    expect(() => resolveJson(value, big)).toThrow(/pass fewer/);
  });
});
