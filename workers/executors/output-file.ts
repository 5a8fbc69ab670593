/**
 * Reads the file that `$PIPELZR_OUTPUT` names: one JSON value, or lines of `key=value` and
 * `key<<DELIMITER` blocks, as people know them from CI systems. The same in every executor.
 */
import type { Json } from "./port.ts";

export type OutputFile =
  | { readonly ok: true; readonly result: Json }
  /** `message` names the line and says how to write it. */
  | { readonly ok: false; readonly message: string };

const KEY = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

function problem(line: number, what: string): OutputFile {
  return {
    ok: false,
    message: `$PIPELZR_OUTPUT, line ${line}: ${what} Write one JSON value, or lines of key=value, or key<<EOF … EOF for a value of several lines.`,
  };
}

/** A text that starts like an object, array or string is meant as JSON; `key=value` never does. */
function looksLikeJson(text: string): boolean {
  return /^[[{"]/.test(text);
}

function parsed(text: string): { value: Json } | { error: string } {
  try {
    const value: Json = JSON.parse(text);
    return { value };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/** Parses the file's text; an empty file is `null`. Values of `key=value` lines are strings. */
export function parseOutputFile(content: string): OutputFile {
  const text = content.trim();
  if (text === "") return { ok: true, result: null };
  const whole = parsed(text);
  if ("value" in whole) return { ok: true, result: whole.value };
  if (looksLikeJson(text)) {
    return {
      ok: false,
      message: `$PIPELZR_OUTPUT holds malformed JSON: ${whole.error}. Write it with a JSON tool such as jq, and one value only.`,
    };
  }
  return parseLines(content.split(/\r?\n/));
}

function parseLines(lines: readonly string[]): OutputFile {
  const entries = new Map<string, string>();
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? "";
    if (line.trim() === "") continue;
    const block = /^([^=<]+)<<(.+)$/.exec(line);
    const equals = line.indexOf("=");
    const key = (block?.[1] ?? (equals < 0 ? line : line.slice(0, equals))).trim();
    if (!KEY.test(key) || (block === null && equals < 0)) {
      return problem(index + 1, `"${line.slice(0, 80)}" is not an output.`);
    }
    if (block === null) {
      entries.set(key, line.slice(equals + 1));
      continue;
    }
    const delimiter = (block[2] ?? "").trim();
    const end = lines.indexOf(delimiter, index + 1);
    if (end < 0) return problem(index + 1, `the value of "${key}" has no closing ${delimiter}.`);
    entries.set(key, lines.slice(index + 1, end).join("\n"));
    index = end;
  }
  return { ok: true, result: Object.fromEntries(entries) };
}
