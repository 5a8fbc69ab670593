/** Classifies a file by path, content and attributes: its language, and what searches leave out. */
import type { LinguistAttributes } from "./attributes.ts";
import { detectLanguage } from "./detect-language.ts";
import { isGenerated } from "./generated.ts";
import { type Language, languageNamed } from "./languages.ts";
import { pathFlags } from "./path-flags.ts";
import { decodeText, lineFacts, type TextEncodingName } from "./text-content.ts";

/** A file with a longer line is minified: it is searched as text and not parsed. */
export const MAX_LINE_CHARS = 5_000;

export interface Classification {
  readonly language: Language | null;
  /** Null when the file is binary, or its content is not held. */
  readonly text: string | null;
  readonly encoding: TextEncodingName | null;
  /** 0 for what has no text. */
  readonly lines: number;
  readonly binary: boolean;
  readonly generated: boolean;
  readonly vendored: boolean;
  readonly test: boolean;
  readonly minified: boolean;
  readonly lockfile: boolean;
  readonly documentation: boolean;
  /** Whether its language counts among those of the codebase. */
  readonly detectable: boolean;
}

/** Classifies a file; content is null when it is too large to be held. Attributes outweigh all else. */
export function classify(
  path: string,
  content: Uint8Array | null,
  attributes: LinguistAttributes = {},
): Classification {
  const decoded = content === null || attributes.binary ? null : decodeText(content);
  const text = decoded?.text ?? null;
  const flags = pathFlags(path);
  const named = attributes.language === undefined ? null : languageNamed(attributes.language);
  const language = named ?? detectLanguage(path, text);
  const { count, longest } = lineFacts(text ?? "");
  const generated = attributes.generated ?? (flags.lockfile || isGenerated(path, text));
  const vendored = attributes.vendored ?? flags.vendored;
  const documentation =
    attributes.documentation ?? (flags.documentation || language?.kind === "prose");
  const isCode = language?.kind === "programming" || language?.kind === "markup";
  return {
    language,
    text,
    encoding: decoded?.encoding ?? null,
    lines: count,
    binary: attributes.binary ?? (content !== null && decoded === null),
    generated,
    vendored,
    test: flags.test,
    minified: longest > MAX_LINE_CHARS,
    lockfile: flags.lockfile,
    documentation,
    detectable: attributes.detectable ?? (isCode && !generated && !vendored && !documentation),
  };
}
