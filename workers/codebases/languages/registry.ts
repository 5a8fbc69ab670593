/** The languages that the service brings along. Their grammars are in `grammars.ts`. */
import { type LanguageTraits, type LanguageTraitsInput, languageTraits } from "./traits.ts";

interface LanguageEntry extends Omit<LanguageTraitsInput, "id"> {
  /** The artifact in `dist/`, without its ending. */
  readonly artifact: string;
  /** Files of `queries/`, without their ending, read as one. */
  readonly queries: readonly string[];
  /**
   * What stands for `$` in structural patterns, where `$` cannot be part of an identifier: the
   * pattern must parse as code of the language.
   */
  readonly expando: string;
  /** The language of embedded scripts, captured by the query as `@injection`. */
  readonly embeds?: LanguageId;
}

const SLASHES = {
  lineComments: ["//"],
  blockComments: [["/*", "*/"]],
} satisfies Partial<LanguageTraitsInput>;
const HASH = { lineComments: ["#"] } satisfies Partial<LanguageTraitsInput>;
const MARKUP = {
  blockComments: [["<!--", "-->"]],
  lineScan: "none",
} satisfies Partial<LanguageTraitsInput>;

const ENTRIES = {
  typescript: {
    separators: ["?.", "."],
    artifact: "typescript",
    queries: ["javascript", "typescript"],
    expando: "$",
    visibility: "export",
    attributes: ["@"],
    ...SLASHES,
  },
  tsx: {
    separators: ["?.", "."],
    artifact: "tsx",
    queries: ["javascript", "typescript", "jsx"],
    expando: "$",
    visibility: "export",
    attributes: ["@"],
    ...SLASHES,
  },
  javascript: {
    separators: ["?.", "."],
    artifact: "javascript",
    queries: ["javascript", "javascript-only", "jsx"],
    expando: "$",
    visibility: "export",
    attributes: ["@"],
    ...SLASHES,
  },
  python: {
    artifact: "python",
    queries: ["python"],
    expando: "µ",
    visibility: "no-underscore",
    attributes: ["@"],
    docstrings: true,
    ...HASH,
  },
  go: { artifact: "go", queries: ["go"], expando: "µ", visibility: "capital", ...SLASHES },
  rust: {
    artifact: "rust",
    queries: ["rust"],
    expando: "µ",
    visibility: "public-keyword",
    attributes: ["#["],
    separators: ["::", "."],
    ...SLASHES,
  },
  java: {
    artifact: "java",
    queries: ["java"],
    expando: "$",
    visibility: "public-keyword",
    attributes: ["@"],
    ...SLASHES,
  },
  c: {
    artifact: "c",
    queries: ["c"],
    expando: "𐀀",
    visibility: "unless-file-local",
    separators: ["->", "."],
    lineScan: "c",
    ...SLASHES,
  },
  cpp: {
    artifact: "cpp",
    queries: ["cpp", "c"],
    expando: "𐀀",
    visibility: "unless-file-local",
    attributes: ["[[", "template"],
    separators: ["::", "->", "."],
    lineScan: "c",
    ...SLASHES,
  },
  csharp: {
    separators: ["?.", "."],
    artifact: "csharp",
    queries: ["csharp"],
    expando: "µ",
    visibility: "public-keyword",
    attributes: ["["],
    ...SLASHES,
  },
  ruby: {
    artifact: "ruby",
    queries: ["ruby"],
    expando: "µ",
    separators: ["::", "."],
    ...HASH,
  },
  php: {
    artifact: "php",
    queries: ["php"],
    expando: "µ",
    visibility: "unless-private",
    attributes: ["#["],
    separators: ["::", "->", "\\"],
    lineComments: ["//", "#"],
    blockComments: [["/*", "*/"]],
  },
  bash: { artifact: "bash", queries: ["bash"], expando: "$", ...HASH },
  json: { artifact: "json", queries: ["json"], expando: "$", ...SLASHES, lineScan: "none" },
  css: {
    artifact: "css",
    queries: ["css"],
    expando: "_",
    blockComments: [["/*", "*/"]],
    lineScan: "none",
  },
  html: { artifact: "html", queries: ["html"], expando: "z", embeds: "javascript", ...MARKUP },
  yaml: { artifact: "yaml", queries: ["yaml"], expando: "$", ...HASH, lineScan: "none" },
  toml: { artifact: "toml", queries: ["toml"], expando: "$", ...HASH, lineScan: "none" },
  lua: {
    artifact: "lua",
    queries: ["lua"],
    expando: "$",
    visibility: "unless-file-local",
    separators: [".", ":"],
    lineComments: ["--"],
    blockComments: [["--[[", "]]"]],
  },
  kotlin: {
    artifact: "kotlin",
    queries: ["kotlin"],
    expando: "µ",
    visibility: "unless-private",
    attributes: ["@"],
    separators: ["?.", "."],
    ...SLASHES,
  },
  scala: {
    artifact: "scala",
    queries: ["scala"],
    expando: "$",
    visibility: "unless-private",
    attributes: ["@"],
    ...SLASHES,
  },
  swift: {
    separators: ["?.", "."],
    artifact: "swift",
    queries: ["swift"],
    expando: "µ",
    visibility: "public-keyword",
    attributes: ["@"],
    ...SLASHES,
  },
  dart: {
    artifact: "dart",
    queries: ["dart"],
    expando: "$",
    visibility: "no-underscore",
    attributes: ["@"],
    separators: ["?.", "."],
    ...SLASHES,
  },
  elixir: {
    artifact: "elixir",
    queries: ["elixir"],
    expando: "µ",
    visibility: "unless-private",
    attributes: ["@spec", "@impl", "@deprecated", "@since"],
    lineComments: ["#", '@doc "', '@moduledoc "'],
    blockComments: [
      ['@doc """', '"""'],
      ['@moduledoc """', '"""'],
    ],
  },
  zig: {
    artifact: "zig",
    queries: ["zig"],
    expando: "µ",
    visibility: "public-keyword",
    lineComments: ["//"],
  },
  vue: { artifact: "vue", queries: ["vue"], expando: "$", embeds: "typescript", ...MARKUP },
} as const satisfies Record<string, Omit<LanguageEntry, "embeds"> & { embeds?: string }>;

/** An id of a language, lower-case and as linguist calls it. */
export type LanguageId = keyof typeof ENTRIES;

export interface RegisteredLanguage {
  readonly id: LanguageId;
  readonly artifact: string;
  readonly queries: readonly string[];
  readonly expando: string;
  readonly embeds: LanguageId | null;
  readonly traits: LanguageTraits;
}

const isKey = (id: string): id is LanguageId => Object.hasOwn(ENTRIES, id);

function register(id: LanguageId): RegisteredLanguage {
  const { artifact, queries, expando, embeds, ...traits }: LanguageEntry = ENTRIES[id];
  return {
    id,
    artifact,
    queries,
    expando,
    embeds: embeds ?? null,
    traits: languageTraits.parse({ id, ...traits }),
  };
}

export const LANGUAGE_IDS: readonly LanguageId[] = Object.keys(ENTRIES).filter(isKey);

const LANGUAGES: ReadonlyMap<string, RegisteredLanguage> = new Map(
  LANGUAGE_IDS.map((id) => [id, register(id)]),
);

/** Returns the language of an id; undefined when the service brings no grammar for it. */
export function registeredLanguage(id: string): RegisteredLanguage | undefined {
  return LANGUAGES.get(id);
}
