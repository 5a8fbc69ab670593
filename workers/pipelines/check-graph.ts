/** The steps of a definition as a graph: its names, what is wrong with it, and what lies upstream. */
import type { Issue } from "../http/errors.ts";
import { nearestName } from "../http/suggest.ts";
import { type Draft, type StepDraft, stepPath } from "./draft.ts";

/** Looking for what was meant compares with every name, so that it is done for the first few. */
const MAX_SUGGESTIONS = 20;
const MAX_NAMED_IN_CYCLE = 12;
const WORD_BITS = 32;

export class StepGraph {
  readonly issues: Issue[] = [];
  readonly #steps: readonly StepDraft[];
  readonly #indexes = new Map<string, number>();
  readonly #folded = new Map<string, number>();
  /** Indexes of what each step needs, as far as they are known. */
  readonly #needs: readonly (readonly number[])[];
  /** Every step behind all that it needs; those on or behind a cycle are missing. */
  readonly #order: readonly number[];
  readonly #ordered: ReadonlySet<number>;
  #upstream: Uint32Array | null = null;
  #suggestions = 0;

  constructor({ steps, shell }: Draft) {
    this.#steps = steps;
    this.#indexNames();
    this.#needs = steps.map((step, index) => this.#resolve(step, index));
    for (const name of Object.keys(shell.dependencies)) {
      if (!this.#indexes.has(name)) this.#unknown(name, `dependencies.${name}`);
    }
    this.#order = this.#sort();
    this.#ordered = new Set(this.#order);
    this.#findCycles();
  }

  /** Index of the step that an expression names: exactly, or but for case. */
  find(name: string): number | undefined {
    return this.#indexes.get(name) ?? this.#folded.get(name.toLowerCase());
  }

  /** Index of the step that a definition names, which has to be exact. */
  findExactly(name: string): number | undefined {
    return this.#indexes.get(name);
  }

  /** The step of an index; null when its shape is wrong. */
  stepAt(index: number): StepDraft["step"] {
    return this.#steps[index]?.step ?? null;
  }

  /** Says that there is no step of this name, and which may have been meant. */
  unknownMessage(name: string): string {
    this.#suggestions += 1;
    const names = this.#suggestions > MAX_SUGGESTIONS ? [] : this.#indexes.keys();
    const meant = nearestName(name, names);
    const remedy =
      meant === null ? "Correct the name, or add the task." : `Did you mean "${meant}"?`;
    return `There is no task "${name}". ${remedy}`;
  }

  /** Whether `other` ends before `step` begins; true also where a cycle leaves it open. */
  isUpstream(other: number, step: number): boolean {
    if (this.#needs[step]?.includes(other)) return true;
    if (!this.#ordered.has(step)) return true;
    this.#upstream ??= this.#closure();
    return hasBit(this.#upstream, step * this.#words() + Math.floor(other / WORD_BITS), other);
  }

  #indexNames(): void {
    this.#steps.forEach(({ name }, index) => {
      if (name === null) return;
      const folded = name.toLowerCase();
      const first = this.#folded.get(folded);
      if (first === undefined) {
        this.#folded.set(folded, index);
        this.#indexes.set(name, index);
        return;
      }
      this.issues.push({
        path: `${stepPath(index)}.name`,
        message: `${stepPath(first)} has this name already; names are unique, ignoring case. Rename one of them.`,
      });
      if (!this.#indexes.has(name)) this.#indexes.set(name, index);
    });
  }

  #resolve({ needs }: StepDraft, step: number): number[] {
    const found = new Set<number>();
    for (const { name, path } of needs) {
      const index = this.#indexes.get(name);
      if (index === undefined) this.#unknown(name, path);
      else if (index === step) {
        this.issues.push({ path, message: `A task cannot need itself: ${name} → ${name}.` });
      } else found.add(index);
    }
    return [...found];
  }

  #unknown(name: string, path: string): void {
    this.issues.push({ path, message: this.unknownMessage(name) });
  }

  #sort(): number[] {
    const open = this.#needs.map((needs) => needs.length);
    const dependents: number[][] = this.#needs.map(() => []);
    this.#needs.forEach((needs, step) => {
      for (const need of needs) dependents[need]?.push(step);
    });
    const order = open.flatMap((count, step) => (count === 0 ? [step] : []));
    for (let at = 0; at < order.length; at += 1) {
      for (const step of dependents[order[at] ?? -1] ?? []) {
        const left = (open[step] ?? 0) - 1;
        open[step] = left;
        if (left === 0) order.push(step);
      }
    }
    return order;
  }

  /** Each step that could not be ordered needs another such one: following them leads to a cycle. */
  #findCycles(): void {
    const walkOf = new Map<number, number>();
    this.#steps.forEach((_, start) => {
      if (this.#ordered.has(start) || walkOf.has(start)) return;
      const walk: number[] = [];
      let step: number | undefined = start;
      while (step !== undefined && !walkOf.has(step)) {
        walkOf.set(step, start);
        walk.push(step);
        step = this.#needs[step]?.find((need) => !this.#ordered.has(need));
      }
      if (step === undefined || walkOf.get(step) !== start) return;
      this.#reportCycle(walk.slice(walk.indexOf(step)));
    });
  }

  #reportCycle(cycle: readonly number[]): void {
    const [first = 0] = cycle;
    const names = [...cycle, first].map((step) => this.#steps[step]?.name ?? stepPath(step));
    const shown =
      names.length <= MAX_NAMED_IN_CYCLE
        ? names
        : [...names.slice(0, MAX_NAMED_IN_CYCLE - 2), "…", ...names.slice(-1)];
    this.issues.push({
      path: `${stepPath(first)}.needs`,
      message: `The tasks need each other in a circle: ${shown.join(" → ")}. Remove one of these needs.`,
    });
  }

  #words(): number {
    return Math.ceil(this.#steps.length / WORD_BITS);
  }

  /** A row of bits for each step: the steps that end before it begins. */
  #closure(): Uint32Array {
    const words = this.#words();
    const bits = new Uint32Array(this.#steps.length * words);
    for (const step of this.#order) {
      const row = step * words;
      for (const need of this.#needs[step] ?? []) {
        const from = need * words;
        for (let word = 0; word < words; word += 1) {
          bits[row + word] = (bits[row + word] ?? 0) | (bits[from + word] ?? 0);
        }
        const own = row + Math.floor(need / WORD_BITS);
        bits[own] = (bits[own] ?? 0) | (1 << (need % WORD_BITS));
      }
    }
    return bits;
  }
}

function hasBit(bits: Uint32Array, word: number, index: number): boolean {
  return (((bits[word] ?? 0) >>> (index % WORD_BITS)) & 1) === 1;
}
