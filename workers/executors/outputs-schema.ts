/** The JSON Schema that a task sets for its result: whether it is one, and what a result lacks. */
import { dereference, type Schema, Validator } from "@cfworker/json-schema";
import type { Json } from "./port.ts";
import { unevaluatedProblem } from "./unevaluated.ts";

const DRAFT = "2020-12";
/** Both checks are recursive. */
const MAX_DEPTH = 64;
const MAX_REPORTED_ERRORS = 5;
/** Keywords whose error only says that one below it failed. */
const WRAPPERS = new Set(["properties", "items", "$ref", "allOf", "prefixItems", "if", "then"]);
const TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"];

type JsonObject = { readonly [name: string]: Json };
/** What is wrong with a keyword's value, which follows its path: "must be …"; null when nothing is. */
type Check = (value: Json, path: string, depth: number) => string | null;

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSchema(value: Json): value is Schema & JsonObject {
  return isObject(value);
}

const shown = (value: Json): string => {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

const must =
  (what: string, isIt: (value: Json) => boolean): Check =>
  (value, path) =>
    isIt(value) ? null : `${path} must be ${what}, not ${shown(value)}`;

const isText = (value: Json): value is string => typeof value === "string";
const isTexts = (value: Json) => Array.isArray(value) && value.every(isText);
const isCount = (value: Json) => Number.isInteger(value) && Number(value) >= 0;
const isType = (value: Json) => isText(value) && TYPES.includes(value);

const text = must("a string", isText);
const number = must("a number", (value) => typeof value === "number");
const count = must("an integer from 0", isCount);
const texts = must("an array of strings", isTexts);

const type = must(
  `one of ${TYPES.join(", ")}, or an array of them`,
  (value) => isType(value) || (Array.isArray(value) && value.length > 0 && value.every(isType)),
);

const pattern: Check = (value, path) => {
  if (!isText(value)) return text(value, path, 0);
  try {
    new RegExp(value, "u");
    return null;
  } catch (error) {
    return `${path} is not a regular expression: ${error instanceof Error ? error.message : error}`;
  }
};

const schema: Check = (value, path, depth) => schemaProblem(value, path, depth + 1);

const schemas: Check = (value, path, depth) => {
  if (!Array.isArray(value) || value.length === 0) {
    return `${path} must be an array of schemas, not ${shown(value)}`;
  }
  return firstProblem(value, (each, index) => schema(each, `${path}[${index}]`, depth));
};

const schemaMap: Check = (value, path, depth) => {
  if (!isObject(value)) return `${path} must be an object of schemas, not ${shown(value)}`;
  return firstProblem(Object.entries(value), ([name, each]) =>
    schema(each, `${path}.${name}`, depth),
  );
};

const patternMap: Check = (value, path, depth) => {
  const problem = schemaMap(value, path, depth);
  if (problem !== null || !isObject(value)) return problem;
  return firstProblem(Object.keys(value), (name) => pattern(name, `${path}.${name}`, depth));
};

const items: Check = (value, path, depth) =>
  Array.isArray(value)
    ? `${path} must be one schema; give schemas by position in prefixItems`
    : schema(value, path, depth);

/** What is no keyword of the draft, or none that the validator follows. */
const unsupported: Check = (_, path) => `${path} is not followed here; use $ref and $defs`;

const CHECKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ...["$dynamicRef", "$recursiveRef"].map((name): [string, Check] => [name, unsupported]),
  ["type", type],
  ["enum", must("an array", Array.isArray)],
  ["required", texts],
  ["pattern", pattern],
  ["items", items],
  ["patternProperties", patternMap],
  ["multipleOf", must("a number above 0", (value) => typeof value === "number" && value > 0)],
  ["uniqueItems", must("true or false", (value) => typeof value === "boolean")],
  [
    "dependentRequired",
    must(
      "an object of arrays of strings",
      (value) => isObject(value) && Object.values(value).every(isTexts),
    ),
  ],
  ...["maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"].map((name): [string, Check] => [
    name,
    number,
  ]),
  ...["Length", "Items", "Contains", "Properties"].flatMap((name): [string, Check][] => [
    [`max${name}`, count],
    [`min${name}`, count],
  ]),
  ...["$ref", "$id", "$anchor", "$schema", "format", "title", "description", "$comment"].map(
    (name): [string, Check] => [name, text],
  ),
  ...["properties", "$defs", "definitions", "dependentSchemas"].map((name): [string, Check] => [
    name,
    schemaMap,
  ]),
  ...["allOf", "anyOf", "oneOf", "prefixItems"].map((name): [string, Check] => [name, schemas]),
  ...[
    "additionalProperties",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
  ].map((name): [string, Check] => [name, schema]),
]);

function firstProblem<T>(
  values: readonly T[],
  check: (value: T, index: number) => string | null,
): string | null {
  for (const [index, value] of values.entries()) {
    const problem = check(value, index);
    if (problem !== null) return problem;
  }
  return null;
}

function schemaProblem(value: Json, path: string, depth: number): string | null {
  if (depth > MAX_DEPTH) return `${path} is nested more than ${MAX_DEPTH} schemas deep`;
  if (typeof value === "boolean") return null;
  if (!isObject(value)) return `${path} must be an object, true or false, not ${shown(value)}`;
  return firstProblem(
    Object.entries(value),
    ([keyword, each]) => CHECKS.get(keyword)?.(each, `${path}.${keyword}`, depth) ?? null,
  );
}

function danglingProblem(known: ReturnType<typeof dereference>): string | null {
  for (const each of Object.values(known)) {
    if (typeof each === "boolean") continue;
    const { $ref, __absolute_ref__ } = each;
    if (__absolute_ref__ !== undefined && known[__absolute_ref__] === undefined) {
      return `the $ref ${shown($ref ?? __absolute_ref__)} leads nowhere; define it in $defs of the same schema`;
    }
  }
  return null;
}

/** What keeps a well-formed schema from being applied as it is meant: its references, and where it counts what is left over. */
function referenceProblem(value: Json, member: string): string | null {
  if (!isSchema(value)) return null;
  try {
    // The library writes into what it is given.
    const copy = structuredClone(value);
    const known = dereference(copy);
    const dangling = danglingProblem(known);
    if (dangling !== null) return dangling;
    // A schema that refers to itself alone never ends, whatever the value.
    new Validator(copy, DRAFT).validate(null);
    return unevaluatedProblem(copy, known, member);
  } catch (error) {
    if (error instanceof RangeError) return "its $ref lead in a circle";
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * What is wrong with a task's `outputs`, such as `outputs.type must be one of …`; null when it is
 * null or a JSON Schema of draft 2020-12 that results can be held against. `member` is what the
 * definition calls the schema.
 */
export function outputsSchemaProblem(outputs: Json, member = "outputs"): string | null {
  if (outputs === null) return null;
  return schemaProblem(outputs, member, 0) ?? referenceProblem(outputs, member);
}

/**
 * What is wrong with a schema that nobody here holds a value against, such as that of somebody else's
 * tool; null when it is one, with references that lead somewhere. It takes no longer than its size.
 */
export function jsonSchemaProblem(schema: Json, member: string): string | null {
  const problem = schemaProblem(schema, member, 0);
  if (problem !== null || !isSchema(schema)) return problem;
  try {
    return danglingProblem(dereference(structuredClone(schema)));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** `#/a/0/b` as people write it, under the name of the whole: `result.a[0].b`. */
function pathIn(root: string, instanceLocation: string): string {
  return instanceLocation
    .split("/")
    .slice(1)
    .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : `${path}.${part}`), root);
}

/** How a value, called `root`, falls short of a schema that has no problem; none when it fits. */
export function valueIssues(
  schema: Json,
  value: Json,
  root: string,
): readonly { readonly path: string; readonly message: string }[] {
  if (schema === true) return [];
  if (!isSchema(schema)) return [{ path: root, message: "no value is allowed by the schema" }];
  const { valid, errors } = new Validator(schema, DRAFT, false).validate(value);
  if (valid) return [];
  const leaves = errors.filter((error) => !WRAPPERS.has(error.keyword));
  return (leaves.length > 0 ? leaves : errors)
    .slice(0, MAX_REPORTED_ERRORS)
    .map((error) => ({ path: pathIn(root, error.instanceLocation), message: error.error }));
}

/** How `result` falls short of a schema that has no problem, a sentence each; none when it fits. */
export function resultProblems(outputs: Json, result: Json): string[] {
  return valueIssues(outputs, result, "result").map(({ path, message }) => `${path}: ${message}`);
}
