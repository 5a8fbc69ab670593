/** What the steps of a definition mount, and what that is for the inputs of a run. */
import type { Json } from "../http/json.ts";
import { type CodebaseSpec, type NamedCodebase, refOf } from "../runs/codebases.ts";
import { EvaluationFailed, resolveJson, type Scope } from "../runs/expressions.ts";
import { lazyObject } from "../runs/expressions-data.ts";
import { hasExpression } from "../runs/expressions-template.ts";
import { openCodebaseSchema } from "../tasks/fields.ts";
import { kindOf, type PipelineDefinition, type StepDefinition } from "./definition-schema.ts";

/** Where a definition says what is mounted. */
export interface MountPlace {
  /** Path of the member, such as `tasks[2].codebase`. */
  readonly place: string;
  readonly spec: CodebaseSpec;
}

/** What a step of code mounts, and an agent looks at; null for nothing. */
export function codebaseOf(
  step: Pick<StepDefinition, "codebase" | "agent">,
  { codebase = null }: Pick<Partial<PipelineDefinition>, "codebase">,
): CodebaseSpec | null {
  const own = step.agent ? writtenCodebase(step.agent) : step.codebase;
  return own === undefined ? codebase : own;
}

/** What an agent says that it looks at; undefined for what the pipeline says. */
function writtenCodebase({ codebase }: NonNullable<StepDefinition["agent"]>) {
  return openCodebaseSchema.nullable().optional().safeParse(codebase).data;
}

const NOTHING = { codebase: null };

/** What the steps of a definition mount, each place once. */
export function mountPlaces(definition: PipelineDefinition): MountPlace[] {
  const places: MountPlace[] = [];
  let isInherited = false;
  definition.tasks.forEach((step, index) => {
    const kind = kindOf(step);
    if (kind !== "work" && kind !== "agent") return;
    const own = codebaseOf(step, NOTHING);
    const isOwn = step.agent ? "codebase" in step.agent : step.codebase !== undefined;
    if (!isOwn) isInherited = true;
    else if (own !== null) {
      const member = kind === "agent" ? "agent.codebase" : "codebase";
      places.push({ place: `tasks[${index}].${member}`, spec: own });
    }
  });
  const { codebase = null } = definition;
  if (isInherited && codebase !== null) places.unshift({ place: "codebase", spec: codebase });
  return places;
}

/** Whether the inputs of a run have a say in it. */
export function isOpen(spec: CodebaseSpec): boolean {
  const texts = typeof spec === "string" ? [spec] : Object.values(spec);
  return texts.some((text) => typeof text === "string" && hasExpression(text));
}

/** The place with what its expressions come to; `inputs` are JSON text, null for none. */
export function resolvePlace({ place, spec }: MountPlace, inputs: string | null): NamedCodebase {
  try {
    return { place, ref: refOf(resolveMount(spec, inputs)), problem: null };
  } catch (error) {
    if (!(error instanceof EvaluationFailed)) throw error;
    return { place, ref: null, problem: error.message };
  }
}

/** Throws `EvaluationFailed`. */
export function resolveMount(spec: CodebaseSpec, inputs: string | null): CodebaseSpec {
  if (!isOpen(spec)) return spec;
  const scope = scopeOf(inputs);
  if (typeof spec === "string") return textOf(resolveJson(spec, scope));
  const { codebase, snapshot, folder, path } = spec;
  const text = (value: string | number | null | undefined) =>
    typeof value === "string" ? textOf(resolveJson(value, scope)) : value;
  return {
    codebase: textOf(resolveJson(codebase, scope)),
    snapshot: text(snapshot),
    folder: typeof folder === "string" ? textOf(resolveJson(folder, scope)) : folder,
    path,
  };
}

function textOf(value: Json): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "string" && value !== "") return value;
  throw new EvaluationFailed(
    "It comes to no text; start the run with the inputs that it reads, or correct it.",
  );
}

function scopeOf(inputs: string | null): Scope {
  const read = (): Json => (inputs === null ? {} : JSON.parse(inputs));
  const none = (): Json => ({});
  const contexts = lazyObject({
    inputs: read,
    run: none,
    tasks: none,
    env: none,
    matrix: none,
    secrets: none,
  });
  return { contexts, status: null };
}
