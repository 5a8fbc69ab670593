/** The wire form of users' grammars. */
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/page.ts";
import {
  idSchema,
  listOf,
  projectIdSchema,
  timestamp,
  timestampSchema,
} from "../../http/schemas.ts";
import { languageNamed } from "../intake/languages.ts";
import { registeredLanguage } from "../languages/registry.ts";
import { languageName } from "../query/fields.ts";
import type { GrammarRow } from "./repository.ts";

export const MAX_WASM_BYTES = 8 * 1024 * 1024;
export const MAX_QUERY_BYTES = 256 * 1024;
const MAX_WORDS = 32;
const MAX_SAMPLE_CHARS = 64 * 1024;

/** The service's grammars are its own, so that a name always means the same. */
function nameProblem(name: string): string | null {
  const known = languageNamed(name)?.id ?? languageName(name);
  if (registeredLanguage(known) !== undefined) {
    return `The service parses ${known} itself. Give your language another name, such as "${name}-own".`;
  }
  return known === name ? null : `That is another name of ${known}. Call it ${known}.`;
}

const languageWord = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]{0,39}$/,
    "Send 1 to 40 lower-case letters, digits, - and _; a letter first.",
  )
  .check(({ value, issues }) => {
    const message = nameProblem(value);
    if (message !== null) issues.push({ code: "custom", message, input: value });
  });

/** Several words in one field, or one a field. */
const wordsOf = (word: z.ZodType<string, string>, max = MAX_WORDS) =>
  z
    .array(z.string())
    .default([])
    .transform((fields) => [
      ...new Set(fields.flatMap((field) => field.split(/[\s,]+/)).filter((text) => text !== "")),
    ])
    .pipe(z.array(word).max(max));

const extension = z
  .string()
  .transform((text) => text.replace(/^\./, "").toLowerCase())
  .pipe(
    z
      .string()
      .regex(/^[a-z0-9_+#-]+(?:\.[a-z0-9_+#-]+){0,3}$/, "Send endings such as foo or foo.bar."),
  );
const filename = z
  .string()
  .max(100)
  .regex(/^[^/\\]+$/, "Send names of files, without folders.");

const once = z.array(z.string()).max(1, "Send it once.");
const single = <Output>(schema: z.ZodType<Output, string>) =>
  once
    .default([])
    .transform(([text]) => text)
    .pipe(schema.optional());

/** The text fields of an upload, each as the values it was sent with. */
export const uploadFields = z.strictObject({
  name: once.transform(([text]) => text ?? "").pipe(languageWord),
  project_id: single(projectIdSchema),
  extensions: wordsOf(extension),
  filenames: wordsOf(filename),
  aliases: wordsOf(languageWord),
  line_comments: wordsOf(z.string().max(8), 8),
  sample: single(z.string().max(MAX_SAMPLE_CHARS)),
});

/** What a language is recognized by, and what its comments begin with. */
export const grammarTraits = z.object({
  extensions: z.array(z.string()),
  filenames: z.array(z.string()),
  aliases: z.array(z.string()),
  line_comments: z.array(z.string()),
});
export type GrammarTraits = z.output<typeof grammarTraits>;

/** What the document says of the multipart body. */
export const uploadDocument = z
  .object({
    name: z
      .string()
      .openapi({ description: "What the language is called in queries: `lang:name`." }),
    project_id: z.string().optional(),
    extensions: z
      .string()
      .optional()
      .openapi({ description: "Endings of files, apart by blanks." }),
    filenames: z.string().optional().openapi({ description: "Whole names of files." }),
    aliases: z.string().optional(),
    line_comments: z
      .string()
      .optional()
      .openapi({ description: "What begins a comment: the one before a definition describes it." }),
    sample: z
      .string()
      .optional()
      .openapi({ description: "Text of the language; `check` then says what was found in it." }),
    wasm: z.string().openapi({
      type: "string",
      format: "binary",
      description: `What \`tree-sitter build --wasm\` writes, at most ${MAX_WASM_BYTES} bytes.`,
    }),
    tags: z.string().openapi({
      type: "string",
      format: "binary",
      description:
        "A tags query: `@name` with `@definition.<kind>` or `@reference.<kind>`, as in tags.scm.",
    }),
  })
  .openapi("UploadGrammar");

export const grammarSchema = z
  .object({
    id: z.string(),
    project_id: z.string(),
    name: z.string(),
    ...grammarTraits.shape,
    version: z.string().openapi({
      description: "SHA-256 of the grammar, its query and what it is recognized by.",
    }),
    wasm_bytes: z.int(),
    created_by: z.string(),
    created_at: timestampSchema,
    updated_at: timestampSchema,
  })
  .openapi("Grammar");
export type GrammarDocument = z.output<typeof grammarSchema>;

export const checkedSchema = grammarSchema
  .extend({
    check: z
      .object({
        errors: z.int().openapi({ description: "Places of the sample that do not parse." }),
        symbols: z.array(z.object({ kind: z.string(), name: z.string(), line: z.int() })),
        references: z.int(),
      })
      .openapi({ description: "What the grammar and its query found in the sample." }),
  })
  .openapi("CheckedGrammar");
export type GrammarCheck = z.output<typeof checkedSchema>["check"];

export const grammarListSchema = listOf(grammarSchema).openapi("GrammarList");
export const grammarQuery = z.strictObject({
  ...pageQuery,
  project_id: projectIdSchema.optional(),
});
export const grammarParams = z.object({ grammar_id: idSchema });

export function toGrammar(row: GrammarRow): GrammarDocument {
  const { id, project_id, name, traits, version, wasm_bytes, created_by } = row;
  return {
    ...{ id, project_id, name, ...traits, version, wasm_bytes, created_by },
    created_at: timestamp(row.created_at),
    updated_at: timestamp(row.updated_at),
  };
}
