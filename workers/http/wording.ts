/** What the service says of input that a schema refuses, where the schema says nothing itself. */
import type { z } from "zod";
import { nearestName } from "./suggest.ts";

export const REQUIRED = "Required.";
export const UNKNOWN_FIELD = "Unknown field; remove it.";

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "an array",
  tuple: "an array",
  object: "an object",
  record: "an object",
  null: "null",
};
const UNITS: Readonly<Record<string, string>> = { string: "character", array: "item", set: "item" };
const FORMATS: Readonly<Record<string, string>> = {
  datetime: "Send a date and time such as 2026-11-20T09:30:00Z.",
  date: "Send a date such as 2026-11-20.",
  uuid: "Send a UUID.",
  url: "Send an absolute URL.",
};

type Raw<Code extends z.core.$ZodIssueCode> = Extract<z.core.$ZodRawIssue, { code: Code }>;

/** An error map for zod's parsers: says what to send instead. */
export const inOurWords: z.core.$ZodErrorMap = (issue) => {
  if (issue.input === undefined) return REQUIRED;
  switch (issue.code) {
    case "invalid_type":
      return wrongType(issue);
    case "too_small":
      return bound(issue, issue.minimum, issue.inclusive === false ? "more than" : "at least");
    case "too_big":
      return bound(issue, issue.maximum, issue.inclusive === false ? "less than" : "at most");
    case "invalid_value":
      return issue.values.length === 1
        ? `Send ${JSON.stringify(issue.values[0])}.`
        : `Use one of: ${issue.values.map(String).join(", ")}.`;
    case "invalid_format":
      return FORMATS[issue.format] ?? "It is not of the form that is wanted.";
    case "not_multiple_of":
      return `Give a multiple of ${issue.divisor}.`;
    case "invalid_union":
      return oneOfTypes(issue);
    case "unrecognized_keys":
      return unknownFields(issue);
    default:
      return "It is not valid here.";
  }
};

/** A line for each key, in their order; `toIssues` takes them apart. */
function unknownFields(issue: Raw<"unrecognized_keys">): string {
  const shape: unknown = issue.inst === undefined ? null : Reflect.get(issue.inst, "shape");
  const known = typeof shape === "object" && shape !== null ? Object.keys(shape) : [];
  return issue.keys.map((key) => unknownField(key, known)).join("\n");
}

/** What to say of a member that an object does not have. */
export function unknownField(key: string, known: readonly string[]): string {
  const meant = nearestName(key, known);
  return meant === null ? UNKNOWN_FIELD : `Unknown field; did you mean ${meant}?`;
}

function wrongType(issue: Raw<"invalid_type">): string {
  const [part, ...members] = issue.path ?? [];
  const isParameter = part === "query" && members.length > 0;
  if (Array.isArray(issue.input) && isParameter) return "Give it once.";
  return `Send ${typeName(isWhole(issue) ? "int" : issue.expected)}.`;
}

/** A whole number is asked for as a number of the format of an integer. */
function isWhole({ format, inst }: Raw<"invalid_type">): boolean {
  if (format === "safeint") return true;
  const def = inst?._zod.def;
  return def !== undefined && "format" in def && def.format === "safeint";
}

function bound(
  issue: Raw<"too_small"> | Raw<"too_big">,
  limit: number | bigint,
  comparison: string,
): string {
  const amount = `${issue.exact === true ? "exactly" : comparison} ${limit}`;
  const unit = UNITS[issue.origin];
  if (unit === undefined) return `Give ${amount}.`;
  return `Give ${amount} ${unit}${Number(limit) === 1 ? "" : "s"}.`;
}

/** A union is refused as a whole when the value has the type of none of its branches. */
function oneOfTypes(issue: Raw<"invalid_union">): string {
  const { options } = issue;
  if (Array.isArray(options)) return `Use one of: ${options.map(String).join(", ")}.`;
  const wanted = (issue.errors ?? []).flat().flatMap((inner) => {
    if (inner.path.length > 0) return [];
    // A literal, and a union within this one, say it already.
    const said = /^Send (.*)\.$/.exec(inner.message)?.[1];
    if (said !== undefined && isMismatch(inner)) return [said];
    return inner.code === "invalid_type" ? [typeName(inner.expected)] : [];
  });
  return wanted.length === 0
    ? "It is not valid here."
    : `Send ${[...new Set(wanted)].join(" or ")}.`;
}

/** Whether an issue says that the value as a whole is of another type, or another one than the only one taken. */
export function isMismatch(issue: z.core.$ZodIssue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === "invalid_union") {
    return issue.errors.length > 0 && issue.errors.every((branch) => branch.some(isMismatch));
  }
  return issue.code === "invalid_type" || issue.code === "invalid_value";
}

function typeName(expected: string): string {
  return TYPES[expected] ?? `a value of the type ${expected}`;
}
