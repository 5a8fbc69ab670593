/** What tools answer: bounded, and errors that a model can act on. */
import type { ApiError } from "../../http/errors.ts";
import type { Json } from "../../http/json.ts";
import type { ToolResult } from "../tool-port.ts";

/** Of an output as JSON: more would crowd the model's context. The session cuts at 64 KiB, without advice. */
export const MAX_OUTPUT_CHARS = 60_000;

export function success(output: Json): ToolResult {
  return { output: bounded(output), is_error: false };
}

export function failure(output: Json): ToolResult {
  return { output: bounded(output), is_error: true };
}

/** With every problem of the input. */
export function refusalText({ detail, issues }: Pick<ApiError, "detail" | "issues">): string {
  const listed = issues.map(
    ({ path, message }) => `\n- ${path === "" ? "" : `${path}: `}${message}`,
  );
  return `${detail}${listed.join("")}`;
}

/** The end of a text, where the reason of a failure usually stands. */
export function tailOf(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  return `… ${text.length - maxChars} characters before\n${text.slice(-maxChars)}`;
}

/** The beginning of what is too long, as text. */
export function bounded(output: Json): Json {
  const text = typeof output === "string" ? output : JSON.stringify(output);
  if (text.length <= MAX_OUTPUT_CHARS) return output;
  const left = text.length - MAX_OUTPUT_CHARS;
  return `${text.slice(0, MAX_OUTPUT_CHARS)}\n… ${left} more characters are left out. Ask for less.`;
}
