/** How values are judged by JSON Schemas, held against an independent validator. */
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../http/json.ts";
import { outputsSchemaProblem, valueIssues } from "./outputs-schema.ts";

type JsonObject = Record<string, Json>;
type Members = Record<string, fc.Arbitrary<Json>>;

/** Spelled so that no object in here looks like a promise. */
const THEN = "then";
const SCHEMAS = 600;
const VALUES_EACH = 5;
const MAX_DEPTH = 3;
const MAX_KEYWORDS = 4;

/** Few names and small values, so that keywords meet what they are about. */
const name = fc.constantFrom("a", "b", "c", "ab", "length", "é/~ %");
const text = fc.oneof(name, fc.constantFrom("", "abc", "1", "😀", "a b"));
const number = fc.constantFrom(-2, -1, 0, 0.5, 1, 1.5, 2, 3, 4, 10, 1e6);
const object = <T>(values: fc.Arbitrary<T>, maxKeys: number, names: fc.Arbitrary<string> = name) =>
  fc.dictionary(names, values, { maxKeys, noNullPrototype: true });

const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: MAX_DEPTH, withCrossShrink: true },
    fc.oneof(number, text, fc.boolean(), fc.constant(null)),
    fc.array(tie("value"), { maxLength: 4 }),
    object(tie("value"), 4),
  ),
}));

const count = fc.integer({ min: 0, max: 3 });
const someCount = fc.integer({ min: 2, max: 3 });
const pattern = fc.constantFrom("a", "^a$", "^[ab]", "b|c", ".", "^\\p{L}", "^$");
const type = fc.constantFrom("array", "boolean", "integer", "null", "number", "object", "string");
const types = fc.oneof(type, fc.uniqueArray(type, { minLength: 1, maxLength: 3 }));
const names = fc.uniqueArray(name, { maxLength: 2 });

const assertions: Members = {
  ...{ type: types, enum: fc.array(value, { minLength: 1, maxLength: 3 }), const: value },
  ...{ minimum: number, maximum: number, exclusiveMinimum: number, exclusiveMaximum: number },
  multipleOf: fc.constantFrom(0.5, 1, 2, 3),
  ...{ minLength: count, maxLength: count, pattern },
  ...{ minItems: count, maxItems: count, uniqueItems: fc.boolean() },
  ...{ minProperties: count, maxProperties: count, required: names },
  dependentRequired: object(names, 2),
};

/** A schema with a few of the keywords, the others of which are not drawn. */
const some = (keywords: Members): fc.Arbitrary<JsonObject> =>
  fc
    .subarray(Object.entries(keywords), {
      minLength: 1,
      maxLength: Math.min(MAX_KEYWORDS, Object.keys(keywords).length),
    })
    .chain((chosen) => fc.record(Object.fromEntries(chosen)))
    .map(withoutDefaults);

/** The independent validator leaves out a condition that nothing follows from, and see `Vocabulary`. */
function withoutDefaults(members: JsonObject): JsonObject {
  const isAlone = "if" in members && !("then" in members || "else" in members);
  return {
    ...members,
    ...(isAlone && { [THEN]: true }),
    ...("contains" in members && !("minContains" in members) && { minContains: 2 }),
  };
}

/**
 * What the independent validator gets wrong stays out of one schema. Of what `contains`, `anyOf`,
 * `oneOf`, a condition, `dependentSchemas` and another `unevaluated…` leave over, it counts what failed too, so that
 * `unevaluated…` stands at the top alone and without them; a `contains` of one item it
 * does not begin anew for each array. The cases below hold us to what is right there.
 */
type Vocabulary = "oneOf" | "contains" | "unevaluated";

const schemaOf = (vocabulary: Vocabulary): fc.Arbitrary<Json> =>
  fc.letrec<{ schema: Json }>((tie) => {
    const sub = tie("schema");
    const list = fc.array(sub, { minLength: 1, maxLength: 2 });
    const counts = { minContains: someCount, maxContains: someCount };
    const applicators: Members = {
      ...{ type: types, allOf: list, not: sub },
      ...{ properties: object(sub, 2), patternProperties: object(sub, 2, pattern) },
      ...{ additionalProperties: sub, propertyNames: sub },
      ...{ items: sub, $ref: fc.constantFrom("#/$defs/one", "#/$defs/two") },
      ...(vocabulary === "contains" ? { contains: sub, ...counts } : { prefixItems: list }),
      ...(vocabulary !== "unevaluated" && {
        ...{ anyOf: list, oneOf: list, if: sub, [THEN]: sub, else: sub },
        dependentSchemas: object(sub, 2),
      }),
    };
    return {
      schema: fc.oneof(
        { maxDepth: MAX_DEPTH, withCrossShrink: true },
        fc.oneof(some(assertions), fc.boolean()),
        some(applicators),
        some(applicators),
        some({ ...assertions, ...applicators }),
      ),
    };
  }).schema;

/** References lead to schemas that are there, and not in a circle. */
const schema = fc
  .constantFrom<Vocabulary>("oneOf", "contains", "unevaluated")
  .chain((vocabulary) => {
    const part = schemaOf(vocabulary);
    const left = some({ unevaluatedItems: part, unevaluatedProperties: part });
    const more = vocabulary === "unevaluated" ? left : fc.constant<JsonObject>({});
    return fc.record({ root: part, more, one: part, two: part });
  })
  .map(({ root, more, one, two }): Json => {
    if (typeof root !== "object") return root;
    return { ...Object(root), ...more, $defs: { one: withoutRefs(one), two: withoutRefs(two) } };
  });

function withoutRefs(schema: Json): Json {
  return JSON.parse(JSON.stringify(schema, (key, each) => (key === "$ref" ? undefined : each)));
}

const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false });
/** Null for the few values that its code breaks at, which has nothing to do with them. */
function independent(schema: Json): (each: Json) => boolean | null {
  const fits = ajv.compile(typeof schema === "boolean" ? schema : Object(schema));
  return (each) => {
    try {
      return fits(each);
    } catch {
      return null;
    }
  };
}

const isFine = (schema: Json, each: Json) => valueIssues(schema, each, "value").length === 0;

describe("values", () => {
  it("fit random schemas as an independent validator says", () => {
    let [judged, fitting] = [0, 0];
    const values = fc.array(value, { minLength: VALUES_EACH, maxLength: VALUES_EACH });
    fc.assert(
      fc.property(schema, values, (given, all) => {
        expect(outputsSchemaProblem(given)).toBeNull();
        const fits = independent(given);
        for (const each of all) {
          const expected = fits(each);
          if (expected === null) continue;
          expect(isFine(given, each), JSON.stringify({ given, each })).toBe(expected);
          judged += 1;
          fitting += expected ? 1 : 0;
        }
      }),
      { numRuns: SCHEMAS },
    );
    expect(judged).toBeGreaterThanOrEqual(1_000);
    expect(fitting / judged).toBeGreaterThan(0.1);
    expect(fitting / judged).toBeLessThan(0.9);
  });

  it.each<[schema: Json, fits: Json[], others: Json[]]>([
    [{ contains: { minimum: 2 } }, [[1, 2], ["a"]], [[], [1]]],
    [{ items: { contains: { const: 1 } } }, [[[1], [2, 1]]], [[[1], []], [[]]]],
    [{ contains: {}, minContains: 0 }, [[], [1]], []],
    [{ contains: { const: 1 }, minContains: 0, maxContains: 1 }, [[], [1, 2]], [[1, 1]]],
    [{ prefixItems: [{}], contains: { const: 1 } }, [[1]], [[]]],
    [{ contains: { const: 1 }, unevaluatedItems: false }, [[1, 1]], [[1, 2]]],
    [{ if: { prefixItems: [{ const: 1 }] }, unevaluatedItems: false }, [[1], []], [[2]]],
    [
      { if: { properties: { a: { const: 1 } } }, unevaluatedProperties: false },
      [{ a: 1 }],
      [{ a: 2 }],
    ],
    [{ anyOf: [{ unevaluatedItems: true }], unevaluatedItems: false }, [[1]], []],
    [
      { oneOf: [{ items: false }, { required: ["a"] }], unevaluatedItems: { type: "null" } },
      [[null]],
      [[1], []],
    ],
    [{ multipleOf: 0.1 }, [0.3, 1.1, 1e300], [0.35]],
    [{ multipleOf: 0.01 }, [19.99, 4.35], [0.001]],
    [{ type: "integer" }, [1, 1e300, -0], [0.5, "1"]],
    [{ maxLength: 1 }, ["😀", "é"], ["ab"]],
    [{ properties: { constructor: false } }, [{}, []], [{ constructor: 1 }]],
    [{ required: ["toString"] }, [{ toString: 1 }], [{}]],
    [{ dependentRequired: { toString: ["a"] } }, [{}], [{ toString: 1 }]],
    [
      { additionalProperties: false, properties: { valueOf: {} } },
      [{ valueOf: 1 }],
      [{ toString: 1 }],
    ],
    [{ unevaluatedProperties: false }, [{}], [{ constructor: 1 }]],
    [
      { const: { a: [1, { b: null }] } },
      [{ a: [1, { b: null }] }],
      [{ a: [1, {}] }, { a: [1, { b: 0 }] }],
    ],
    [{ enum: [[], {}, 0, null, ""] }, [[], {}, 0, null, ""], [false, [0], { a: 1 }]],
    [
      { uniqueItems: true },
      [[1, "1", true, [1], { a: 1 }]],
      [
        [
          { a: 1, b: 2 },
          { b: 2, a: 1 },
        ],
        [[1], [1]],
      ],
    ],
    [
      { $ref: "#/$defs/list", $defs: { list: { items: { $ref: "#/$defs/list" }, type: "array" } } },
      [[], [[[]]]],
      [[1], [[1]]],
    ],
    [{ $ref: "#/$defs/a~1b", $defs: { "a/b": { const: 1 } } }, [1], [2]],
    [{ $ref: "#one", $defs: { one: { $anchor: "one", const: 1 } } }, [1], [2]],
  ])("fit %j as the specification says", (given, fits, others) => {
    expect(outputsSchemaProblem(given)).toBeNull();
    expect(fits.map((each) => isFine(given, each))).toEqual(fits.map(() => true));
    expect(others.map((each) => isFine(given, each))).toEqual(others.map(() => false));
  });

  const strict = { unevaluatedProperties: false };
  const open = { properties: { a: {} } };
  it.each<[schema: Json, path: string]>([
    [{ $ref: "#/$defs/a", allOf: [strict], $defs: { a: open } }, "allOf[0]"],
    [{ $ref: "#/$defs/a", anyOf: [{ oneOf: [strict] }], $defs: { a: open } }, "anyOf[0].oneOf[0]"],
    [{ if: open, [THEN]: strict }, "then"],
    [{ allOf: [open], else: { $ref: "#/$defs/a" }, $defs: { a: strict } }, "else.$ref"],
    [{ allOf: [open], dependentSchemas: { a: strict } }, "dependentSchemas.a"],
    [{ items: { allOf: [open], [THEN]: strict } }, "items.then"],
  ])("are judged by no schema that counts what is beside it: %j", (given, path) => {
    expect(outputsSchemaProblem(given)).toContain(`outputs.${path}.unevaluatedProperties would`);
  });

  it.each<[schema: Json, fits: Json[], others: Json[]]>([
    [
      { ...open, oneOf: [{ ...strict, properties: { b: {} }, required: ["b"] }] },
      [{ b: 1 }],
      [{ a: 1, b: 1 }],
    ],
    [{ ...open, allOf: [strict] }, [{}], [{ a: 1 }]],
    [{ ...open, dependentSchemas: { a: strict } }, [{ b: 1 }], [{ a: 1 }]],
    [{ $ref: "#/$defs/a", ...strict, $defs: { a: open } }, [{ a: 1 }], [{ b: 1 }]],
    [
      { if: { ...open, required: ["a"] }, [THEN]: { properties: { b: {} } }, ...strict },
      [{ a: 1, b: 1 }],
      [{ b: 1 }],
    ],
  ])("are judged by one that counts its own: %j", (given, fits, others) => {
    expect(outputsSchemaProblem(given)).toBeNull();
    expect(fits.map((each) => isFine(given, each))).toEqual(fits.map(() => true));
    expect(others.map((each) => isFine(given, each))).toEqual(others.map(() => false));
  });

  it.each(["$dynamicRef", "$recursiveRef"])("are judged by no schema with %s", (keyword) => {
    expect(outputsSchemaProblem({ items: { [keyword]: "#a" } })).toContain(
      `outputs.items.${keyword} is`,
    );
  });
});
