/** Writes trees briefly, and makes random ones. */
import fc from "fast-check";
import {
  CASE_MODES,
  FACT_FIELDS,
  FILE_TRAITS,
  type Leaf,
  type PathPattern,
  type Pattern,
  type Query,
  RESULT_TYPES,
  type Syntax,
} from "./query.ts";

/** `(and 'text' /regex/ file:'x' (not lang:go))`. */
export function brief(query: Query): string {
  switch (query.kind) {
    case "and":
    case "or":
      return `(${query.kind} ${query.operands.map(brief).join(" ")})`;
    case "not":
      return `(not ${brief(query.operand)})`;
    case "text":
      return (query.scope === "content" ? "content:" : "") + briefPattern(query.pattern);
    case "file":
    case "symbol":
    case "repo":
      return `${query.kind}:${briefPattern(query.pattern)}`;
    case "lang":
      return `lang:${query.language}`;
    case "type":
      return `type:${query.type}`;
    case "is":
      return `is:${query.trait}`;
    case "case":
      return `case:${query.mode}`;
    case "diff":
      return `diff:${query.base ?? "parent"}→${query.head}`;
    default:
      return `${query.kind}:${query.value}`;
  }
}

function briefPattern(pattern: PathPattern): string {
  if (pattern.kind === "literal") return `'${pattern.text}'`;
  return pattern.kind === "glob" ? `glob(${pattern.glob})` : `/${pattern.source}/`;
}

/** The tree without its spans, which printing moves. */
export function withoutSpans(query: Query): unknown {
  return JSON.parse(
    JSON.stringify(query, (key: string, value: unknown) =>
      key === "start" || key === "end" ? undefined : value,
    ),
  );
}

const span = { start: 0, end: 0 };
const text = fc.oneof(
  fc.constantFrom(
    "foo",
    "AND",
    "or",
    "NOT",
    "-x",
    "a b",
    'say "hi"',
    "back\\slash",
    "\\",
    "(",
    ")",
    "a(b)c",
    "é😀",
    "path:x",
    "/re/",
    "x*y?",
    "a::b",
    "[a b]",
    "\t",
  ),
  fc.string({ minLength: 1, maxLength: 8 }),
);
const literal = text.map((each): Pattern => ({ kind: "literal", text: each }));
/** Each has a construct of expressions, so that no syntax reads it as plain text. */
const regex = fc
  .constantFrom(
    "a+",
    "^x$",
    "(a|b) c",
    "\\w+/x",
    '[/" )(]',
    "a\\\\+",
    '"q".',
    "\\d{2}",
    "[a b]+",
    "or.",
    "(?i)k",
  )
  .map((source): Pattern => ({ kind: "regex", source }));
const pattern = fc.oneof(literal, regex);
const glob = fc
  .constantFrom("src/*.ts", "**/a?.js", "*(x)", "/root/*")
  .map((each): PathPattern => ({ kind: "glob", glob: each }));
const name = text.filter((each) => each.trim() !== "");

function leaf(syntax: Syntax): fc.Arbitrary<Leaf> {
  return fc.oneof(
    fc.record({
      kind: fc.constant("text"),
      scope: fc.constantFrom("content", "either"),
      pattern,
      ...spans,
    }),
    fc.record({
      kind: fc.constant("file"),
      pattern: syntax === "github" ? fc.oneof(pattern, glob) : pattern,
      ...spans,
    }),
    fc.record({ kind: fc.constantFrom("symbol", "repo"), pattern, ...spans }),
    fc.record({
      kind: fc.constant("lang"),
      language: fc.constantFrom("go", "cpp", "objective c"),
      ...spans,
    }),
    fc.record({ kind: fc.constant("is"), trait: fc.constantFrom(...FILE_TRAITS), ...spans }),
    fc.record({ kind: fc.constantFrom(...FACT_FIELDS), value: name, ...spans }),
    fc.record({
      kind: fc.constant("diff"),
      base: fc.constantFrom(null, "main", "v1.2"),
      head: fc.constantFrom("feature/x", "a b"),
      ...spans,
    }),
  );
}

const spans = { start: fc.constant(0), end: fc.constant(0) };

/** Random trees, with settings where they are legal. */
export function queryTree(syntax: Syntax): fc.Arbitrary<Query> {
  const tree = fc.letrec<{ node: Query }>((tie) => ({
    node: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      { weight: 3, arbitrary: leaf(syntax) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constantFrom("and", "or"),
          operands: fc.array(tie("node"), { minLength: 2, maxLength: 4 }),
          ...spans,
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant("not"), operand: tie("node"), ...spans }),
      },
    ),
  })).node;
  return fc
    .tuple(tree, fc.constantFrom(null, ...CASE_MODES), fc.constantFrom(null, ...RESULT_TYPES))
    .map(([query, mode, type]) => {
      const settings: Leaf[] = [];
      if (mode !== null) settings.push({ kind: "case", mode, ...span });
      if (type !== null) settings.push({ kind: "type", type, ...span });
      return settings.length === 0
        ? query
        : { kind: "and", operands: [...settings, query], ...span };
    });
}
