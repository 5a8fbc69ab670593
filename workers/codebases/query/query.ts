/** The tree of a search query: both syntaxes are read into it, and everything after works on it alone. */

/** A range of the query text in UTF-16 code units, `end` excluded. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export const SYNTAXES = ["github", "zoekt"] as const;
export type Syntax = (typeof SYNTAXES)[number];

/** Text to find: as it stands, or an RE2 expression. */
export type Pattern =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "regex"; readonly source: string };

/** What a path is held against; a glob spans the whole rest of the path. */
export type PathPattern = Pattern | { readonly kind: "glob"; readonly glob: string };

/** Where text is looked for; `either` is the content or the path. For the path alone there is the file leaf. */
export const TEXT_SCOPES = ["content", "either"] as const;
export type TextScope = (typeof TEXT_SCOPES)[number];

export const RESULT_TYPES = ["file", "path", "symbol", "commit", "diff", "repo"] as const;
export type ResultType = (typeof RESULT_TYPES)[number];

/** `auto` minds case when the pattern has a capital letter. */
export const CASE_MODES = ["yes", "no", "auto"] as const;
export type CaseMode = (typeof CASE_MODES)[number];

export const FILE_TRAITS = [
  "generated",
  "vendored",
  "test",
  "binary",
  "minified",
  "doc",
  "archived",
  "fork",
  "public",
] as const;
export type FileTrait = (typeof FILE_TRAITS)[number];

/**
 * Facts that other parts of the service answer: the symbol graph (`ref` references, `calls`, `calledby`, `implements`,
 * `imports`), structure (`ast`), meaning (`near`), history (`rev` a branch, tag or commit), and executions (`ran`,
 * `failed`, `covered`).
 */
export const FACT_FIELDS = [
  "ref",
  "calls",
  "calledby",
  "implements",
  "imports",
  "ast",
  "near",
  "rev",
  "ran",
  "failed",
  "covered",
] as const;
export type FactField = (typeof FACT_FIELDS)[number];

export interface TextLeaf extends Span {
  readonly kind: "text";
  readonly scope: TextScope;
  readonly pattern: Pattern;
}

/** The path of a file. */
export interface FileLeaf extends Span {
  readonly kind: "file";
  readonly pattern: PathPattern;
}

/** The name of a definition in the file, or of the repository. */
export interface NameLeaf extends Span {
  readonly kind: "symbol" | "repo";
  readonly pattern: Pattern;
}

/** A language by its lower-case name. */
export interface LanguageLeaf extends Span {
  readonly kind: "lang";
  readonly language: string;
}

export interface TypeLeaf extends Span {
  readonly kind: "type";
  readonly type: ResultType;
}

export interface TraitLeaf extends Span {
  readonly kind: "is";
  readonly trait: FileTrait;
}

/** Holds for the patterns of its own group and of the groups inside it. */
export interface CaseLeaf extends Span {
  readonly kind: "case";
  readonly mode: CaseMode;
}

export interface FactLeaf extends Span {
  readonly kind: FactField;
  readonly value: string;
}

/** Changed between two revisions; without `base`, by the revision `head` itself. */
export interface DiffLeaf extends Span {
  readonly kind: "diff";
  readonly base: string | null;
  readonly head: string;
}

export type Leaf =
  | TextLeaf
  | FileLeaf
  | NameLeaf
  | LanguageLeaf
  | TypeLeaf
  | TraitLeaf
  | CaseLeaf
  | FactLeaf
  | DiffLeaf;

/** Two operands or more; a group in the text stays a node of its own. */
export interface JunctionQuery extends Span {
  readonly kind: "and" | "or";
  readonly operands: readonly Query[];
}

export interface NotQuery extends Span {
  readonly kind: "not";
  readonly operand: Query;
}

export type Query = JunctionQuery | NotQuery | Leaf;

const factFields: ReadonlySet<string> = new Set(FACT_FIELDS);

export function isFact(query: Query): query is FactLeaf {
  return factFields.has(query.kind);
}

/** The leaves from left to right, each with whether an odd number of negations stands above it. */
export function* leavesOf(
  query: Query,
  negated = false,
): Generator<{ leaf: Leaf; negated: boolean }> {
  switch (query.kind) {
    case "and":
    case "or":
      for (const operand of query.operands) yield* leavesOf(operand, negated);
      return;
    case "not":
      yield* leavesOf(query.operand, !negated);
      return;
    default:
      yield { leaf: query, negated };
  }
}
