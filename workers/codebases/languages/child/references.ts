/** Makes references and imports of what a query found. */
import type { CodeImport, CodeReference } from "../parsed-file.ts";
import type { LanguageTraits } from "../traits.ts";
import type { FoundImport, FoundReference, Span } from "./captures.ts";
import type { Lines } from "./lines.ts";
import { type Draft, Nesting, within } from "./symbols.ts";
import { expandUseTree } from "./use-tree.ts";

export const MAX_REFERENCES = 20_000;
const MAX_NAME_CHARS = 300;
const MAX_MODULE_CHARS = 1_000;
const MAX_LOOKBACK_CHARS = 120;
const LAST_IDENTIFIER = /([\p{L}\p{N}_$@]+)[!?]?$/u;

/** What a name is a member of, read from the text before it. */
export function qualifierAt(
  text: string,
  start: number,
  separators: readonly string[],
): string | null {
  const before = text.slice(Math.max(0, start - MAX_LOOKBACK_CHARS), start);
  const separator = separators.find((mark) => before.endsWith(mark));
  if (separator === undefined) return null;
  // A chain of calls can go on in the next line, with its separator first.
  const owner = before.slice(0, -separator.length).trimEnd();
  return LAST_IDENTIFIER.exec(owner)?.[1] ?? null;
}

/** What stands where an alias would, and is none. */
const NO_ALIAS = new Set(["", "*", "_", ".", "namespace"]);

const QUOTES = /^[rbu]?["'`<]+|["'`>]+$/g;

interface Named {
  readonly name: string;
  readonly alias: string | null;
  /** Where the name stands; null where the statement only implies it. */
  readonly span: Span | null;
}

interface Statement {
  readonly row: number;
  readonly module: string;
  readonly names: Named[];
}

class Statements {
  readonly #byKey = new Map<string, Statement>();

  at(whole: Span, module: string): Statement {
    const key = `${whole.row}:${module}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const statement = { row: whole.row, module, names: [] };
    this.#byKey.set(key, statement);
    return statement;
  }

  get all(): Statement[] {
    return [...this.#byKey.values()];
  }
}

/** Joins the matches of one statement: a query finds each imported name by itself. */
function statementsOf(found: readonly FoundImport[], text: string): Statement[] {
  const textOf = (span: Span, max = MAX_NAME_CHARS) =>
    text.slice(span.start, Math.min(span.end, span.start + max)).trim();
  const statements = new Statements();
  for (const { whole, module, name, form, alias } of found) {
    const source = module === null ? "" : textOf(module, MAX_MODULE_CHARS);
    if (form === "tree") {
      for (const use of expandUseTree(source)) {
        statements
          .at(whole, use.module)
          .names.push({ name: use.name, alias: use.alias, span: null });
      }
      continue;
    }
    const statement = statements.at(whole, source.replace(QUOTES, ""));
    if (form === "module") continue;
    const aliasText = alias === null ? null : textOf(alias).replace(QUOTES, "");
    const as = aliasText === null || NO_ALIAS.has(aliasText) ? null : aliasText;
    if (form === "named") {
      if (name === null) continue;
      const imported = textOf(name).replace(QUOTES, "");
      if (imported !== "") statement.names.push({ name: imported, alias: as, span: name });
    } else {
      statement.names.push({ name: form === "default" ? "default" : "*", alias: as, span: null });
    }
  }
  return statements.all.filter(({ module, names }) => module !== "" || names.length > 0);
}

function makeImports(statements: readonly Statement[]): CodeImport[] {
  return statements.map(({ module, names, row }) => {
    const distinct = new Map<string, { name: string; alias: string | null }>();
    for (const { name, alias } of names) distinct.set(`${name}\0${alias}`, { name, alias });
    // A pattern for the bare module also matches where another finds what it is called.
    return { module, names: [...distinct.values()], line: row + 1 };
  });
}

/** Names that mean something beyond the function they are used in. */
function namesInSight(statements: readonly Statement[], drafts: readonly Draft[]): Set<string> {
  const names = new Set<string>();
  for (const { names: imported } of statements) {
    for (const { name, alias } of imported) names.add(alias ?? name);
  }
  for (const { symbol } of drafts) if (symbol.container === null) names.add(symbol.name);
  return names;
}

/** Constants and types of other files of a package need no import in many languages. */
const CAPITAL = /\p{Lu}/u;

/** A mere use is kept where its name is of the file's top level, imported or written large. */
export function makeReferences(
  found: readonly FoundReference[],
  foundImports: readonly FoundImport[],
  drafts: readonly Draft[],
  lines: Lines,
  traits: LanguageTraits,
): { references: CodeReference[]; imports: CodeImport[]; truncated: boolean } {
  const { text } = lines;
  const statements = statementsOf(foundImports, text);
  const imported = statements
    .flatMap(({ names }) => names)
    .flatMap(({ span }) => (span === null ? [] : [{ kind: "import", name: span }]));
  const taken = new Set(imported.map(({ name }) => name.start));
  const known = namesInSight(statements, drafts);
  const isInImport = within(foundImports.map(({ whole }) => whole));
  const kept = found.filter(({ kind, name: { start, end } }) => {
    // The call of `require` is the import, not another reference.
    if (taken.has(start) || (kind !== "implements" && isInImport(start))) return false;
    return kind !== "use" || known.has(text.slice(start, end)) || CAPITAL.test(text[start] ?? "");
  });
  const ordered = [...imported, ...kept].sort((a, b) => a.name.start - b.name.start);
  const nesting = new Nesting(drafts);
  const references: CodeReference[] = [];
  for (const { kind, name: span } of ordered.slice(0, MAX_REFERENCES)) {
    const name = text.slice(span.start, Math.min(span.end, span.start + MAX_NAME_CHARS)).trim();
    if (name === "") continue;
    references.push({
      name,
      kind,
      line: span.row + 1,
      column: span.column + 1,
      container: nesting.at(span.start),
      qualifier: kind === "import" ? null : qualifierAt(text, span.start, traits.separators),
    });
  }
  return {
    references,
    imports: makeImports(statements),
    truncated: ordered.length > MAX_REFERENCES,
  };
}
