/** What the expressions of one step of a run see: contexts that read the run where they are asked. */
import type { Json } from "../http/json.ts";
import { EvaluationFailed, resolveText, type Scope } from "../runs/expressions.ts";
import { LazyArray, LazyObject, lazyObject, type Value } from "../runs/expressions-data.ts";
import type { StatusAnswers } from "../runs/expressions-functions.ts";
import { type RunView, StepNotReady } from "../runs/ports.ts";
import type { StepState } from "../runs/types.ts";
import { secretOf } from "../tasks/rules.ts";
import type { StepDefinition } from "./definition-schema.ts";
import { type Prepared, prepare } from "./prepared.ts";

/** Results that a fan-in takes together hold at most this much; those past it are references. */
export const MAX_FAN_IN_BYTES = 8 * 1024 * 1024;
/** Results that one evaluation reads by name, all together. */
const MAX_READ_BYTES = 32 * 1024 * 1024;

type Environment = Readonly<Record<string, string>>;

/** The scopes of one evaluation: for a step of the plan, an item of a group, or the whole run. */
export class RunScopes {
  readonly #view: RunView;
  readonly #prepared: Prepared;
  readonly #state: StepState | null;
  /** Index in the plan of the step, which an item shares with its group; null for the whole run. */
  readonly #step: number | null;
  readonly #results = new Map<number, Json>();
  #readBytes = 0;
  #fanInBytes = 0;

  readonly #tasks = new LazyObject({
    find: (key) =>
      this.#prepared.indexes.has(key) ? key : this.#prepared.folded.get(key.toLowerCase()),
    names: () => this.#neededNames(),
    read: (name) => this.#task(name, (step) => this.#result(step)),
    list: (name) => this.#task(name, (step) => this.#fanIn(step)),
  });

  /** `step` is an index of the run's state; null asks for the scope of its outputs. */
  constructor(view: RunView, step: number | null) {
    this.#view = view;
    this.#prepared = prepare(view);
    this.#state = step === null ? null : (view.state.steps[step] ?? null);
    this.#step = this.#state?.group ?? step;
  }

  /** Of `if` and of a matrix, which are asked before there are items, and of the run's outputs. */
  condition(): Scope {
    const contexts = this.#contexts({ tasks: this.#tasks, env: () => this.#environment({}) });
    return { contexts, status: this.#status() };
  }

  /** Of what a step says besides; its environment is resolved as it is read. */
  values(step: StepDefinition): Scope {
    const env = () => this.#environment(step.environment ?? {});
    return { contexts: this.#contexts({ tasks: this.#tasks, env, matrix: true }), status: null };
  }

  /**
   * The variables of a step: texts, or references to secrets as they stand.
   * Throws `EvaluationFailed`, `StepNotReady`, `ResultNotLoaded`.
   */
  variables(step: StepDefinition): Record<string, string> {
    const resolved = this.#environment(step.environment ?? {});
    const stated = { ...this.#prepared.definition.environment, ...step.environment };
    return Object.fromEntries(
      Object.entries(stated).map(([name, value]) => [
        name,
        secretOf(value) === null ? (resolved.get(name)?.coerceString() ?? "") : value,
      ]),
    );
  }

  /** The values of an item; an empty object for what is none. */
  matrix(): Json {
    const { group, item } = this.#state ?? { group: null, item: null };
    if (group === null || item === null) return {};
    return this.#matrixOf(group, item);
  }

  /** Contexts that are not given are empty where they stand. */
  #contexts(given: {
    readonly tasks?: LazyObject;
    readonly env?: () => LazyObject;
    readonly matrix?: boolean;
  }): LazyObject {
    const { view, prepared } = { view: this.#view, prepared: this.#prepared };
    return lazyObject({
      inputs: () => (view.inputs === null ? {} : prepared.texts.read("inputs", view.inputs)),
      run: () => ({
        id: view.resource.id,
        number: view.run,
        attempt: this.#state?.attempt ?? 0,
        pipeline: prepared.definition.name,
        project_id: view.resource.project_id,
      }),
      tasks: () => given.tasks ?? {},
      env: () => given.env?.() ?? {},
      matrix: () => (given.matrix ? this.matrix() : {}),
      secrets: () => {
        throw new EvaluationFailed("A secret can only be a whole environment value.");
      },
    });
  }

  /** The pipeline's variables, and over them a step's own, which may build on the pipeline's. */
  #environment(own: Environment): LazyObject {
    const base: Scope = { contexts: this.#contexts({}), status: null };
    const pipeline = this.#prepared.definition.environment;
    const lower = readers(pipeline, base);
    const env = () => plainVariables(pipeline, lower);
    const scope = {
      contexts: this.#contexts({ tasks: this.#tasks, env, matrix: true }),
      status: null,
    };
    return plainVariables({ ...pipeline, ...own }, { ...lower, ...readers(own, scope) });
  }

  #status(): StatusAnswers | null {
    const state = this.#state;
    if (state === null) return null;
    const { blocked, failed_above, cancelled_above } = state;
    return { success: !blocked, failure: failed_above, cancelled: cancelled_above };
  }

  /** What `tasks.*` means: the direct needs, as far as a step goes, and all steps at the end. */
  #neededNames(): string[] {
    const { steps } = this.#view.plan;
    if (this.#step === null) return steps.map(({ name }) => name);
    return (steps[this.#step]?.needs ?? []).flatMap((index) => steps[index]?.name ?? []);
  }

  #task(name: string, resultOf: (step: number) => Json): Value {
    const index = this.#prepared.indexes.get(name);
    const state = index === undefined ? undefined : this.#view.state.steps[index];
    if (index === undefined || state === undefined) return null;
    const isGroup = (this.#view.plan.steps[index]?.matrix ?? null) !== null;
    return lazyObject({
      state: () => state.status,
      // A group's own result is the values of its items.
      result: () => (isGroup ? null : resultOf(index)),
      exit_code: () => state.exit_code,
      error: () =>
        state.error === null ? null : { code: state.error.code, message: state.error.message },
      ...(isGroup ? { results: () => this.#items(index, state) } : {}),
    });
  }

  #items(group: number, { items }: StepState): LazyArray {
    const { first, count } = items ?? { first: 0, count: 0 };
    return new LazyArray(count, (item) =>
      lazyObject({
        matrix: () => this.#matrixOf(group, item),
        state: () => this.#view.state.steps[first + item]?.status ?? null,
        result: () => this.#fanIn(first + item),
      }),
    );
  }

  #matrixOf(group: number, item: number): Json {
    const values = this.#parsed(group);
    return Array.isArray(values) ? (values[item] ?? null) : null;
  }

  #result(step: number): Json {
    if (!this.#results.has(step)) {
      this.#readBytes += this.#view.resultBytes(step);
      if (this.#readBytes > MAX_READ_BYTES) {
        throw new StepNotReady(
          "inputs_too_large",
          `The results that this step refers to come to more than ${MAX_READ_BYTES} bytes; refer to fewer, or pass large data as artifacts.`,
        );
      }
    }
    return this.#parsed(step);
  }

  #fanIn(step: number): Json {
    if (this.#results.has(step)) return this.#parsed(step);
    const bytes = this.#view.resultBytes(step);
    if (this.#fanInBytes + bytes > MAX_FAN_IN_BYTES) {
      return { $result: { step: this.#nameOf(step), run: this.#view.run, bytes } };
    }
    this.#fanInBytes += bytes;
    return this.#parsed(step);
  }

  #parsed(step: number): Json {
    const known = this.#results.get(step);
    if (known !== undefined) return known;
    const text = this.#view.result(step);
    const value = text === null ? null : this.#prepared.texts.read(`result ${step}`, text);
    this.#results.set(step, value);
    return value;
  }

  #nameOf(step: number): string {
    const { group, item } = this.#view.state.steps[step] ?? { group: null, item: null };
    const name = this.#view.plan.steps[group ?? step]?.name ?? "";
    return item === null ? name : `${name}[${item}]`;
  }
}

/** Scalars as the text that they stand for. Throws `EvaluationFailed` for what is none. */
export function asText(value: Json, place: string): string {
  if (value === null) return "";
  if (typeof value !== "object") return String(value);
  const what = Array.isArray(value) ? "an array" : "an object";
  throw new EvaluationFailed(`It comes to ${what}; take a member of it, or use toJSON().`, place);
}

type Readers = Readonly<Record<string, () => string>>;

function readers(environment: Environment, scope: Scope): Readers {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      () => variableText(value, scope, `environment.${name}`),
    ]),
  );
}

function variableText(value: string, scope: Scope, place: string): string {
  const text = asText(
    within(place, () => resolveText(value, scope)),
    place,
  );
  if (!text.includes("\0")) return text;
  throw new EvaluationFailed("It comes to a text with a NUL, which no variable can hold.", place);
}

/** Variables by name, each resolved when it is read; those that hold a secret are left out. */
function plainVariables(environment: Environment, read: Readers): LazyObject {
  return lazyObject(
    Object.fromEntries(
      Object.entries(read).filter(([name]) => secretOf(environment[name] ?? "") === null),
    ),
  );
}

/** Says where an evaluation failed that does not know itself. */
export function within<T>(place: string, evaluate: () => T): T {
  try {
    return evaluate();
  } catch (error) {
    if (!(error instanceof EvaluationFailed) || error.place !== "") throw error;
    throw new EvaluationFailed(error.message, place);
  }
}
