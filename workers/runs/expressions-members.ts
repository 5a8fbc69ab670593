/** Whether what an expression reads of a context can be there. */
import type { Json } from "../http/json.ts";
import { nearestName } from "../http/suggest.ts";
import type { Reference } from "./expressions-parse.ts";

/** What to say of a member that `owner` does not have; null when it does, or nobody can tell. */
export function unknownMember(
  { segments: [segment] }: Reference,
  known: readonly string[],
  owner: string,
): string | null {
  if (segment?.kind !== "name") return null;
  const wanted = segment.name.toLowerCase();
  if (known.some((name) => name.toLowerCase() === wanted)) return null;
  const meant = nearestName(segment.name, known);
  const remedy = meant === null ? `Use one of: ${known.join(", ")}.` : `Did you mean ${meant}?`;
  return `There is no "${segment.name}" in ${owner}. ${remedy}`;
}

/** Inputs are known where their schema allows no others. */
export function unknownInput(
  reference: Reference,
  schema: Readonly<Record<string, Json>> | null,
): string | null {
  if (schema?.additionalProperties !== false || schema.patternProperties) return null;
  const { properties } = schema;
  if (typeof properties !== "object" || properties === null) return null;
  return unknownMember(reference, Object.keys(properties), "inputs");
}
