/** The grammars and queries that the Worker carries: data until a language is asked for. */
import bashGrammar from "./dist/bash.wasm.gz";
import cGrammar from "./dist/c.wasm.gz";
import core from "./dist/core.wasm.gz";
import cppGrammar from "./dist/cpp.wasm.gz";
import csharpGrammar from "./dist/csharp.wasm.gz";
import cssGrammar from "./dist/css.wasm.gz";
import dartGrammar from "./dist/dart.wasm.gz";
import elixirGrammar from "./dist/elixir.wasm.gz";
import goGrammar from "./dist/go.wasm.gz";
import htmlGrammar from "./dist/html.wasm.gz";
import javaGrammar from "./dist/java.wasm.gz";
import javascriptGrammar from "./dist/javascript.wasm.gz";
import jsonGrammar from "./dist/json.wasm.gz";
import kotlinGrammar from "./dist/kotlin.wasm.gz";
import luaGrammar from "./dist/lua.wasm.gz";
import child from "./dist/parser-child.bundle.txt";
import phpGrammar from "./dist/php.wasm.gz";
import pythonGrammar from "./dist/python.wasm.gz";
import rubyGrammar from "./dist/ruby.wasm.gz";
import rustGrammar from "./dist/rust.wasm.gz";
import scalaGrammar from "./dist/scala.wasm.gz";
import swiftGrammar from "./dist/swift.wasm.gz";
import tomlGrammar from "./dist/toml.wasm.gz";
import tsxGrammar from "./dist/tsx.wasm.gz";
import typescriptGrammar from "./dist/typescript.wasm.gz";
import vueGrammar from "./dist/vue.wasm.gz";
import yamlGrammar from "./dist/yaml.wasm.gz";
import zigGrammar from "./dist/zig.wasm.gz";
import bashQuery from "./queries/bash.scm";
import cQuery from "./queries/c.scm";
import cppQuery from "./queries/cpp.scm";
import csharpQuery from "./queries/csharp.scm";
import cssQuery from "./queries/css.scm";
import dartQuery from "./queries/dart.scm";
import elixirQuery from "./queries/elixir.scm";
import goQuery from "./queries/go.scm";
import htmlQuery from "./queries/html.scm";
import javaQuery from "./queries/java.scm";
import javascriptQuery from "./queries/javascript.scm";
import javascriptOnlyQuery from "./queries/javascript-only.scm";
import jsonQuery from "./queries/json.scm";
import jsxQuery from "./queries/jsx.scm";
import kotlinQuery from "./queries/kotlin.scm";
import luaQuery from "./queries/lua.scm";
import phpQuery from "./queries/php.scm";
import pythonQuery from "./queries/python.scm";
import rubyQuery from "./queries/ruby.scm";
import rustQuery from "./queries/rust.scm";
import scalaQuery from "./queries/scala.scm";
import swiftQuery from "./queries/swift.scm";
import tomlQuery from "./queries/toml.scm";
import typescriptQuery from "./queries/typescript.scm";
import vueQuery from "./queries/vue.scm";
import yamlQuery from "./queries/yaml.scm";
import zigQuery from "./queries/zig.scm";
import { type LanguageId, registeredLanguage } from "./registry.ts";
import type { LanguageTraits } from "./traits.ts";

const GRAMMARS: Readonly<Record<string, ArrayBuffer>> = {
  bash: bashGrammar,
  c: cGrammar,
  cpp: cppGrammar,
  csharp: csharpGrammar,
  css: cssGrammar,
  dart: dartGrammar,
  elixir: elixirGrammar,
  go: goGrammar,
  html: htmlGrammar,
  java: javaGrammar,
  javascript: javascriptGrammar,
  json: jsonGrammar,
  kotlin: kotlinGrammar,
  lua: luaGrammar,
  php: phpGrammar,
  python: pythonGrammar,
  ruby: rubyGrammar,
  rust: rustGrammar,
  scala: scalaGrammar,
  swift: swiftGrammar,
  toml: tomlGrammar,
  tsx: tsxGrammar,
  typescript: typescriptGrammar,
  vue: vueGrammar,
  yaml: yamlGrammar,
  zig: zigGrammar,
};

const QUERIES: Readonly<Record<string, string>> = {
  bash: bashQuery,
  c: cQuery,
  cpp: cppQuery,
  csharp: csharpQuery,
  css: cssQuery,
  dart: dartQuery,
  elixir: elixirQuery,
  go: goQuery,
  html: htmlQuery,
  java: javaQuery,
  javascript: javascriptQuery,
  "javascript-only": javascriptOnlyQuery,
  json: jsonQuery,
  jsx: jsxQuery,
  kotlin: kotlinQuery,
  lua: luaQuery,
  php: phpQuery,
  python: pythonQuery,
  ruby: rubyQuery,
  rust: rustQuery,
  scala: scalaQuery,
  swift: swiftQuery,
  toml: tomlQuery,
  typescript: typescriptQuery,
  vue: vueQuery,
  yaml: yamlQuery,
  zig: zigQuery,
};

/** Tree-sitter's core, gzip-compressed, and the harness that drives it. */
export const PARSER = { core, child };

/** What is needed to parse a language. */
export interface Grammar {
  /** A wasm module with a `dylink.0` section; gzip-compressed or as it is. */
  readonly wasm: ArrayBuffer | Uint8Array;
  /** A tags query. */
  readonly query: string;
  readonly traits: LanguageTraits;
  /** For the scripts that files of the language embed. */
  readonly embedded: Omit<Grammar, "embedded"> | null;
}

/** Returns the grammar of a language that the service brings along. */
export function grammarOf(id: LanguageId): Grammar {
  const language = registeredLanguage(id);
  const wasm = language && GRAMMARS[language.artifact];
  if (language === undefined || wasm === undefined) {
    throw new Error(`There is no grammar for ${id}; add it to registry.ts and grammars.ts.`);
  }
  const query = language.queries.map((name) => QUERIES[name] ?? "").join("\n");
  const embedded = language.embeds === null ? null : grammarOf(language.embeds);
  return { wasm, query, traits: language.traits, embedded };
}
