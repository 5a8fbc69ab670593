import { describe, expect, it } from "vitest";
import { checkResult } from "./outcome.ts";
import { outputsSchemaProblem } from "./outputs-schema.ts";
import type { Json } from "./port.ts";

const nested = (depth: number): Json => (depth === 0 ? true : { not: nested(depth - 1) });

describe("outputsSchemaProblem", () => {
  it.each<Json>([
    null,
    true,
    false,
    {},
    { type: ["string", "null"], description: "a name", examples: ["x"], "x-own": 1 },
    {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      required: ["rows"],
      properties: {
        rows: { type: "array", items: { $ref: "#/$defs/row" }, minItems: 1, uniqueItems: true },
        type: { enum: ["a", 1, null] },
        tree: { $ref: "#/$defs/tree" },
      },
      additionalProperties: false,
      $defs: {
        row: { type: "object", properties: { id: { pattern: "^[a-z]+$", maxLength: 9 } } },
        tree: { properties: { children: { type: "array", items: { $ref: "#/$defs/tree" } } } },
      },
    },
    { allOf: [{ minimum: 1 }, { multipleOf: 0.5 }], not: { const: { type: "anything" } } },
    { prefixItems: [{ type: "string" }, true], items: false },
    nested(60),
  ])("finds none in %j", (outputs) => {
    expect(outputsSchemaProblem(outputs)).toBeNull();
  });

  it.each<[Json, string]>([
    [{ type: "nonsense" }, "outputs.type must be one of array, boolean, "],
    [{ type: [] }, "outputs.type must be one of "],
    ["string", 'outputs must be an object, true or false, not "string"'],
    [[], "outputs must be an object, true or false, not []"],
    [
      { properties: { a: { items: { type: "strng" } } } },
      'outputs.properties.a.items.type must be one of array, boolean, integer, null, number, object, string, or an array of them, not "strng"',
    ],
    [{ properties: ["a"] }, "outputs.properties must be an object of schemas"],
    [{ properties: { a: "string" } }, "outputs.properties.a must be an object, true or false"],
    [{ required: "a" }, "outputs.required must be an array of strings"],
    [{ required: true }, "outputs.required must be an array of strings"],
    [{ enum: "a" }, "outputs.enum must be an array"],
    [{ anyOf: [] }, "outputs.anyOf must be an array of schemas"],
    [{ anyOf: [true, 1] }, "outputs.anyOf[1] must be an object, true or false"],
    [{ items: [{}] }, "outputs.items must be one schema; give schemas by position in prefixItems"],
    [{ minLength: -1 }, "outputs.minLength must be an integer from 0"],
    [{ maximum: "9" }, "outputs.maximum must be a number"],
    [{ multipleOf: 0 }, "outputs.multipleOf must be a number above 0"],
    [{ uniqueItems: "yes" }, "outputs.uniqueItems must be true or false"],
    [{ pattern: "(" }, "outputs.pattern is not a regular expression"],
    [{ patternProperties: { "(": {} } }, "outputs.patternProperties.( is not a regular"],
    [{ dependentRequired: { a: "b" } }, "outputs.dependentRequired must be an object of arrays"],
    [{ properties: { a: { $ref: "#/$defs/none" } } }, 'the $ref "#/$defs/none" leads nowhere'],
    [{ $ref: "https://example.com/schema" }, "leads nowhere"],
    [{ $ref: "#" }, "its $ref lead in a circle"],
    [nested(100), "is nested more than 64 schemas deep"],
  ])("names that of %j", (outputs, problem) => {
    expect(outputsSchemaProblem(outputs)).toContain(problem);
  });

  it("leaves the schema as it was given", () => {
    const outputs = Object.freeze({
      $id: "https://example.com/s",
      $ref: "#/$defs/a",
      $defs: { a: {} },
    });
    expect(outputsSchemaProblem(outputs)).toBeNull();
  });

  it("blames the schema, not the result, when it gets as far as a run", () => {
    const outcome = { status: "completed", exit_code: 0, result: { n: 1 } } as const;
    expect(checkResult(outcome, { type: "nonsense" })).toMatchObject({
      code: "outputs_schema_invalid",
      message: expect.stringContaining("cannot be applied: outputs.type must be one of array"),
    });
  });
});
