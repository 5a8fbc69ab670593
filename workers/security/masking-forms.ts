/** The spellings under which a secret value turns up in output. Pure. */
import { Buffer } from "node:buffer";
import {
  doubleQuoted,
  inspected,
  likelyQuotedForms,
  quotedForms,
  singleQuoted,
} from "./masking-quoting.ts";

/** A shorter value is not masked: it would blot out ordinary words and numbers. */
export const MIN_SECRET_CHARACTERS = 4;
/** A shorter line of a multi-line value is structure (`---`, `}`, `end`) more often than secret. */
export const MIN_LINE_CHARACTERS = 6;
/** A shorter string inside a JSON secret is a word (`type`, `true`) more often than secret. */
export const MIN_JSON_STRING_CHARACTERS = 8;
/**
 * A longer value is sought quoted only as it is printed when it stands alone, and its parts, its
 * lines and the strings of its JSON, only in the forms that can be read, not in every encoding.
 */
const MAX_CHARACTERS_IN_EVERY_FORM = 4096;

/** The line lengths at which `base64` (76) and PEM writers (64) break their output. */
const BASE64_LINE_WIDTHS = [64, 76] as const;

/** Every distinct text that has to be masked so that none of `values` shows. */
export function secretForms(values: Iterable<string>): ReadonlySet<string> {
  const forms = new Set<string>();
  for (const value of values) {
    const text = value.trim();
    if (text.length < MIN_SECRET_CHARACTERS) continue;
    const isShort = text.length <= MAX_CHARACTERS_IN_EVERY_FORM;
    addAll(forms, isShort ? everyForm(text) : formsOfLong(text));
    for (const part of partsOf(text)) addAll(forms, isShort ? everyForm(part) : commonForms(part));
  }
  return forms;
}

/** What tools print of a value apart from the rest: its lines, and the strings of its JSON. */
function partsOf(text: string): ReadonlySet<string> {
  const strings = jsonStringsOf(text);
  return new Set([...strings, ...[text, ...strings].flatMap(linesOf)]);
}

function linesOf(text: string): readonly string[] {
  const lines = text.split(/[\r\n]+/).map((line) => line.trim());
  return lines.length === 1 ? [] : lines.filter((line) => line.length >= MIN_LINE_CHARACTERS);
}

/** The strings, at any depth, of a value that is a JSON object or array; no keys. */
function jsonStringsOf(text: string): readonly string[] {
  const strings: string[] = [];
  const open: unknown[] = [parsedContainer(text)];
  // Not recursive: 64 KiB of brackets nest deeper than the stack.
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value === "string") {
      const trimmed = value.trim();
      if (trimmed.length >= MIN_JSON_STRING_CHARACTERS) strings.push(trimmed);
    } else if (typeof value === "object" && value !== null) {
      for (const inner of Object.values(value)) open.push(inner);
    }
  }
  return strings;
}

function parsedContainer(text: string): unknown {
  if (!/^[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function everyForm(text: string): readonly string[] {
  const json = jsonEscape(text);
  return [
    ...readableForms(text),
    ...quotedForms(text),
    // JSON holds a double quote, so it is never shown between two.
    inspected(json, "'"),
    inspected(json, "`"),
    singleQuoted(json),
    doubleQuoted(json),
    ...base64Forms(text),
    ...urlForms(text).flatMap((form) => [form, form.replace(/%[0-9A-F]{2}/g, lower)]),
    ...hexForms(text),
  ];
}

/** Without the lower-case `%c3` of rare printers: all together have to stay within bounds. */
function formsOfLong(text: string): readonly string[] {
  return [...commonForms(text), ...base64Forms(text), ...urlForms(text), ...hexForms(text)];
}

function commonForms(text: string): readonly string[] {
  return [...readableForms(text), ...likelyQuotedForms(text)];
}

/** As it is, and as the JSON writers of common languages escape it, once and nested. */
function readableForms(text: string): readonly string[] {
  const json = jsonEscape(text);
  return [
    text,
    json,
    jsonEscape(json),
    json.replaceAll("/", "\\/"),
    json.replace(/[<>&]/g, unicodeEscape),
    json.replace(/[^ -~]/g, unicodeEscape),
    json.replace(/[^ -~]/g, (character) =>
      unicodeEscape(character).toUpperCase().replace("U", "u"),
    ),
  ];
}

function jsonEscape(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * Base64 of the value alone, and the characters that depend on the value alone when it is encoded
 * inside a longer text, where it starts at one of three alignments.
 */
function base64Forms(text: string): readonly string[] {
  const bytes = Buffer.from(text, "utf8");
  const alone = bytes.toString("base64");
  const cores = [0, 1, 2].map((offset) => base64Core(bytes, offset));
  const standard = [alone, alone.replaceAll("=", ""), ...cores];
  const [aligned = ""] = cores;
  return [
    ...standard,
    ...standard.map((form) => form.replaceAll("+", "-").replaceAll("/", "_")),
    ...BASE64_LINE_WIDTHS.flatMap((width) => [
      wrap(aligned, width, "\n"),
      wrap(aligned, width, "\r\n"),
    ]),
  ];
}

/** The base64 digits whose six bits all come from `bytes` when `offset` bytes stand before them. */
function base64Core(bytes: Buffer, offset: number): string {
  const digits = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
  const start = Math.ceil((offset * 8) / 6);
  const end = Math.floor(((offset + bytes.length) * 8) / 6);
  return digits.slice(start, end);
}

function wrap(text: string, width: number, newline: string): string {
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += width) lines.push(text.slice(at, at + width));
  return lines.join(newline);
}

function urlForms(text: string): readonly string[] {
  const sound = text.toWellFormed();
  const component = encodeURIComponent(sound);
  const strict = component.replace(/[!'()*~]/g, percentEscape);
  const form = strict.replaceAll("%20", "+").replaceAll("%2A", "*");
  return [component, strict, form, encodeURI(sound)];
}

function percentEscape(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function lower(text: string): string {
  return text.toLowerCase();
}

function hexForms(text: string): readonly string[] {
  const hex = Buffer.from(text, "utf8").toString("hex");
  return [hex, hex.toUpperCase()];
}

function addAll(target: Set<string>, texts: readonly string[]): void {
  for (const text of texts) target.add(text);
}
