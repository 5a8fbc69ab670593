/** Finds secret-looking strings in source text, in time linear in its length, and masks them. */
import { findAssignments } from "./secret-assignments.ts";
import { findTokens, type SecretSpan } from "./secret-tokens.ts";

export type { SecretKind } from "./secret-rules.ts";
export type { SecretSpan } from "./secret-tokens.ts";

/** Past this many a file is a fixture of secrets; the rest of it is not looked at. */
const MAX_SPANS = 10_000;
const SHOWN_CHARS = 4;
const MASK = "•";

/** The secrets of a text in order, without overlaps; a provider's shape outweighs an assignment. */
export function findSecrets(text: string): SecretSpan[] {
  const tokens = take(findTokens(text));
  const spans: SecretSpan[] = [];
  let next = 0;
  for (const assigned of take(findAssignments(text))) {
    for (let token = tokens[next]; token && token.start < assigned.end; token = tokens[next]) {
      spans.push(token);
      next += 1;
    }
    if ((spans.at(-1)?.end ?? 0) <= assigned.start) spans.push(assigned);
  }
  return [...spans, ...tokens.slice(next)];
}

function take(found: Iterable<SecretSpan>): SecretSpan[] {
  const spans: SecretSpan[] = [];
  for (const span of found) {
    spans.push(span);
    if (spans.length >= MAX_SPANS) break;
  }
  return spans;
}

/**
 * The text with its secrets covered, as long as before and with the same lines. The first 4 characters
 * stay, so that people recognize it; fewer of a secret so short that they would give it away.
 */
export function mask(text: string, spans: readonly SecretSpan[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const { start, end } of spans) {
    const shown = Math.min(SHOWN_CHARS, Math.floor((end - start) / 3));
    parts.push(
      text.slice(at, start + shown),
      text.slice(start + shown, end).replace(/[^\r\n]/g, MASK),
    );
    at = end;
  }
  parts.push(text.slice(at));
  return parts.join("");
}
