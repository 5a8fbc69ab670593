/**
 * What the parser says of a file. Offsets and columns count UTF-16 units, as JavaScript strings and
 * editors do; lines and columns begin at 1, offsets at 0, and an end is exclusive.
 */
import { z } from "zod";

const MAX_NAME_CHARS = 300;
const MAX_TEXT_CHARS = 1_000;

const position = z.int().nonnegative();
const name = z.string().min(1).max(MAX_NAME_CHARS);
/**
 * Of a symbol: anchor, class, constant, constructor, enum, enum-member, extension, field, function, id,
 * impl, interface, keyframes, macro, method, mixin, module, namespace, object, property, protocol,
 * prototype, struct, table, test, trait, type, variable; of a user's grammar whatever its query says.
 */
const kind = z.string().regex(/^[a-z][\w.-]{0,39}$/i);

export const symbolSchema = z.object({
  name,
  kind,
  start: position,
  end: position,
  line: position,
  column: position,
  end_line: position,
  /** Index of the innermost symbol around this one. */
  container: position.nullable(),
  /** The declaration without its body, on one line. */
  signature: z.string().max(MAX_TEXT_CHARS),
  /** Null where the language or the place does not say. */
  exported: z.boolean().nullable(),
  /** The first sentence of the comment before it. */
  doc: z.string().max(MAX_TEXT_CHARS).nullable(),
});

export const referenceSchema = z.object({
  name,
  /** call, type, implements, import, use; or a word of a user's query. */
  kind,
  line: position,
  column: position,
  /** The symbol that the reference stands in. */
  container: position.nullable(),
  /** What the name is a member of: `fs` in `fs.read`. */
  qualifier: z.string().max(MAX_NAME_CHARS).nullable(),
});

export const importSchema = z.object({
  /** As written, without quotes. */
  module: z.string().max(MAX_TEXT_CHARS),
  /** `*` is the module itself or all that it exports, `default` what it exports by default. */
  names: z.array(z.object({ name, alias: name.nullable() })),
  line: position,
});

export const chunkSchema = z.object({
  /** The symbol that the words describe; null for a file without symbols. */
  symbol: position.nullable(),
  name: z.string(),
  signature: z.string(),
  body: z.string(),
});

export const PROBLEM_CODES = ["too_large_to_parse", "parse_timeout", "parse_failed"] as const;

export const problemSchema = z.object({ code: z.enum(PROBLEM_CODES), message: z.string() });

export const parseFiguresSchema = z.object({
  /** ERROR and MISSING nodes of the tree, counted up to a bound. */
  errors: position,
  /** Wall time in the child; 0 where the platform stops the clock while code runs. */
  ms: z.number().nonnegative(),
  /** True when symbols or references were left out because of a bound. */
  truncated: z.boolean(),
  /** True when some symbols come from a scan of lines, not from the tree. */
  line_scan: z.boolean(),
});

/** One line of the child's answer. */
export const answerSchema = z.object({
  index: position,
  problem: problemSchema.nullable(),
  symbols: z.array(symbolSchema),
  references: z.array(referenceSchema),
  imports: z.array(importSchema),
  chunks: z.array(chunkSchema),
  parse: parseFiguresSchema,
});

export type CodeSymbol = z.output<typeof symbolSchema>;
export type CodeReference = z.output<typeof referenceSchema>;
export type CodeImport = z.output<typeof importSchema>;
export type Problem = z.output<typeof problemSchema>;
export type ParseFigures = z.output<typeof parseFiguresSchema>;
export type Answer = z.output<typeof answerSchema>;

/** The words of one symbol, split for the word index. */
export interface WordChunk extends z.output<typeof chunkSchema> {
  /** Words of the file's path. */
  readonly path: string;
}

export interface SourceFile {
  readonly oid: string;
  readonly path: string;
  readonly text: string;
}

export interface ParsedFile extends Omit<Answer, "index" | "chunks"> {
  readonly oid: string;
  readonly path: string;
  readonly chunks: WordChunk[];
}

/** The body of a request to the child. */
export interface ParseRequest {
  readonly files: readonly { readonly index: number; readonly text: string }[];
}

/** The last line of the child's answer: what came of the batch as a whole. */
export const lastLineSchema = z.union([
  z.object({ done: z.literal(true) }),
  /** Wasm trapped in the file before; the files after it have no answer. */
  z.object({ trapped: z.string() }),
  /** The grammar, its query or the request cannot be used at all. */
  z.object({ refused: z.string() }),
]);
