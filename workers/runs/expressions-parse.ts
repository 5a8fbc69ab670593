/** Reads one expression: its tree, what it refers to, or what is wrong with it and where. */
import {
  Binary,
  ContextAccess,
  type Expr,
  FunctionCall,
  Grouping,
  IndexAccess,
  Literal,
  Logical,
  Star,
  Unary,
} from "@actions/expressions/ast";
import { ErrorType, ExpressionError } from "@actions/expressions/errors";
import { Lexer, type Token, TokenType } from "@actions/expressions/lexer";
import { Parser } from "@actions/expressions/parser";
import { nearestName } from "../http/suggest.ts";
import { FUNCTION_NAMES, STATUS_FUNCTIONS } from "./expressions-functions.ts";

/** The values that an expression may name. */
export const CONTEXTS = ["inputs", "tasks", "matrix", "env", "secrets", "run"] as const;
export type ContextName = (typeof CONTEXTS)[number];

export const MAX_EXPRESSION_CHARS = 10_000;
/** Nesting of the tree: evaluation is recursive. */
const MAX_DEPTH = 100;

/** One step of a path: `.name` and `['name']`, `.*`, or an index that is computed. */
export type Segment =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "all" }
  | { readonly kind: "computed" };

/** A path that an expression reads, from its context on. */
export interface Reference {
  readonly context: ContextName;
  readonly segments: readonly Segment[];
  /** Where it begins, in characters from the start of the expression. */
  readonly offset: number;
}

export interface Expression {
  readonly text: string;
  readonly tree: Expr;
  readonly references: readonly Reference[];
  /** Lower-case names of the functions called. */
  readonly functions: ReadonlySet<string>;
  /** It calls success(), failure(), always() or cancelled(). */
  readonly calls_status: boolean;
}

/** What is wrong with an expression, `offset` characters into the text that was given. */
export interface ExpressionProblem {
  readonly offset: number;
  readonly message: string;
}

export type ParsedExpression =
  | { readonly expression: Expression; readonly problem: null }
  | { readonly expression: null; readonly problem: ExpressionProblem };

const statusNames: ReadonlySet<string> = new Set(STATUS_FUNCTIONS.map(({ name }) => name));
const functionNames: ReadonlySet<string> = new Set(
  FUNCTION_NAMES.map((name) => name.toLowerCase()),
);
const QUOTING = "text is written in 'single quotes'";
/** What people know from elsewhere, and what it is called here. */
const ALIASES: Readonly<Record<string, string>> = {
  needs: "tasks",
  steps: "tasks",
  jobs: "tasks",
  strategy: "matrix",
  github: "run",
  pipeline: "run",
  vars: "env",
  params: "inputs",
};

export function parseExpression(text: string): ParsedExpression {
  const refuse = (offset: number, message: string): ParsedExpression => ({
    expression: null,
    problem: { offset, message },
  });
  if (text.length > MAX_EXPRESSION_CHARS) {
    return refuse(
      0,
      `An expression has at most ${MAX_EXPRESSION_CHARS} characters; compute the value in a task and refer to its result.`,
    );
  }
  if (text.trim() === "") {
    return refuse(0, "The expression is empty; say which value is wanted, such as inputs.name.");
  }
  try {
    const tokens = lex(text);
    const unknown = unknownFunction(tokens);
    if (unknown) return refuse(unknown.range.start.column, adviseFunction(unknown.lexeme));
    const tree = new Parser(tokens, [...CONTEXTS], [...STATUS_FUNCTIONS]).parse();
    const reader = new TreeReader();
    reader.visit(tree, 0);
    return { expression: { text, tree, ...reader.found() }, problem: null };
  } catch (error) {
    if (error instanceof TooDeep) return refuse(0, TOO_DEEP);
    if (error instanceof ExpressionError) {
      const offset = Math.min(error.pos.column, text.length);
      return refuse(
        offset,
        adviseSyntax(error, /^[\w-]+/.exec(text.slice(offset))?.[0] ?? text.charAt(offset)),
      );
    }
    const at = /Located at position (\d+) within/.exec(error instanceof Error ? error.message : "");
    const offset = at === null ? 0 : Number(at[1]) - 1;
    return refuse(offset, adviseCharacter(text, offset));
  }
}

/** Line breaks between tokens count as blanks, so that a column is an offset. */
function lex(text: string): Token[] {
  const oneLine = text.replaceAll(/'(?:[^']|'')*'|\n/g, (part) => (part === "\n" ? " " : part));
  const { tokens } = new Lexer(oneLine).lex();
  for (const token of tokens) {
    // The lexer undoubles the first quote alone.
    if (token.type === TokenType.STRING) {
      token.value = token.lexeme.slice(1, -1).replaceAll("''", "'");
    }
  }
  return tokens;
}

/** The library finds functions by name on an object, where `constructor` would be one too. */
function unknownFunction(tokens: readonly Token[]): Token | undefined {
  return tokens.find(
    (token, index) =>
      token.type === TokenType.IDENTIFIER &&
      tokens[index + 1]?.type === TokenType.LEFT_PAREN &&
      tokens[index - 1]?.type !== TokenType.DOT &&
      !functionNames.has(token.lexeme.toLowerCase()),
  );
}

class TooDeep extends Error {}
const TOO_DEEP = `The expression nests too deeply; compute the value in a task and refer to its result.`;

/** Collects what an expression reads and calls. */
class TreeReader {
  readonly #references: Reference[] = [];
  readonly #functions = new Set<string>();

  found(): Pick<Expression, "references" | "functions" | "calls_status"> {
    return {
      references: this.#references,
      functions: this.#functions,
      calls_status: [...this.#functions].some((name) => statusNames.has(name)),
    };
  }

  visit(node: Expr, depth: number): void {
    if (depth > MAX_DEPTH) throw new TooDeep();
    if (node instanceof ContextAccess || node instanceof IndexAccess) this.#path(node, depth);
    else if (node instanceof Grouping) this.visit(node.group, depth + 1);
    else if (node instanceof Unary) this.visit(node.expr, depth + 1);
    else if (node instanceof Logical) for (const arg of node.args) this.visit(arg, depth + 1);
    else if (node instanceof Binary) {
      this.visit(node.left, depth + 1);
      this.visit(node.right, depth + 1);
    } else if (node instanceof FunctionCall) {
      this.#functions.add(node.functionName.lexeme.toLowerCase());
      for (const arg of node.args) this.visit(arg, depth + 1);
    }
  }

  #path(node: Expr, depth: number): void {
    const segments: Segment[] = [];
    let base = node;
    while (base instanceof IndexAccess) {
      segments.push(this.#segment(base.index, depth));
      base = base.expr;
    }
    if (!(base instanceof ContextAccess)) {
      this.visit(base, depth + 1);
      return;
    }
    const name = base.name.lexeme.toLowerCase();
    const context = CONTEXTS.find((each) => each === name);
    if (context === undefined) return;
    const offset = base.name.range.start.column;
    this.#references.push({ context, segments: segments.reverse(), offset });
  }

  #segment(index: Expr, depth: number): Segment {
    if (index instanceof Star) return { kind: "all" };
    if (index instanceof Literal) return { kind: "name", name: index.literal.coerceString() };
    this.visit(index, depth + 1);
    return { kind: "computed" };
  }
}

function adviseSyntax(error: ExpressionError, word: string): string {
  const type: unknown = Reflect.get(error, "typ");
  switch (type) {
    case ErrorType.ErrorUnrecognizedContext:
    case ErrorType.ErrorUnrecognizedNamedValue:
      return adviseValue(word);
    case ErrorType.ErrorUnrecognizedFunction:
      return adviseFunction(word);
    case ErrorType.ErrorTooFewParameters:
      return `${word}() needs more arguments.`;
    case ErrorType.ErrorTooManyParameters:
      return `${word}() takes fewer arguments.`;
    case ErrorType.ErrorEvenParameters:
      return "case() takes pairs of condition and value, and the value for none of them last.";
    case ErrorType.ErrorUnexpectedEndOfExpression:
      return "The expression ends too early; close brackets, and give every operator its right side.";
    case ErrorType.ErrorExceededMaxDepth:
      return TOO_DEEP;
    default:
      return word === ""
        ? "The expression ends too early; close brackets, and give every operator its right side."
        : `${JSON.stringify(word)} does not fit here; check operators and brackets, and that ${QUOTING}.`;
  }
}

function adviseValue(word: string): string {
  const meant = ALIASES[word.toLowerCase()] ?? nearestName(word, CONTEXTS);
  const remedy = meant === null ? "" : ` Did you mean ${meant}?`;
  return `There is no value ${JSON.stringify(word)}.${remedy} Expressions know ${CONTEXTS.join(", ")}; ${QUOTING}.`;
}

function adviseFunction(word: string): string {
  const meant = nearestName(word, FUNCTION_NAMES);
  const remedy = meant === null ? "" : ` Did you mean ${meant}()?`;
  return `There is no function ${JSON.stringify(word)}.${remedy} Use one of: ${FUNCTION_NAMES.join(", ")}.`;
}

function adviseCharacter(text: string, offset: number): string {
  const character = text.charAt(offset);
  if (character === '"') return "Text is written in 'single quotes', not in double ones.";
  if (character === "'") return "The text is not closed; end it with a single quote.";
  return `${JSON.stringify(character)} is no part of the language here; check operators (&&, ||, !, ==, <, >), and that ${QUOTING}.`;
}
