/** A definition under examination: parts whose shape is wrong still count for what is known of them. */
import type { Issue } from "../http/errors.ts";
import type { PipelineDefinition, StepDefinition } from "./definition-schema.ts";

export type Shell = Omit<PipelineDefinition, "tasks">;

export interface Need {
  readonly name: string;
  /** Where the definition says so. */
  readonly path: string;
}

export interface StepDraft {
  /** Null when it has none that could be referred to. */
  readonly name: string | null;
  readonly needs: readonly Need[];
  /** Null when its shape is wrong, which was said before. */
  readonly step: StepDefinition | null;
}

export interface Draft {
  readonly shell: Shell;
  readonly steps: readonly StepDraft[];
}

export function stepPath(index: number): string {
  return `tasks[${index}]`;
}

/** Issues of a part, as issues of the whole. */
export function under(prefix: string, issues: readonly Issue[]): Issue[] {
  return issues.map(({ path, message }) => ({ path: join(prefix, path), message }));
}

function join(prefix: string, path: string): string {
  return path === "" || path.startsWith("[") ? `${prefix}${path}` : `${prefix}.${path}`;
}

/** What a step, of whatever shape, says that it needs, and where. */
export function needsIn(
  step: { readonly name?: unknown; readonly needs?: unknown },
  index: number,
  dependencies: Shell["dependencies"],
): Need[] {
  const { name, needs } = step;
  const path = `${stepPath(index)}.needs`;
  const own = Array.isArray(needs)
    ? needs.map((need: unknown, at) => ({ name: need, path: `${path}[${at}]` }))
    : [{ name: needs, path }];
  const listed =
    typeof name === "string" && Object.hasOwn(dependencies, name) ? dependencies[name] : [];
  const more = (listed ?? []).map((need, at) => ({
    name: need,
    path: `dependencies.${String(name)}[${at}]`,
  }));
  return [...own, ...more].flatMap(({ name, path }) =>
    typeof name === "string" ? [{ name, path }] : [],
  );
}
