/**
 * Where `unevaluatedItems` and `unevaluatedProperties` would be misjudged. The validator hands what was
 * evaluated so far on to the schemas that apply to the same value, where the specification has each
 * begin anew: one of these keywords in such a schema would let through what it is to refuse.
 */
import type { Schema } from "@cfworker/json-schema";

type Known = Readonly<Record<string, Schema | boolean>>;

/** A schema within another; `isBegun` says whether something of its value may be evaluated already. */
interface Place {
  readonly schema: unknown;
  readonly path: string;
  readonly isBegun: boolean;
}

const KEYWORDS = ["unevaluatedItems", "unevaluatedProperties"] as const;
/** What applies to the same value, in the order in which it is applied. */
const LISTS = ["anyOf", "allOf", "oneOf"] as const;
/** What applies to values within, which begin anew. */
const WITHIN = [
  ...(["additionalProperties", "unevaluatedProperties", "propertyNames"] as const),
  ...(["items", "unevaluatedItems", "contains", "not", "if"] as const),
];
const MAPS_WITHIN = ["properties", "patternProperties"] as const;

/**
 * What stands at the wrong place, such as `outputs.allOf[0].unevaluatedItems …`; null when nothing
 * does. `known` holds what references lead to.
 */
export function unevaluatedProblem(root: Schema, known: Known, path: string): string | null {
  const seen = new Map<Schema, Set<boolean>>();
  const places: Place[] = [{ schema: root, path, isBegun: false }];
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const { schema, isBegun } = place;
    if (!isSchema(schema)) continue;
    const before = seen.get(schema) ?? new Set();
    if (before.has(isBegun)) continue;
    seen.set(schema, before.add(isBegun));
    const misplaced = KEYWORDS.find((keyword) => isBegun && schema[keyword] !== undefined);
    if (misplaced !== undefined) {
      return `${place.path}.${misplaced} would count what $ref, allOf, anyOf, oneOf or if beside its schema evaluates; put it next to those`;
    }
    places.push(...inPlace(schema, place, known), ...within(schema, place));
  }
  return null;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function* inPlace(schema: Schema, { path, isBegun }: Place, known: Known): Generator<Place> {
  const { $ref, __absolute_ref__, dependentSchemas = {} } = schema;
  if ($ref !== undefined) {
    yield { schema: known[__absolute_ref__ ?? $ref], path: `${path}.$ref`, isBegun };
  }
  const afterRef = isBegun || $ref !== undefined;
  let isAfterLists = afterRef;
  for (const keyword of LISTS) {
    for (const [index, each] of (schema[keyword] ?? []).entries()) {
      yield { schema: each, path: `${path}.${keyword}[${index}]`, isBegun: afterRef };
      isAfterLists = true;
    }
  }
  const isAfterIf = isAfterLists || schema.if !== undefined;
  yield { schema: schema.then, path: `${path}.then`, isBegun: isAfterIf };
  yield { schema: schema.else, path: `${path}.else`, isBegun: isAfterLists };
  const dependents = Object.entries(dependentSchemas);
  for (const [name, each] of dependents) {
    const isAfterOther = isAfterIf || dependents.length > 1;
    yield { schema: each, path: `${path}.dependentSchemas.${name}`, isBegun: isAfterOther };
  }
}

function* within(schema: Schema, { path }: Place): Generator<Place> {
  const begin = (each: unknown, at: string) => ({ schema: each, path: at, isBegun: false });
  for (const keyword of WITHIN) yield begin(schema[keyword], `${path}.${keyword}`);
  for (const keyword of MAPS_WITHIN) {
    for (const [name, each] of Object.entries(schema[keyword] ?? {})) {
      yield begin(each, `${path}.${keyword}.${name}`);
    }
  }
  for (const [index, each] of (schema.prefixItems ?? []).entries()) {
    yield begin(each, `${path}.prefixItems[${index}]`);
  }
}
