/** The wire form of files, folders and searches. */
import { z } from "@hono/zod-openapi";
import picomatch from "picomatch";
import { listOf, orNull, projectIdSchema } from "../http/schemas.ts";
import { MAX_QUERY_CHARS } from "./query/parse.ts";
import { SYNTAXES } from "./query/query.ts";

const MAX_LIMIT = 200;
const DEFAULT_LIMIT = 30;
const MAX_MATCHES = 500;
const DEFAULT_MATCHES = 20;
const MAX_CONTEXT = 20;
const MAX_TOKENS = 200_000;
const MAX_SECONDS = 20;
const DEFAULT_SECONDS = 5;

/** A whole number in a query string. */
const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `Send a whole number from ${least} to ${most}.`)
    .transform(Number)
    .refine(
      (number) => number >= least && number <= most,
      `Send a whole number from ${least} to ${most}.`,
    );
export const integer = (least: number, most: number, fallback: number) =>
  wholeNumber(least, most)
    .default(fallback)
    .openapi({ type: "integer", minimum: least, maximum: most, default: fallback });
export const flag = z
  .enum(["true", "false"])
  .default("false")
  .transform((value) => value === "true")
  .openapi({ type: "boolean", default: false });

export const snapshotName = z.string().min(1).max(255).optional().openapi({
  description: "A snapshot's number, id, ref, commit or root; the newest that is ready without.",
});
export const maxTokens = wholeNumber(50, MAX_TOKENS)
  .optional()
  .openapi({ type: "integer", description: "Adds the answer as text of at most so many tokens." });

export const fileSchema = z
  .object({
    path: z.string(),
    mode: z.enum(["file", "executable", "symlink", "submodule"]),
    oid: z.string(),
    size: z.int(),
    language: z.string().nullable(),
    lines: z.int(),
    traits: z.array(z.string()),
  })
  .openapi("CodebaseFile");

/** Brackets that open and never close would stand for themselves, and match next to nothing. */
function isGlob(text: string): boolean {
  try {
    picomatch.makeRe(text, { dot: true, strictBrackets: true });
    return true;
  } catch {
    return false;
  }
}

export const globSchema = z
  .string()
  .min(1)
  .max(500)
  .refine(
    isGlob,
    "A bracket of the glob is not closed. Close it, or write \\[ for the bracket itself.",
  );

export const filesQuery = z.strictObject({
  snapshot: snapshotName,
  folder: z.string().max(1_024).default("").openapi({ description: "Files below it alone." }),
  glob: globSchema.optional().openapi({ example: "src/**/*.ts" }),
  language: z.string().max(100).optional(),
  limit: integer(1, 1_000, 200),
  cursor: z.string().max(4_000).optional(),
});
export const fileListSchema = listOf(fileSchema)
  .extend({ snapshot: z.int() })
  .openapi("CodebaseFileList");

export const treeQuery = z.strictObject({
  snapshot: snapshotName,
  path: z.string().max(1_024).default("").openapi({ description: "The folder; the top without." }),
});
export const treeSchema = z
  .object({
    snapshot: z.int(),
    path: z.string(),
    oid: z.string(),
    folders: z.array(
      z.object({ name: z.string(), path: z.string(), oid: z.string(), files: z.int() }),
    ),
    files: z.array(fileSchema),
  })
  .openapi("CodebaseTree");

const matchSchema = z
  .object({
    kind: z.enum(["content", "path", "symbol"]),
    line: z.int(),
    column: z.int().openapi({ description: "From 1, in UTF-16 code units." }),
    end_line: z.int(),
    start: z.int(),
    end: z.int(),
    byte_start: z.int(),
    byte_end: z.int(),
    symbol_kind: z.string().nullable(),
    text: z
      .string()
      .openapi({ description: "The line, with what looks like a credential covered." }),
    match_start: z.int(),
    match_end: z.int(),
    cut_before: z.boolean(),
    cut_after: z.boolean(),
    before: z.array(z.string()),
    after: z.array(z.string()),
  })
  .openapi("SearchMatch");

const resultSchema = z
  .object({
    path: z.string(),
    oid: z.string(),
    language: z.string().nullable(),
    size: z.int(),
    traits: z.array(z.string()),
    score: z.number(),
    signals: z.array(z.object({ signal: z.string(), points: z.number() })).nullable(),
    matches: z.array(matchSchema),
    truncated: z.boolean().openapi({ description: "It has more matches than are shown." }),
  })
  .openapi("SearchResult");

const receiptSchema = z
  .object({
    snapshot: z.int(),
    root: z.string(),
    files: z.int(),
    candidates: z.int(),
    searched: z.int(),
    bytes_searched: z.int(),
    skipped: z.object({
      binary: z.int(),
      too_large: z.int(),
      symlink: z.int(),
      submodule: z.int(),
      too_costly: z.int(),
      no_grammar: z.int(),
      symbols_pending: z.int(),
    }),
    exhaustive: z.boolean(),
    reason: z.string().nullable().openapi({ description: "Why it is not exhaustive." }),
    digest: z.string().openapi({ description: "Of root, query and all results so far." }),
  })
  .openapi("SearchReceipt");

export const searchQuery = z.strictObject({
  q: z
    .string()
    .min(1)
    .max(MAX_QUERY_CHARS)
    .openapi({ example: "sym:parse lang:typescript -is:test" }),
  syntax: z.enum(SYNTAXES).default("github"),
  snapshot: snapshotName,
  limit: integer(1, MAX_LIMIT, DEFAULT_LIMIT),
  max_matches: integer(1, MAX_MATCHES, DEFAULT_MATCHES).openapi({
    description: "Of one file; `truncated` says that it has more.",
  }),
  context_lines: integer(0, MAX_CONTEXT, 0),
  timeout_seconds: integer(1, MAX_SECONDS, DEFAULT_SECONDS).openapi({
    description: "What was found by then is answered, with a cursor.",
  }),
  cursor: z.string().max(2_000).optional(),
  explain: flag.openapi({ description: "Adds the plan, and each score's parts." }),
  max_tokens: maxTokens,
});
export type SearchParameters = z.output<typeof searchQuery>;

const MAX_CODEBASES = 100;
const DEFAULT_CODEBASES = 50;

export const crossSearchQuery = searchQuery
  .omit({ cursor: true, limit: true, explain: true })
  .extend({
    project_id: projectIdSchema.optional(),
    limit: integer(1, 50, 10).openapi({ description: "Files of each codebase." }),
    codebases: integer(1, MAX_CODEBASES, DEFAULT_CODEBASES).openapi({
      description: "How many are searched by one call; `next_cursor` goes on with the others.",
    }),
    cursor: z.string().max(500).optional(),
  });

export const searchSchema = z
  .object({
    type: z.enum(["file", "path", "symbol", "commit", "diff", "repo"]),
    items: z.array(resultSchema),
    next_cursor: z.string().nullable(),
    receipt: receiptSchema,
    notes: z.array(z.object({ message: z.string(), start: z.int(), end: z.int() })),
    plan: z.unknown().openapi({ type: "object", description: "With `explain=true`." }),
    text: z.string().nullable(),
    tokens: z.int().nullable(),
  })
  .openapi("SearchAnswer");

export const crossSearchSchema = z
  .object({
    items: z
      .array(resultSchema.extend({ codebase_id: z.string(), codebase: z.string() }))
      .openapi({ description: "Of all codebases, the best first." }),
    codebases: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        status: z.enum(["searched", "late", "failed", "empty"]).openapi({
          description:
            "`late` and `failed` ones are missing from the answer; `empty` have no such snapshot.",
        }),
        receipt: orNull(receiptSchema),
        next_cursor: z.string().nullable().openapi({
          description: "Goes on in this codebase, at its own search with the same parameters.",
        }),
      }),
    ),
    complete: z.boolean().openapi({
      description: "Every codebase of this page answered, and to the end of its results.",
    }),
    next_cursor: z.string().nullable().openapi({ description: "For the next codebases." }),
    text: z.string().nullable(),
    tokens: z.int().nullable(),
  })
  .openapi("CrossSearchAnswer");
