/** Matrices by GitHub Actions' rules: the product of the axes, less `exclude`, with `include`. */
import { canonicalJson, type Json } from "../http/json.ts";
import { MAX_MATRIX_ITEMS } from "./definition-schema.ts";

export type MatrixValue = { readonly [name: string]: Json };

export type Expansion =
  | { readonly items: readonly MatrixValue[]; readonly problem: null }
  | { readonly items: null; readonly problem: MatrixProblem };

/** What is wrong with a matrix; `member` is where, such as `include`, or empty for the whole. */
export interface MatrixProblem {
  readonly member: string;
  readonly message: string;
}

/**
 * Expands a matrix whose expressions are resolved. An array stands for items by themselves. Axes
 * vary from the last to the first, as nested loops over them would.
 *
 * An `include` entry is added to every combination whose axes it contradicts nowhere, and may
 * replace what an earlier entry added there; one that fits no combination is an item of its own.
 */
export function expandMatrix(matrix: Json): Expansion {
  if (Array.isArray(matrix)) return expandList(matrix);
  if (!isObject(matrix)) {
    return refuse(
      "",
      "A matrix is an object of axes, each an array of values; or an array of objects.",
    );
  }
  const { include = [], exclude = [], ...axes } = matrix;
  for (const [member, list] of Object.entries({ include, exclude })) {
    if (!isObjectList(list)) return refuse(member, "Give an array of objects.");
  }
  for (const [axis, values] of Object.entries(axes)) {
    if (!isList(values)) return refuse(axis, "An axis is an array of values.");
  }
  if (!isObjectList(include) || !isObjectList(exclude))
    return refuse("", "Give arrays of objects.");
  const product = multiply(Object.entries(axes));
  if (product === null) return refuse("", TOO_MANY);
  const kept = product.filter(
    (item) => !exclude.some((entry) => hasNames(entry) && isExcluded(item, entry)),
  );
  const items = addIncludes(kept, include);
  if (items.length > MAX_MATRIX_ITEMS) return refuse("", TOO_MANY);
  return { items, problem: null };
}

const TOO_MANY = `A matrix has at most ${MAX_MATRIX_ITEMS} items; shorten its axes, or part it into several tasks.`;

function expandList(list: readonly Json[]): Expansion {
  if (!isObjectList(list))
    return refuse(
      "",
      'Each item of the array must be an object: give values names, as in {"shard": 1}.',
    );
  if (list.length > MAX_MATRIX_ITEMS) return refuse("", TOO_MANY);
  return { items: list, problem: null };
}

/** Null when the product is larger than any matrix may be. */
function multiply(axes: readonly [string, Json][]): MatrixValue[] | null {
  if (axes.length === 0) return [];
  let items: MatrixValue[] = [{}];
  for (const [axis, values] of axes) {
    if (!isList(values)) return [];
    // What `exclude` may take away is counted too: the product is built before.
    if (items.length * values.length > 16 * MAX_MATRIX_ITEMS) return null;
    items = items.flatMap((item) => values.map((value) => ({ ...item, [axis]: value })));
  }
  return items;
}

function hasNames(entry: MatrixValue): boolean {
  return Object.keys(entry).length > 0;
}

function isExcluded(item: MatrixValue, entry: MatrixValue): boolean {
  return Object.entries(entry).every(
    ([name, value]) => Object.hasOwn(item, name) && covers(item[name] ?? null, value),
  );
}

/** An object in `exclude` names the members that have to be equal, as far as it goes. */
function covers(value: Json, wanted: Json): boolean {
  if (!isObject(wanted)) return sameJson(value, wanted);
  return isObject(value) && isExcluded(value, wanted);
}

function addIncludes(
  combinations: readonly MatrixValue[],
  include: readonly MatrixValue[],
): MatrixValue[] {
  const extended = combinations.map((item) => ({ ...item }));
  const alone: MatrixValue[] = [];
  for (const entry of include) {
    let fits = false;
    combinations.forEach((original, index) => {
      if (!agrees(original, entry)) return;
      fits = true;
      extended[index] = { ...extended[index], ...entry };
    });
    if (!fits) alone.push(entry);
  }
  return [...extended, ...alone];
}

/** The entry overwrites no value that an axis gave the combination. */
function agrees(original: MatrixValue, entry: MatrixValue): boolean {
  return Object.entries(entry).every(
    ([name, value]) => !Object.hasOwn(original, name) || sameJson(original[name] ?? null, value),
  );
}

function sameJson(left: Json, right: Json): boolean {
  return left === right || canonicalJson(left) === canonicalJson(right);
}

function isObject(value: Json | undefined): value is MatrixValue {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

function isObjectList(value: Json | undefined): value is readonly MatrixValue[] {
  return isList(value) && value.every(isObject);
}

function refuse(member: string, message: string): Expansion {
  return { items: null, problem: { member, message } };
}
