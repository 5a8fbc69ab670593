/**
 * Evaluates GitHub Actions' expression language over contexts that are computed where an expression
 * looks: in a run of ten thousand steps an evaluation costs what it reads.
 */
import { type IndexAccess, Star } from "@actions/expressions/ast";
import {
  Array as ArrayData,
  Dictionary,
  type ExpressionData,
  Null,
} from "@actions/expressions/data/index";
import { Evaluator } from "@actions/expressions/evaluator";
import { truthy } from "@actions/expressions/result";
import { formatPath } from "../http/issues.ts";
import type { Json } from "../http/json.ts";
import { LazyArray, type LazyObject, sizeOfJson, toJson } from "./expressions-data.ts";
import { checkLength, functionsFor, type StatusAnswers } from "./expressions-functions.ts";
import type { Expression } from "./expressions-parse.ts";
import {
  hasExpression,
  parseCondition,
  parseTemplate,
  soleExpression,
  type Template,
} from "./expressions-template.ts";
import { ResultNotLoaded, StepNotReady } from "./ports.ts";

/** The most JSON that one value may resolve to, in about bytes. */
export const MAX_RESOLVED_BYTES = 32 * 1024 * 1024;

/** What expressions of one step see. */
export interface Scope {
  /** Has a member for every context that an expression may name. */
  readonly contexts: LazyObject;
  /** Null where status functions cannot be called. */
  readonly status: StatusAnswers | null;
}

/** An expression that is well formed came to nothing: `message` says why and what to do. */
export class EvaluationFailed extends Error {
  /** The member in which the expression stands, such as `inputs.list[2]`; empty for the value itself. */
  readonly place: string;

  constructor(message: string, place = "") {
    super(message);
    this.name = "EvaluationFailed";
    this.place = place;
  }
}

/** Whether a condition holds. Throws `EvaluationFailed`, and what reading a context throws. */
export function conditionHolds(text: string, scope: Scope): boolean {
  const template = usable(parseCondition(text));
  const expression = soleExpression(template);
  return expression !== null && evaluate(expression, scope, truthy);
}

/**
 * Resolves a text: one expression alone yields the JSON it comes to, by reference, anything else a
 * text. Throws `EvaluationFailed`, and what reading a context throws.
 */
export function resolveText(text: string, scope: Scope): Json {
  if (!hasExpression(text)) return text;
  const template = usable(parseTemplate(text));
  const alone = soleExpression(template);
  if (alone !== null) return evaluate(alone, scope, toJson);
  let length = 0;
  const parts = template.parts.map((part) => {
    const said =
      typeof part === "string"
        ? part
        : evaluate(part.expression, scope, (value) => value.coerceString());
    length += said.length;
    guard(() => checkLength(length), text);
    return said;
  });
  return parts.join("");
}

/** Resolves every text in a JSON value; what holds no expression is returned as it is. */
export function resolveJson(value: Json, scope: Scope, place: readonly PropertyKey[] = []): Json {
  return new JsonResolver(scope).resolve(value, [...place]);
}

class JsonResolver {
  readonly #scope: Scope;
  #bytes = 0;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  resolve(value: Json, place: PropertyKey[]): Json {
    if (typeof value === "string") return this.#text(value, place);
    if (typeof value !== "object" || value === null) return value;
    const isList = Array.isArray(value);
    const resolved: [string, Json][] = [];
    let changed = false;
    for (const [key, inner] of Object.entries<Json>(value)) {
      place.push(isList ? Number(key) : key);
      const now = this.resolve(inner, place);
      place.pop();
      changed ||= now !== inner;
      resolved.push([key, now]);
    }
    if (!changed) return value;
    return isList ? resolved.map(([, inner]) => inner) : Object.fromEntries(resolved);
  }

  #text(text: string, place: readonly PropertyKey[]): Json {
    if (!hasExpression(text)) return text;
    try {
      const value = resolveText(text, this.#scope);
      this.#bytes += guard(() => sizeOfJson(value), text);
      if (this.#bytes > MAX_RESOLVED_BYTES) {
        throw new EvaluationFailed(
          `The values come to more than ${MAX_RESOLVED_BYTES} bytes of JSON; pass fewer, or keep them as artifacts.`,
        );
      }
      return value;
    } catch (error) {
      // What a value refers to, such as a variable, knows its own place.
      if (!(error instanceof EvaluationFailed) || error.place !== "") throw error;
      throw new EvaluationFailed(error.message, formatPath(place));
    }
  }
}

function usable(template: Template): Template {
  const [problem] = template.problems;
  if (problem) throw new EvaluationFailed(problem.message);
  return template;
}

function evaluate<T>(expression: Expression, scope: Scope, read: (value: ExpressionData) => T): T {
  const evaluator = new DirectEvaluator(
    expression.tree,
    scope.contexts,
    functionsFor(scope.status),
  );
  return guard(() => read(evaluator.evaluate()), expression.text);
}

/** Makes errors of the library ours; what a context throws is the caller's own. */
function guard<T>(compute: () => T, text: string): T {
  try {
    return compute();
  } catch (error) {
    const passed = [ResultNotLoaded, StepNotReady, EvaluationFailed];
    if (passed.some((type) => error instanceof type)) throw error;
    const shown = text.trim().length > 80 ? `${text.trim().slice(0, 80)}…` : text.trim();
    const reason = error instanceof Error ? error.message : String(error);
    throw new EvaluationFailed(
      `"${shown}" cannot be evaluated: ${reason}. Correct the expression, or the values it reads.`,
    );
  }
}

/** What `.*` yields: a further index applies to each of its items. */
class Selection extends ArrayData {}

/** Reads an index from the value alone that it is asked of, where the library reads the whole. */
class DirectEvaluator extends Evaluator {
  override visitIndexAccess(access: IndexAccess): ExpressionData {
    const target = this.eval(access.expr);
    if (access.index instanceof Star) return selectAll(target);
    const index = this.eval(access.index);
    if (!(target instanceof Selection)) return member(target, index) ?? new Null();
    return select(target.values().flatMap((item) => member(item, index) ?? []));
  }
}

function selectAll(target: ExpressionData): Selection {
  if (target instanceof Selection) return select(target.values().flatMap(membersOf));
  return select(membersOf(target));
}

function membersOf(value: ExpressionData): ExpressionData[] {
  return value instanceof Dictionary || value instanceof ArrayData ? value.values() : [];
}

function select(items: readonly ExpressionData[]): Selection {
  const selection = new Selection();
  for (const item of items) selection.add(item);
  return selection;
}

function member(target: ExpressionData, index: ExpressionData): ExpressionData | undefined {
  if (target instanceof Dictionary) {
    return index.primitive ? target.get(index.coerceString()) : undefined;
  }
  if (!(target instanceof ArrayData)) return undefined;
  const position = Math.floor(index.number());
  const length = target instanceof LazyArray ? target.length : target.values().length;
  return position >= 0 && position < length ? target.get(position) : undefined;
}
