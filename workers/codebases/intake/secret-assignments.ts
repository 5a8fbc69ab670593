/** Finds values that look drawn at random and are assigned to names such as `password`. */
import { entropyBits, isPlaceholder } from "./placeholders.ts";
import { WORD } from "./secret-rules.ts";
import type { SecretSpan } from "./secret-tokens.ts";

/** An alternation of literals but for a separator; it has nothing to backtrack over. */
const NAME =
  /passw(?:or)?d|passphrase|pwd|secret|token|credential|(?:api|access|auth|private|signing|encryption|master|client|account|service|admin)[_-]?key/gi;
/** What a name may go on with and still be one of a secret. */
const SUFFIX =
  /^(?:s|[_-]?(?:access|key|value|val|base64|b64|hex|string|prod|production|dev|live|staging|v?\d{1,3})){0,4}$/i;
/** `public_key_token`, `next_page_token`, `AWS::ApiGateway::ApiKey`: names of what is no secret. */
const HARMLESS_BEFORE =
  /(?:public|publishable|page|next|cancel(?:lation)?|csrf|xsrf|continuation|sync|design|syntax|lexer|parser)[_-]?$|::\w{0,16}$/i;

const MAX_SUFFIX_CHARS = 40;
const MAX_SPACES = 8;
const MIN_PASSWORD_CHARS = 8;
const MIN_KEY_CHARS = 16;
const MAX_VALUE_CHARS = 256;
const MIN_PASSWORD_BITS = 2.75;
const MIN_KEY_BITS = 3.5;

export function* findAssignments(text: string): Generator<SecretSpan, void> {
  NAME.lastIndex = 0;
  for (let next = NAME.exec(text); next !== null; next = NAME.exec(text)) {
    const [word] = next;
    const resume = NAME.lastIndex;
    const span = HARMLESS_BEFORE.test(text.slice(Math.max(0, next.index - 18), next.index))
      ? null
      : assignedAt(text, resume, /^(?:pass|pwd)/i.test(word));
    if (span) yield span;
    // Others may have used the shared expression while this was suspended.
    NAME.lastIndex = Math.max(resume, span?.end ?? 0);
  }
}

function assignedAt(text: string, nameEnd: number, isPassword: boolean): SecretSpan | null {
  let at = nameEnd;
  while (at - nameEnd < MAX_SUFFIX_CHARS && isNameChar(text, at)) at += 1;
  if (at > nameEnd && !SUFFIX.test(text.slice(nameEnd, at))) return null;
  // The key of JSON, and of a lookup: "password": …, env["TOKEN"] = …
  if (/["'`]/.test(text.charAt(at))) at += 1;
  if (text[at] === "]") at += 1;
  at = skipSpaces(text, at);
  const operator = /^(?::=|=>|=(?!=)|:(?!:))/.exec(text.slice(at, at + 2))?.[0];
  if (operator === undefined) return null;
  at = skipSpaces(text, at + operator.length);
  const quote = /["'`]/.test(text.charAt(at)) ? text.charAt(at) : null;
  const start = quote ? at + 1 : at;
  const end = valueEnd(text, start, quote);
  const value = text.slice(start, end);
  return end > start && isSecret(value, isPassword, quote !== null)
    ? { start, end, kind: "assignment" }
    : null;
}

function isNameChar(text: string, at: number): boolean {
  return WORD.has(text.charCodeAt(at)) || text[at] === "-";
}

function skipSpaces(text: string, from: number): number {
  let at = from;
  while (at - from < MAX_SPACES && (text[at] === " " || text[at] === "\t")) at += 1;
  return at;
}

/** Where the value ends; `start` when it does not, or is no single word. */
function valueEnd(text: string, start: number, quote: string | null): number {
  for (let at = start; at - start <= MAX_VALUE_CHARS; at += 1) {
    const code = text.charCodeAt(at);
    if (quote !== null && text[at] === quote) return at;
    const isVisible = code > 0x20 && code < 0x7f;
    if (quote === null && (!isVisible || ",;&#)}]\"'`".includes(text.charAt(at)))) return at;
    if (!isVisible) return start;
  }
  return start;
}

const BARE = /^[A-Za-z0-9+/_=.~-]+$/;
const IDENTIFIER_PATH = /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$/;
const LOCATION =
  /^(?:[a-z][a-z0-9+.-]{1,20}:|\.{0,2}\/|~\/|sha\d{1,3}[-:]|[\w.-]{1,100}\/[\w./-]{1,200}\.\w{1,5}$)/i;
/** Words joined by separators, with a number at most: names, not values. */
const NAMES =
  /^(?:[A-Za-z]+\d{0,2}(?:[-_.:/]+[A-Za-z]+\d{0,2})*[-_.:]?v?\d{0,3}|(?=\w*[a-z]{4})[a-z]*\d{0,2}(?:[A-Z][a-z]*\d{0,2})*)$/;

function isSecret(value: string, isPassword: boolean, isQuoted: boolean): boolean {
  // Without quotes it may be code, so more has to speak for it.
  const asPassword = isPassword && isQuoted;
  if (value.length < (asPassword ? MIN_PASSWORD_CHARS : MIN_KEY_CHARS)) return false;
  if (!isQuoted && !BARE.test(value)) return false;
  if (!/[A-Za-z]/.test(value) || !/\d/.test(value)) return false;
  if (NAMES.test(value) || LOCATION.test(value) || IDENTIFIER_PATH.test(value)) return false;
  if (isPlaceholder(value)) return false;
  return (
    entropyBits(value) >= (asPassword ? MIN_PASSWORD_BITS : MIN_KEY_BITS) - (isHex(value) ? 0.5 : 0)
  );
}

/** Sixteen characters cannot have as many bits each as sixty-four. */
function isHex(value: string): boolean {
  return /^[0-9a-f]+$/i.test(value);
}
