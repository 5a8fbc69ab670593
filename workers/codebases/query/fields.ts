/** The fields of the query language: their names in both syntaxes, and the kind of value each takes. */
import { FACT_FIELDS, type FactField, type Syntax } from "./query.ts";

export type FieldKind =
  | FactField
  | "content"
  | "regex"
  | "file"
  | "symbol"
  | "repo"
  | "owner"
  | "lang"
  | "type"
  | "is"
  | "flag"
  | "case"
  | "diff";

export interface Field {
  readonly kind: FieldKind;
  /** The trait that a `yes` or `no` is about. */
  readonly trait?: "archived" | "fork" | "public";
}

const shared: readonly (readonly [string, Field])[] = [
  ...FACT_FIELDS.map((kind) => [kind, { kind }] as const),
  ["content", { kind: "content" }],
  ["file", { kind: "file" }],
  ["lang", { kind: "lang" }],
  ["language", { kind: "lang" }],
  ["symbol", { kind: "symbol" }],
  ["sym", { kind: "symbol" }],
  ["repo", { kind: "repo" }],
  ["type", { kind: "type" }],
  ["is", { kind: "is" }],
  ["case", { kind: "case" }],
  ["diff", { kind: "diff" }],
  ["archived", { kind: "flag", trait: "archived" }],
  ["fork", { kind: "flag", trait: "fork" }],
  ["public", { kind: "flag", trait: "public" }],
];

const FIELDS: Readonly<Record<Syntax, ReadonlyMap<string, Field>>> = {
  github: new Map<string, Field>([
    ...shared,
    ["path", { kind: "file" }],
    ["org", { kind: "owner" }],
    ["user", { kind: "owner" }],
    ["branch", { kind: "rev" }],
  ]),
  zoekt: new Map<string, Field>([
    ...shared,
    ["path", { kind: "file" }],
    ["regex", { kind: "regex" }],
    ["branch", { kind: "rev" }],
    ["c", { kind: "content" }],
    ["f", { kind: "file" }],
    ["l", { kind: "lang" }],
    ["r", { kind: "repo" }],
    ["b", { kind: "rev" }],
    ["t", { kind: "type" }],
    ["a", { kind: "flag", trait: "archived" }],
  ]),
};

/** What a name before a colon means, ignoring case; undefined when the language has no such field. */
export function fieldOf(name: string, syntax: Syntax): Field | undefined {
  return FIELDS[syntax].get(name.toLowerCase());
}

/** Those that can be answered: nothing collects coverage. */
export function fieldNames(syntax: Syntax): string[] {
  return [...FIELDS[syntax].keys()].filter((name) => name !== "covered");
}

/** Names that Zoekt and GitHub give to what results are made of. */
export const TYPE_ALIASES: Readonly<Record<string, string>> = {
  code: "file",
  content: "file",
  filematch: "file",
  filename: "path",
  repository: "repo",
};

export const TRAIT_ALIASES: Readonly<Record<string, string>> = {
  documentation: "doc",
  docs: "doc",
  tests: "test",
  vendor: "vendored",
};

const LANGUAGE_ALIASES: ReadonlyMap<string, string> = new Map([
  ["js", "javascript"],
  ["jsx", "javascript"],
  ["ts", "typescript"],
  ["py", "python"],
  ["rb", "ruby"],
  ["rs", "rust"],
  ["golang", "go"],
  ["c++", "cpp"],
  ["c#", "csharp"],
  ["c-sharp", "csharp"],
  ["sh", "bash"],
  ["shell", "bash"],
  ["yml", "yaml"],
  ["kt", "kotlin"],
  ["md", "markdown"],
]);

/** The name that a language is stored under: lower case, and one for its usual short forms. */
export function languageName(name: string): string {
  const lower = name.toLowerCase();
  return LANGUAGE_ALIASES.get(lower) ?? lower;
}
