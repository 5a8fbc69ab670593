/** Which schemas OpenAI's servers can hold a model to while it writes. */
import type { Json } from "../../http/json.ts";

/** Keywords that hold schemas: one, a list, or a map of them. */
const BELOW = ["items", "additionalProperties", "anyOf", "$defs", "definitions", "properties"];

const isObject = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Whether every object in a schema names all that it may have, and requires it, as strict structured
 * output asks. Another schema is sent as a wish, and the answer is checked all the same.
 */
export function isStrictSchema(schema: Json | null): boolean {
  return isObject(schema) && schema.type === "object" && isClosed(schema);
}

function isClosed(schema: Json): boolean {
  if (!isObject(schema)) return typeof schema !== "boolean" || !schema;
  if (["allOf", "oneOf", "not", "if", "patternProperties"].some((name) => name in schema))
    return false;
  if (schema.type === "object" && !namesAll(schema)) return false;
  return BELOW.every((keyword) => schemasIn(schema[keyword], keyword).every(isClosed));
}

function namesAll({
  properties = {},
  required,
  additionalProperties,
}: {
  readonly [name: string]: Json;
}): boolean {
  if (additionalProperties !== false || !isObject(properties)) return false;
  const needed = Array.isArray(required) ? required : [];
  return Object.keys(properties).every((name) => needed.includes(name));
}

function schemasIn(value: Json | undefined, keyword: string): readonly Json[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  const isMap = keyword === "properties" || keyword === "$defs" || keyword === "definitions";
  return isMap && isObject(value) ? Object.values(value) : [value];
}
