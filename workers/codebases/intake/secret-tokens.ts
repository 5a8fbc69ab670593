/** Finds credentials by the shape that their providers give them. */
import { isFiller, isPlaceholder } from "./placeholders.ts";
import {
  BASE64_URL,
  PEM_BODY,
  type SecretKind,
  TOKEN_RULES,
  type TokenRule,
  WORD,
} from "./secret-rules.ts";

/** Where a secret is, in UTF-16 code units. */
export interface SecretSpan {
  readonly start: number;
  readonly end: number;
  readonly kind: SecretKind;
}

const RULES: ReadonlyMap<string, TokenRule> = new Map(
  TOKEN_RULES.flatMap((rule) => rule.prefixes.map((prefix) => [prefix, rule] as const)),
);
const DASHES = "-----";
const PEM = `${DASHES}BEGIN `;
const JWT = "eyJ";
const URL = "://";
const escaped = (literal: string) => literal.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
/**
 * An alternation of literals, longest first, which no text makes backtrack; all else is scanned by
 * hand. Shared, so that its state is set before each use.
 */
const TRIGGER = new RegExp(
  [...RULES.keys(), PEM, JWT, URL]
    .sort((a, b) => b.length - a.length)
    .map(escaped)
    .join("|"),
  "g",
);

/** An Ed25519 key has 64, of which those that join literals of a program are not counted. */
const MIN_PEM_CHARS = 48;
const MAX_PEM_CHARS = 64 * 1024;
const MAX_JWT_PART_CHARS = 8 * 1024;
const MAX_USERINFO_CHARS = 200;

/** Yields spans in order; they do not overlap. */
export function* findTokens(text: string): Generator<SecretSpan, void> {
  TRIGGER.lastIndex = 0;
  for (let next = TRIGGER.exec(text); next !== null; next = TRIGGER.exec(text)) {
    const [literal] = next;
    const resume = TRIGGER.lastIndex;
    const span = spanAt(text, next.index, literal);
    if (span) yield span;
    // Others may have used the shared expression while this was suspended.
    TRIGGER.lastIndex = Math.max(resume, span?.end ?? 0);
  }
}

function spanAt(text: string, start: number, literal: string): SecretSpan | null {
  if (literal === PEM) return privateKey(text, start);
  if (literal === URL) return urlPassword(text, start + URL.length);
  if (start > 0 && WORD.has(text.charCodeAt(start - 1))) return null;
  if (literal === JWT) return jwt(text, start);
  const rule = RULES.get(literal);
  return rule ? token(text, start, literal, rule) : null;
}

function token(text: string, start: number, prefix: string, rule: TokenRule): SecretSpan | null {
  const from = start + prefix.length;
  let end = from;
  // One character more than allowed tells that it is none.
  while (end - from <= rule.max && rule.alphabet.has(text.charCodeAt(end))) end += 1;
  if (end - from < rule.min || end - from > rule.max) return null;
  if (WORD.has(text.charCodeAt(end))) return null;
  const body = text.slice(from, end);
  if (rule.holds !== undefined && !body.includes(rule.holds)) return null;
  return isPlaceholder(body) || isWords(body) ? null : { start, end, kind: rule.kind };
}

/** Keys are drawn from digits as well; names of variables and branches seldom are. */
function isWords(body: string): boolean {
  return !/\d/.test(body) && !(/[a-z]/.test(body) && /[A-Z]/.test(body));
}

/** From the first line to the last one; as far as it looks like a key when that is missing. */
function privateKey(text: string, start: number): SecretSpan | null {
  const labelAt = start + PEM.length;
  const header = text.slice(labelAt, labelAt + 70);
  const label = /^[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/.exec(header);
  if (!label) return null;
  const bodyAt = labelAt + label[0].length;
  const bodyEnd = pemBodyEnd(text, bodyAt);
  const dense = text.slice(bodyAt, bodyEnd).replaceAll(/\\[nr]|[\s\\"'+,]/g, "");
  if (dense.length < MIN_PEM_CHARS || isFiller(dense)) return null;
  const footer = /^-----END [A-Z0-9 ]{1,50}-----/.exec(text.slice(bodyEnd, bodyEnd + 80));
  return { start, end: bodyEnd + (footer?.[0].length ?? 0), kind: "private_key" };
}

/** The next dashes are those of the end, or of another begin; either way no text is read twice. */
function pemBodyEnd(text: string, start: number): number {
  let end = start;
  while (end - start < MAX_PEM_CHARS && PEM_BODY.has(text.charCodeAt(end))) {
    if (text[end] === "-" && text.startsWith(DASHES, end)) break;
    end += 1;
  }
  return end;
}

function jwt(text: string, start: number): SecretSpan | null {
  const header = partEnd(text, start);
  if (text[header] !== "." || !text.startsWith(JWT, header + 1)) return null;
  const payload = partEnd(text, header + 1);
  if (text[payload] !== ".") return null;
  const end = partEnd(text, payload + 1);
  if (end - payload < 20 || payload - header < 12) return null;
  const decode = (from: number, to: number) =>
    Buffer.from(text.slice(from, to), "base64url").toString("latin1");
  if (!decode(start, header).includes('"alg"')) return null;
  // The one that every tutorial shows.
  return /John Doe|example/i.test(decode(header + 1, payload)) ? null : { start, end, kind: "jwt" };
}

function partEnd(text: string, start: number): number {
  let end = start;
  while (end - start < MAX_JWT_PART_CHARS && BASE64_URL.has(text.charCodeAt(end))) end += 1;
  return end;
}

const LOCAL_HOST =
  /^(?:(?:localhost|host|db)(?![\w.-])|127\.|0\.0\.0\.0|\[::1\]|[\w.-]{0,100}\bexample\.|[<{$%])/i;

/** The password of `scheme://user:password@host`. */
function urlPassword(text: string, start: number): SecretSpan | null {
  let colon = -1;
  for (let at = start; at < text.length && at - start < MAX_USERINFO_CHARS; at += 1) {
    const char = text.charAt(at);
    if (char === "@") {
      const password = text.slice(colon + 1, at);
      const user = text.slice(start, colon);
      const isOpen =
        colon < 0 || password.length < 6 || password.toLowerCase() === user.toLowerCase();
      if (isOpen || LOCAL_HOST.test(text.slice(at + 1, at + 120))) return null;
      if (isPlaceholder(password) || /^(?:pass|secret|pwd|token|key)\w*$/i.test(password))
        return null;
      return { start: colon + 1, end: at, kind: "url_password" };
    }
    if (char === ":" && colon < 0) colon = at;
    else if (!/[!-~]/.test(char) || "/\"'`<>?#\\".includes(char)) return null;
  }
  return null;
}
