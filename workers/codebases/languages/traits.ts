/** What the harness must know of a language besides its grammar and its query. */
import { z } from "zod";

/** How a definition says that it can be used from elsewhere. */
export const VISIBILITIES = [
  /** Nothing in the language says so. */
  "unknown",
  /** By an `export`, captured by the query as `@export` or `@export.name`. */
  "export",
  /** By a capital first letter. */
  "capital",
  /** By the lack of a leading underscore. */
  "no-underscore",
  /** By `pub` or `public`, or by another of the words that open up. */
  "public-keyword",
  /** Unless `private`, `internal` or a like word closes it. */
  "unless-private",
  /** Unless `static` or `local` keeps it in its file. */
  "unless-file-local",
] as const;

export const languageTraits = z.object({
  id: z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/),
  /** Prefixes of a comment that ends with its line. */
  lineComments: z.array(z.string().min(1)).max(8).default([]),
  blockComments: z
    .array(z.tuple([z.string().min(1), z.string().min(1)]))
    .max(8)
    .default([]),
  /** Prefixes of lines that may stand between a comment and what it describes. */
  attributes: z.array(z.string().min(1)).max(8).default([]),
  /** True when the first string of a body describes the definition. */
  docstrings: z.boolean().default(false),
  visibility: z.enum(VISIBILITIES).default("unknown"),
  /** What joins a module's name to a member of it, longest first. */
  separators: z.array(z.string().min(1)).max(4).default(["."]),
  /** How definitions are found by their lines where the tree has errors. */
  lineScan: z.enum(["none", "c", "general"]).default("general"),
});

/** The traits as the harness gets them, with every default filled in. */
export type LanguageTraits = z.output<typeof languageTraits>;
export type LanguageTraitsInput = z.input<typeof languageTraits>;

const partSchema = z.object({ query: z.string(), traits: languageTraits });

/** What a parser child is made of, besides its grammars: handed to it as a module of text. */
export const childPartsSchema = z.object({ own: partSchema, embedded: partSchema.nullable() });
export type ChildParts = z.output<typeof childPartsSchema>;
