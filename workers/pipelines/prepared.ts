/** What is parsed once for a run and read by every evaluation of its steps. */
import type { Json } from "../http/json.ts";
import { type RunPins, readPins } from "../runs/pins.ts";
import type { RunView } from "../runs/ports.ts";
import type { RunPlan } from "../runs/types.ts";
import type { PipelineDefinition, StepDefinition } from "./definition-schema.ts";
import { type PipelineDocument, readDocument } from "./document.ts";

/** Results that many steps read, such as the values of a matrix, are parsed once for all of them. */
const MAX_KEPT_CHARS = 4 * 1024 * 1024;

export interface Prepared {
  readonly definition: PipelineDefinition;
  /** By name of the step: sets that are kept in the blob store. */
  readonly files: PipelineDocument["files"];
  /** Indexes of the steps by name, and their names in lower case. */
  readonly indexes: ReadonlyMap<string, number>;
  readonly folded: ReadonlyMap<string, string>;
  readonly texts: ParsedTexts;
  /** What the skills that steps invoke may need. */
  readonly grants: readonly string[];
}

interface Entry {
  readonly document: string;
  readonly prepared: Prepared;
}

const known = new WeakMap<RunPlan, Entry>();

/** Index of the step that an item of a group is one of; the step's own for any other. */
export function plannedOf({ state }: Pick<RunView, "state">, step: number): number {
  return state.steps[step]?.group ?? step;
}

/** The definition that a step, or an item of a group, has. */
export function stepOf(
  view: Pick<RunView, "plan" | "document" | "state">,
  step: number,
): StepDefinition | undefined {
  return prepare(view).definition.tasks[plannedOf(view, step)];
}

export function prepare({ plan, document }: Pick<RunView, "plan" | "document">): Prepared {
  const entry = known.get(plan);
  if (entry?.document === document) return entry.prepared;
  const { definition, files, grants = [] } = readDocument(document);
  const names = definition.tasks.map(({ name }) => name);
  const prepared = {
    definition,
    files,
    indexes: new Map(names.map((name, index) => [name, index])),
    folded: new Map(names.map((name) => [name.toLowerCase(), name])),
    texts: new ParsedTexts(),
    grants,
  };
  known.set(plan, { document, prepared });
  return prepared;
}

/** JSON texts by a key of their place, parsed when first read and kept while there is room. */
export class ParsedTexts {
  readonly #kept = new Map<string, { readonly text: string; readonly value: Json }>();
  #chars = 0;
  #pins: { readonly text: string | null; readonly pins: RunPins } | null = null;

  read(key: string, text: string): Json {
    const kept = this.#kept.get(key);
    if (kept?.text === text) return kept.value;
    const value: Json = JSON.parse(text);
    this.#drop(key);
    if (text.length > MAX_KEPT_CHARS) return value;
    for (const oldest of this.#kept.keys()) {
      if (this.#chars + text.length <= MAX_KEPT_CHARS) break;
      this.#drop(oldest);
    }
    this.#kept.set(key, { text, value });
    this.#chars += text.length;
    return value;
  }

  /** What a run is pinned to, parsed when its text is another than the last. */
  pins(text: string | null): RunPins {
    if (this.#pins?.text !== text) this.#pins = { text, pins: readPins(text) };
    return this.#pins.pins;
  }

  #drop(key: string): void {
    this.#chars -= this.#kept.get(key)?.text.length ?? 0;
    this.#kept.delete(key);
  }
}
