/** Where two JSON values part, in words. */
import { canonicalJson, type Json } from "../http/json.ts";

const MAX_SHOWN_CHARS = 200;

/** The first place, by `outputs` as the name of the whole, where what came is not what was expected. */
export function firstDifference(expected: Json, actual: Json): string {
  return differenceAt(expected, actual, "outputs") ?? "The outputs are as expected.";
}

function differenceAt(expected: Json, actual: Json, path: string): string | null {
  if (canonicalJson(expected) === canonicalJson(actual)) return null;
  const [left, right] = [membersOf(expected), membersOf(actual)];
  if (left === null || right === null || Array.isArray(expected) !== Array.isArray(actual)) {
    return `${path}: expected ${shown(expected)}, not ${shown(actual)}.`;
  }
  for (const name of new Set([...left.keys(), ...right.keys()])) {
    const at = Array.isArray(expected) ? `${path}[${name}]` : `${path}.${name}`;
    const [wanted, came] = [left.get(name), right.get(name)];
    if (wanted === undefined) return `${at}: expected nothing there, not ${shown(came ?? null)}.`;
    if (came === undefined) return `${at}: expected ${shown(wanted)}, and nothing is there.`;
    const difference = differenceAt(wanted, came, at);
    if (difference !== null) return difference;
  }
  return null;
}

function membersOf(value: Json): Map<string, Json> | null {
  return typeof value === "object" && value !== null ? new Map(Object.entries<Json>(value)) : null;
}

function shown(value: Json): string {
  const text = JSON.stringify(value);
  return text.length <= MAX_SHOWN_CHARS ? text : `${text.slice(0, MAX_SHOWN_CHARS)}…`;
}
