/**
 * Hides secret values in everything that leaves an attempt: logs, results, errors, events.
 * Pure. Values shorter than 4 characters are not masked: that would wreck ordinary output.
 */
import type { Json } from "../http/json.ts";
import { Automaton, planOf, ROOT } from "./masking-automaton.ts";
import { secretForms } from "./masking-forms.ts";

/** What stands where a secret stood. */
export const MASK = "***";
/** Bounds the memory of one masker to about 66 MB; one secret of the largest size fits. */
export const MAX_PATTERN_NODES = 3 * 1024 * 1024;

/** Masks text that arrives in chunks. What it returns, joined, is what `mask` makes of the whole. */
export interface MaskStream {
  /** Returns what can be shown by now; only the start of a possible secret is held back. */
  push(chunk: string): string;
  /** Returns what was held back; the stream starts anew. */
  flush(): string;
}

export interface Masker {
  mask(text: string): string;
  stream(): MaskStream;
  /** Masks keys, strings, and numbers that spell a secret (which become strings). */
  maskJson(value: Json): Json;
}

/** Thrown when the secrets of one attempt are together too large to be masked reliably. */
export class SecretsTooLargeError extends Error {
  readonly code = "secrets_too_large";

  constructor() {
    super(
      "The secrets of this task are together too large to be masked in its output. Name fewer or smaller ones; a single secret of up to 64 KiB fits.",
    );
    this.name = "SecretsTooLargeError";
  }
}

const IDENTITY: Masker = {
  mask: (text) => text,
  stream: () => ({ push: (chunk) => chunk, flush: () => "" }),
  maskJson: (value) => value,
};

/** Prepares a masker for an attempt's secret values; throws SecretsTooLargeError. */
export function createMasker(values: Iterable<string>): Masker {
  const forms = secretForms(values);
  if (forms.size === 0) return IDENTITY;
  const plan = planOf(forms);
  if (plan.nodes > MAX_PATTERN_NODES) throw new SecretsTooLargeError();
  const automaton = new Automaton(plan);
  const mask = (text: string) => {
    if (!automaton.occursIn(text)) return text;
    const stream = new AutomatonStream(automaton);
    return stream.push(text) + stream.flush();
  };
  return {
    mask,
    stream: () => new AutomatonStream(automaton),
    maskJson: (value) => maskJson(value, mask),
  };
}

interface Span {
  start: number;
  end: number;
}

/** Positions count from the start of the stream. */
class AutomatonStream implements MaskStream {
  readonly #automaton: Automaton;
  #state = ROOT;
  /** Text not yet returned; its first character is at `#shown`. */
  #held = "";
  #shown = 0;
  #read = 0;
  /** Secrets found in the text that is held, in order, none touching another. */
  #spans: Span[] = [];
  /** The end of the secret for which a mask was returned last. */
  #maskedTo = -1;

  constructor(automaton: Automaton) {
    this.#automaton = automaton;
  }

  push(chunk: string): string {
    const automaton = this.#automaton;
    let state = this.#state;
    for (let at = 0; at < chunk.length; at += 1) {
      state = automaton.step(state, chunk.charCodeAt(at));
      const length = automaton.matchLength(state);
      if (length > 0) this.#found(this.#read + at + 1 - length, this.#read + at + 1);
    }
    this.#state = state;
    this.#read += chunk.length;
    this.#held += chunk;
    return this.#show(this.#read - automaton.pendingLength(state));
  }

  flush(): string {
    const rest = this.#show(this.#read);
    this.#state = ROOT;
    this.#maskedTo = -1;
    return rest;
  }

  #found(start: number, end: number): void {
    let from = start;
    for (;;) {
      const last = this.#spans.at(-1);
      if (last === undefined || last.end < from) break;
      from = Math.min(from, last.start);
      this.#spans.pop();
    }
    this.#spans.push({ start: from, end });
  }

  /** Returns the text before `limit`; no secret that starts before it can still be found. */
  #show(limit: number): string {
    let out = "";
    let position = this.#shown;
    let done = 0;
    for (const span of this.#spans) {
      if (span.start >= limit) break;
      done += 1;
      if (span.start > this.#maskedTo) out += this.#slice(position, span.start) + MASK;
      this.#maskedTo = span.end;
      position = span.end;
    }
    if (done > 0) this.#spans = this.#spans.slice(done);
    if (position < limit) {
      out += this.#slice(position, limit);
      position = limit;
    }
    if (position > this.#shown) {
      this.#held = this.#held.slice(position - this.#shown);
      this.#shown = position;
    }
    return out;
  }

  #slice(start: number, end: number): string {
    return this.#held.slice(start - this.#shown, end - this.#shown);
  }
}

function maskJson(value: Json, mask: (text: string) => string): Json {
  if (typeof value === "string") return mask(value);
  if (typeof value === "number") {
    const text = String(value);
    const masked = mask(text);
    return masked === text ? value : masked;
  }
  if (typeof value !== "object" || value === null) return value;
  if (isArray(value)) return value.map((item) => maskJson(item, mask));
  const uses = new Map<string, number>();
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const masked = mask(key);
      return [masked === key ? key : numbered(masked, uses), maskJson(inner, mask)];
    }),
  );
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** Keys that masking makes equal keep their members: the later ones are numbered. */
function numbered(key: string, uses: Map<string, number>): string {
  const count = (uses.get(key) ?? 0) + 1;
  uses.set(key, count);
  return count === 1 ? key : `${key} (${count})`;
}
