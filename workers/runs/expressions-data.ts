/**
 * JSON as values of the expression language. Values are wrapped where an expression looks and not
 * before, and unwrapped to the very JSON they stand for.
 */
import {
  Array as ArrayData,
  BooleanData,
  Dictionary,
  type ExpressionData,
  Kind,
  Null,
  NumberData,
  StringData,
} from "@actions/expressions/data/index";
import type { Json } from "../http/json.ts";

export type { ExpressionData };

/** What a member of a context may be. */
export type Value = Json | LazyObject | LazyArray;

/** Where the members of an object come from; `read` is called once for each that is looked at. */
export interface Members {
  /** The name that `key` means: its own, or the one that differs from it in case alone. */
  find(key: string): string | undefined;
  names(): Iterable<string>;
  read(name: string): Value;
  /** What stands for a member where all of them are taken together; what `read` gives unless set. */
  list?(name: string): Value;
}

/** An object whose members are computed when they are read. */
export class LazyObject extends Dictionary {
  readonly #members: Members;
  readonly #known = new Map<string, ExpressionData>();
  #listed: { key: string; value: ExpressionData }[] | null = null;

  constructor(members: Members) {
    super();
    this.#members = members;
  }

  override get(key: string): ExpressionData | undefined {
    const name = this.#members.find(key);
    return name === undefined ? undefined : this.#member(name);
  }

  override values(): ExpressionData[] {
    return this.pairs().map(({ value }) => value);
  }

  override pairs(): { key: string; value: ExpressionData }[] {
    this.#listed ??= Array.from(this.#members.names(), (key) => ({ key, value: this.#list(key) }));
    return this.#listed;
  }

  #list(name: string): ExpressionData {
    return this.#members.list ? asData(this.#members.list(name)) : this.#member(name);
  }

  #member(name: string): ExpressionData {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const value = asData(this.#members.read(name));
    this.#known.set(name, value);
    return value;
  }
}

/** An array whose items are computed when they are read. */
export class LazyArray extends ArrayData {
  readonly length: number;
  readonly #read: (index: number) => Value;
  readonly #known = new Map<number, ExpressionData>();

  constructor(length: number, read: (index: number) => Value) {
    super();
    this.length = length;
    this.#read = read;
  }

  override get(index: number): ExpressionData {
    const known = this.#known.get(index);
    if (known !== undefined) return known;
    const value = asData(this.#read(index));
    this.#known.set(index, value);
    return value;
  }

  /** Reads an item in passing, without keeping its wrapper. */
  peek(index: number): ExpressionData {
    return this.#known.get(index) ?? asData(this.#read(index));
  }

  override values(): ExpressionData[] {
    return Array.from({ length: this.length }, (_, index) => this.get(index));
  }
}

class JsonObject extends LazyObject {
  readonly json: Json;

  constructor(json: { readonly [key: string]: Json }) {
    super(jsonMembers(json));
    this.json = json;
  }
}

class JsonArray extends LazyArray {
  readonly json: Json;

  constructor(json: readonly Json[]) {
    super(json.length, (index) => json[index] ?? null);
    this.json = json;
  }
}

function jsonMembers(json: { readonly [key: string]: Json }): Members {
  let folded: Map<string, string> | null = null;
  return {
    find(key) {
      if (Object.hasOwn(json, key)) return key;
      folded ??= foldNames(Object.keys(json));
      return folded.get(key.toLowerCase());
    },
    names: () => Object.keys(json),
    read: (name) => json[name] ?? null,
  };
}

/** Names by their lower case; of names that differ in case alone, the first. */
export function foldNames(names: readonly string[]): Map<string, string> {
  const folded = new Map<string, string>();
  for (const name of names) {
    const key = name.toLowerCase();
    if (!folded.has(key)) folded.set(key, name);
  }
  return folded;
}

/** A context of few members, each computed when it is first read. */
export function lazyObject(members: Readonly<Record<string, () => Value>>): LazyObject {
  const folded = foldNames(Object.keys(members));
  return new LazyObject({
    find: (key) => (Object.hasOwn(members, key) ? key : folded.get(key.toLowerCase())),
    names: () => Object.keys(members),
    read: (name) => members[name]?.() ?? null,
  });
}

/** One object has one wrapper, since the language compares objects by identity. */
const wrappers = new WeakMap<object, ExpressionData>();

export function asData(value: Value): ExpressionData {
  if (value instanceof LazyObject || value instanceof LazyArray) return value;
  if (value === null) return new Null();
  if (typeof value === "string") return new StringData(value);
  if (typeof value === "number") return new NumberData(value);
  if (typeof value === "boolean") return new BooleanData(value);
  const known = wrappers.get(value);
  if (known !== undefined) return known;
  const wrapper = isArray(value) ? new JsonArray(value) : new JsonObject(value);
  wrappers.set(value, wrapper);
  return wrapper;
}

function isArray(
  value: readonly Json[] | { readonly [key: string]: Json },
): value is readonly Json[] {
  return Array.isArray(value);
}

/**
 * The JSON that a value stands for: the same object, where it was made from one.
 * Throws RangeError for a number that JSON cannot hold.
 */
export function toJson(value: ExpressionData): Json {
  if (value instanceof JsonObject || value instanceof JsonArray) return value.json;
  switch (value.kind) {
    case Kind.Null:
      return null;
    case Kind.String:
    case Kind.Boolean:
      return value.value;
    case Kind.Number:
      if (!Number.isFinite(value.value)) throw new RangeError("it comes to no number");
      return value.value;
    case Kind.Array:
      return value.values().map(toJson);
    case Kind.Dictionary:
      return Object.fromEntries(value.pairs().map(({ key, value }) => [key, toJson(value)]));
  }
}

const sizes = new WeakMap<object, number>();

/** About the bytes of a value's JSON: characters, with a little for each member. Kept by object. */
export function sizeOfJson(value: Json): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value !== "object" || value === null) return 8;
  const known = sizes.get(value);
  if (known !== undefined) return known;
  let size = 2;
  if (isArray(value)) for (const item of value) size += sizeOfJson(item) + 1;
  else for (const [key, item] of Object.entries(value)) size += key.length + 4 + sizeOfJson(item);
  sizes.set(value, size);
  return size;
}
