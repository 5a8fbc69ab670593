/** The wire form of symbols, references, imports, maps and comparisons. */
import { z } from "@hono/zod-openapi";
import { orNull } from "../http/schemas.ts";
import { SYMBOL_CHANGES } from "./diff/symbols.ts";
import { FILE_CHANGES } from "./index/understanding/diff-query.ts";
import { DIRECTIONS, IMPORT_TARGETS } from "./index/understanding/imports-query.ts";
import { UNRESOLVED } from "./index/understanding/references-query.ts";
import { MAX_QUERY_CHARS } from "./query/parse.ts";
import { flag, globSchema, integer, maxTokens, snapshotName } from "./reading-schemas.ts";

const MAX_LIMIT = 1_000;
const DEFAULT_LIMIT = 100;
const MAX_DIFF_LIMIT = 200;
const DEFAULT_DIFF_LIMIT = 50;
const MAX_PATH_CHARS = 4_096;
const MAX_NAME_CHARS = 300;
const MAX_FOCUS = 50;
const DEFAULT_MAP_TOKENS = 1_024;

const CONFIDENCES = ["exact", "likely", "ambiguous"] as const;

const nameSchema = z.string().min(1).max(MAX_NAME_CHARS);
const pathSchema = z.string().min(1).max(MAX_PATH_CHARS);
const seconds = integer(1, 20, 5).openapi({
  description: "What was found by then is answered, with a cursor.",
});
const paging = {
  snapshot: snapshotName,
  limit: integer(1, MAX_LIMIT, DEFAULT_LIMIT),
  cursor: z.string().max(2_000).optional(),
  timeout_seconds: seconds,
  max_tokens: maxTokens,
};
const rendered = {
  text: z.string().nullable().openapi({ description: "With `max_tokens`." }),
  tokens: z.int().nullable(),
};

const receiptSchema = z
  .object({
    snapshot: z.int(),
    root: z.string(),
    files: z.int(),
    symbols_pending: z.int().openapi({ description: "Files that no parser has seen yet." }),
    complete: z.boolean(),
    reason: z.string().nullable().openapi({ description: "Why it is not complete." }),
  })
  .openapi("ReadReceipt");

const lineNumber = z
  .string()
  .regex(/^[1-9]\d{0,8}$/, "Send a line number.")
  .transform(Number)
  .optional()
  .openapi({ type: "integer", minimum: 1 });

/** Parts of one parameter, by commas. */
const several = (part: z.ZodString) =>
  z
    .string()
    .max(MAX_FOCUS * MAX_PATH_CHARS)
    .transform((text) => text.split(",").map((each) => each.trim()))
    .pipe(z.array(part).min(1).max(MAX_FOCUS))
    .optional();

export const symbolsQuery = z
  .strictObject({
    ...paging,
    name: nameSchema.optional().openapi({ description: "The whole name." }),
    prefix: nameSchema.optional().openapi({ description: "How the name begins, in any case." }),
    contains: nameSchema.optional().openapi({ description: "A part of the name, in any case." }),
    q: z
      .string()
      .min(1)
      .max(MAX_QUERY_CHARS)
      .optional()
      .openapi({ description: "Words of names, signatures and bodies, the best first (BM25)." }),
    kind: z.string().max(40).optional().openapi({ example: "function" }),
    language: z.string().max(100).optional(),
    path: globSchema.optional().openapi({ example: "src/**/*.ts" }),
    exported: z.enum(["true", "false"]).optional().openapi({ type: "boolean" }),
  })
  .refine(
    ({ name, prefix, contains, q }) =>
      [name, prefix, contains, q].filter((each) => each !== undefined).length <= 1,
    "Send one of name, prefix, contains and q, or none for all symbols.",
  );

export const symbolSchema = z
  .object({
    path: z.string(),
    name: z.string(),
    kind: z.string(),
    line: z.int(),
    column: z.int().openapi({ description: "Of the name, from 1, in UTF-16 code units." }),
    end_line: z.int().openapi({ description: "The last line of the declaration." }),
    containers: z
      .array(z.string())
      .openapi({ description: "What it is defined in, outermost first." }),
    signature: z.string(),
    doc: z.string().nullable(),
    exported: z.boolean().nullable().openapi({ description: "Null where the text does not say." }),
    language: z.string().nullable(),
    score: z.number().nullable().openapi({ description: "With `q`: BM25, greater is better." }),
  })
  .openapi("CodeSymbol");

const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    items: z.array(item),
    next_cursor: z.string().nullable(),
    receipt: receiptSchema,
    ...rendered,
  });

export const symbolListSchema = listOf(symbolSchema).openapi("CodeSymbolList");

export const outlineQuery = z.strictObject({
  snapshot: snapshotName,
  path: pathSchema,
  max_tokens: maxTokens,
});

const outlinedSchema = symbolSchema.omit({ path: true, language: true, score: true });

export interface OutlineNode extends z.output<typeof outlinedSchema> {
  readonly children: OutlineNode[];
}

/** Symbols hold the symbols that are defined in them, at any depth. */
const nodeSchema: z.ZodType<OutlineNode> = outlinedSchema
  .extend({ children: z.lazy(() => z.array(nodeSchema)) })
  .openapi("OutlineNode");

export const outlineSchema = z
  .object({
    path: z.string(),
    language: z.string().nullable(),
    symbols: z.array(nodeSchema),
    receipt: receiptSchema,
    ...rendered,
  })
  .openapi("Outline");

export const referencesQuery = z
  .strictObject({
    ...paging,
    symbol: nameSchema.openapi({ example: "parseQuery" }),
    path: pathSchema.optional().openapi({ description: "The file of the definition meant." }),
    line: lineNumber.openapi({ description: "The line of the definition meant." }),
    kind: z
      .string()
      .max(40)
      .optional()
      .openapi({ description: "`call` gives callers, `implements` implementers." }),
    confidence: z
      .enum(CONFIDENCES)
      .optional()
      .openapi({ description: "At least; without, those known by name only are shown too." }),
  })
  .refine(({ path, line }) => line === undefined || path !== undefined, {
    message: "A line needs the path of its file.",
    path: ["line"],
  });

const placeSchema = z
  .object({
    path: z.string(),
    name: z.string(),
    kind: z.string(),
    line: z.int(),
    column: z.int(),
    containers: z.array(z.string()),
  })
  .openapi("SymbolPlace");

const referenceSchema = z
  .object({
    path: z.string(),
    line: z.int(),
    column: z.int(),
    kind: z.string().openapi({ description: "call, type, implements, import or use." }),
    name: z.string().openapi({ description: "Another one where an import renames it." }),
    qualifier: z.string().nullable().openapi({ description: "`fs` in `fs.read`." }),
    text: z.string().openapi({ description: "The line, credentials covered." }),
    within: orNull(placeSchema).openapi({ description: "The symbol that it stands in." }),
    definition: orNull(placeSchema),
    confidence: z.enum(CONFIDENCES).nullable(),
    reason: z.enum(UNRESOLVED).nullable().openapi({
      description: "Without a definition: only the name is known, or it is imported from outside.",
    }),
  })
  .openapi("CodeReference");
export const referenceListSchema = listOf(referenceSchema).openapi("CodeReferenceList");

export const importsQuery = z
  .strictObject({
    ...paging,
    path: pathSchema.optional().openapi({ description: "A file; without, of all files." }),
    direction: z
      .enum(DIRECTIONS)
      .default("out")
      .openapi({ description: "What the file imports, who imports it, or both." }),
    inside: flag.openapi({ description: "Only imports that lead to a file of the snapshot." }),
  })
  .refine(({ path, direction }) => path !== undefined || direction === "out", {
    message: "Name a path to ask who imports it.",
    path: ["direction"],
  });

const importSchema = z
  .object({
    from: z.string(),
    line: z.int(),
    module: z.string(),
    names: z.array(z.object({ name: z.string(), alias: z.string().nullable() })),
    target: z
      .enum(IMPORT_TARGETS)
      .openapi({ description: "`missing`: the snapshot should have it, and has not." }),
    to: z.string().nullable(),
    confidence: z.enum(CONFIDENCES).nullable(),
  })
  .openapi("CodeImport");
export const importListSchema = listOf(importSchema).openapi("CodeImportList");

export const mapQuery = z.strictObject({
  snapshot: snapshotName,
  max_tokens: integer(50, 200_000, DEFAULT_MAP_TOKENS),
  focus: several(z.string().min(1).max(MAX_PATH_CHARS)).openapi({
    type: "string",
    description: "Files or folders that are looked at, by commas.",
  }),
  mention: several(z.string().min(1).max(MAX_NAME_CHARS)).openapi({
    type: "string",
    description: "Names that are talked about, by commas.",
  }),
});

export const mapSchema = z
  .object({
    text: z.string(),
    tokens: z.int(),
    files: z.array(z.object({ path: z.string(), rank: z.number(), shown: z.int() })),
    shown: z.int().openapi({ description: "Definitions in the text." }),
    of: z.int().openapi({ description: "Definitions that could be." }),
    receipt: receiptSchema,
  })
  .openapi("RepositoryMap");

export const diffQuery = z.strictObject({
  base: snapshotName.openapi({
    description: "A snapshot's number, id, ref, commit or root; the one before `head` without.",
  }),
  head: snapshotName.openapi({ description: "The newest that is ready without." }),
  path: z
    .string()
    .max(MAX_PATH_CHARS)
    .default("")
    .openapi({ description: "A folder or file that alone is compared." }),
  patch: flag.openapi({ description: "Adds unified hunks." }),
  limit: integer(1, MAX_DIFF_LIMIT, DEFAULT_DIFF_LIMIT),
  cursor: z.string().max(2_000).optional(),
  timeout_seconds: seconds,
  max_tokens: maxTokens,
});

const sideSchema = z.object({ path: z.string(), line: z.int(), signature: z.string() });
const mode = z.enum(["file", "executable", "symlink", "submodule"]).nullable();

const fileDiffSchema = z
  .object({
    change: z.enum(FILE_CHANGES),
    path: z.string(),
    old_path: z.string().nullable(),
    oid: z.string().nullable(),
    old_oid: z.string().nullable(),
    mode,
    old_mode: mode,
    similarity: z.number().nullable().openapi({ description: "Of a renamed file, up to 1." }),
    lines_added: z.int().nullable().openapi({ description: "Null when it is no text." }),
    lines_removed: z.int().nullable(),
    symbols: z.array(
      z.object({
        change: z.enum(SYMBOL_CHANGES),
        name: z.string(),
        kind: z.string(),
        containers: z.array(z.string()),
        before: sideSchema.nullable(),
        after: sideSchema.nullable(),
      }),
    ),
    patch: z.string().nullable(),
    patch_omitted: z.enum(["binary", "too_large"]).nullable(),
  })
  .openapi("FileDiff");

export const diffSchema = z
  .object({
    counts: z.object({
      added: z.int(),
      removed: z.int(),
      changed: z.int(),
      renamed: z.int(),
    }),
    items: z.array(fileDiffSchema),
    next_cursor: z.string().nullable(),
    receipt: receiptSchema
      .extend({ base: z.int().nullable(), base_root: z.string().nullable() })
      .openapi("DiffReceipt"),
    ...rendered,
  })
  .openapi("SnapshotDiff");
