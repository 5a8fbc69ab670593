/** The functions of the expression language, with bounds on what they may build. */
import {
  Array as ArrayData,
  BooleanData,
  type ExpressionData,
  NumberData,
  StringData,
} from "@actions/expressions/data/index";
import { wellKnownFunctions } from "@actions/expressions/funcs";
import type { FunctionDefinition, FunctionInfo } from "@actions/expressions/funcs/info";
import { equals } from "@actions/expressions/result";
import { findUnsafeJson, type Json } from "../http/json.ts";
import { asData, LazyArray, toJson } from "./expressions-data.ts";

/** The longest text that one function or template may build. */
export const MAX_TEXT_CHARS = 4 * 1024 * 1024;

/** What the status functions answer for a step. */
export interface StatusAnswers {
  /** Everything that the step needs came to what satisfies it. */
  readonly success: boolean;
  /** Something that the step depends on, however far, failed. */
  readonly failure: boolean;
  readonly cancelled: boolean;
}

export const STATUS_FUNCTIONS: readonly FunctionInfo[] = [
  "success",
  "failure",
  "always",
  "cancelled",
].map((name) => ({ name, minArgs: 0, maxArgs: 0 }));

/** As they are written; the language ignores their case. */
export const FUNCTION_NAMES = [
  "contains",
  "startsWith",
  "endsWith",
  "format",
  "join",
  "toJSON",
  "fromJSON",
  "case",
  ...STATUS_FUNCTIONS.map(({ name }) => name),
];

/** Thrown for text that grows past its bound. */
export class TextTooLong extends Error {
  constructor() {
    super(`it builds a text of more than ${MAX_TEXT_CHARS} characters`);
    this.name = "TextTooLong";
  }
}

export function checkLength(length: number): void {
  if (length > MAX_TEXT_CHARS) throw new TextTooLong();
}

const bounded: readonly FunctionDefinition[] = [
  { name: "tojson", minArgs: 1, maxArgs: 1, call: (value) => new StringData(prettyJson(value)) },
  { name: "fromjson", minArgs: 1, maxArgs: 1, call: (text) => parseJson(text?.coerceString()) },
  { name: "join", minArgs: 1, maxArgs: 2, call: join },
  { name: "format", minArgs: 1, maxArgs: 255, call: format },
  { name: "contains", minArgs: 2, maxArgs: 2, call: contains },
];

/** Implementations by lower-case name, status functions included when there are answers. */
export function functionsFor(status: StatusAnswers | null): Map<string, FunctionDefinition> {
  const functions = new Map(bounded.map((each) => [each.name, each]));
  if (status === null) return functions;
  const answers: Readonly<Record<string, boolean>> = { ...status, always: true };
  for (const info of STATUS_FUNCTIONS) {
    const answer = answers[info.name] ?? false;
    functions.set(info.name, { ...info, call: () => new BooleanData(answer) });
  }
  return functions;
}

function parseJson(text: string | undefined): ExpressionData {
  if (text === undefined || text.trim() === "") throw new Error("fromJSON got an empty text");
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("fromJSON got a text that is not JSON");
  }
  const [unsafe] = findUnsafeJson(value);
  if (unsafe) throw new Error(`fromJSON got a value that cannot be used: ${unsafe.message}`);
  return asData(value);
}

function join(list?: ExpressionData, separator?: ExpressionData): ExpressionData {
  if (list === undefined) return new StringData("");
  if (list.primitive) return new StringData(list.coerceString());
  if (!(list instanceof ArrayData)) return new StringData("");
  const between = separator?.primitive ? separator.coerceString() : ",";
  const parts: string[] = [];
  let length = 0;
  for (const item of itemsOf(list)) {
    const text = item.coerceString();
    length += text.length + between.length;
    checkLength(length);
    parts.push(text);
  }
  return new StringData(parts.join(between));
}

/** Bounds what the library's function would build: each `{0}` may stand for a long text. */
function format(...args: ExpressionData[]): ExpressionData {
  const [pattern, ...values] = args;
  const text = pattern?.coerceString() ?? "";
  let length = text.length;
  for (const [, index] of text.matchAll(/\{(\d+)/g)) {
    length += values[Number(index)]?.coerceString().length ?? 0;
    checkLength(length);
  }
  return builtIn("format", args);
}

function contains(...args: ExpressionData[]): ExpressionData {
  const [searched, wanted] = args;
  if (!(searched instanceof LazyArray) || wanted === undefined) return builtIn("contains", args);
  for (const item of itemsOf(searched)) {
    if (equals(wanted, item)) return new BooleanData(true);
  }
  return new BooleanData(false);
}

function builtIn(name: string, args: readonly ExpressionData[]): ExpressionData {
  const definition = wellKnownFunctions[name];
  if (definition === undefined) throw new Error(`there is no function ${name}`);
  return definition.call(...args);
}

/** Items one by one, so that a long list is not wrapped as a whole. */
function* itemsOf(list: ArrayData): Generator<ExpressionData> {
  if (!(list instanceof LazyArray)) {
    yield* list.values();
    return;
  }
  for (let index = 0; index < list.length; index += 1) yield list.peek(index);
}

/** JSON with two spaces of indentation, as `JSON.stringify` writes it. */
function prettyJson(value: ExpressionData | undefined): string {
  const parts: string[] = [];
  let length = 0;
  const write = (text: string) => {
    length += text.length;
    checkLength(length);
    parts.push(text);
  };
  const visit = (current: unknown, indent: string) => {
    if (typeof current !== "object" || current === null) {
      if (typeof current === "string") checkLength(current.length);
      write(JSON.stringify(current));
      return;
    }
    const isList = Array.isArray(current);
    const entries = Object.entries(current);
    if (entries.length === 0) {
      write(isList ? "[]" : "{}");
      return;
    }
    const inner = `${indent}  `;
    entries.forEach(([key, item], index) => {
      const opening = index > 0 ? "," : isList ? "[" : "{";
      write(`${opening}\n${inner}${isList ? "" : `${JSON.stringify(key)}: `}`);
      visit(item, inner);
    });
    write(`\n${indent}${isList ? "]" : "}"}`);
  };
  if (value instanceof NumberData && !Number.isFinite(value.value)) return "null";
  visit(value === undefined ? null : toJson(value), "");
  return parts.join("");
}
