import { describe, expect, it } from "vitest";
import { valueIssues } from "../executors/outputs-schema.ts";
import { resultTool, submittedResult } from "./result-tool.ts";
import type { ResultSchema } from "./spec.ts";

const issues = (outputs: ResultSchema, input: unknown) =>
  valueIssues(resultTool(outputs).input_schema, JSON.parse(JSON.stringify(input)), "input").map(
    ({ path }) => path,
  );

describe("the tool that hands a result in", () => {
  it("takes an object as it is", () => {
    const outputs = {
      type: "object",
      properties: { score: { type: "integer" } },
      required: ["score"],
    };
    expect(issues(outputs, { score: 3 })).toEqual([]);
    expect(issues(outputs, { score: "three" })).toEqual(["input.score"]);
    expect(submittedResult(outputs, { score: 3 })).toEqual({ score: 3 });
  });

  it.each([
    [{ type: "array", items: { type: "string" } }, ["a"], [1]],
    [{ enum: ["yes", "no"] }, "yes", "perhaps"],
    [{ $ref: "#/$defs/n", $defs: { n: { type: "number" } } }, 4, "four"],
  ])("takes any other value, %j, as a member", (outputs, right, wrong) => {
    expect(issues(outputs, { result: right })).toEqual([]);
    expect(issues(outputs, { result: wrong })).not.toEqual([]);
    expect(issues(outputs, {})).not.toEqual([]);
    expect(submittedResult(outputs, { result: right })).toEqual(right);
  });
});
