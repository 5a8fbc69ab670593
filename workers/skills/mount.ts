/** What an invocation mounts: the codebase that its version names, once its expressions are read. */
import type { Json } from "../http/json.ts";
import {
  type CodebaseSpec,
  keyOf,
  type MountedCodebase,
  mountPathOf,
  type NamedCodebase,
  refOf,
} from "../runs/codebases.ts";
import { EvaluationFailed, resolveText, type Scope } from "../runs/expressions.ts";
import { readPins } from "../runs/pins.ts";
import { StepNotReady } from "../runs/ports.ts";
import { mountProblem } from "../tasks/rules.ts";
import type { SkillContent } from "./content.ts";
import { inputsScope } from "./expressions.ts";
import type { InvocationDocument } from "./invocation-document.ts";

const PLACE = "codebase";

/** What a run of the invocation is pinned to when it begins. */
export function namedCodebases(document: InvocationDocument): readonly NamedCodebase[] {
  try {
    const spec = resolveMount(document.skill.content, document.inputs);
    return spec === null ? [] : [{ place: PLACE, ref: refOf(spec), problem: null }];
  } catch (error) {
    if (!(error instanceof EvaluationFailed)) throw error;
    return [{ place: PLACE, ref: null, problem: error.message }];
  }
}

/** Throws `EvaluationFailed`, and `StepNotReady` for what the run is not pinned to, or cannot hold. */
export function mountedCodebase(
  { skill: { content }, inputs }: InvocationDocument,
  pins: string | null,
): MountedCodebase | null {
  const spec = resolveMount(content, inputs);
  if (spec === null) return null;
  const pinned = readPins(pins).codebases[keyOf(refOf(spec))];
  if (pinned === undefined) {
    const message = "It was begun without the codebase that it mounts. Invoke the skill again.";
    throw new StepNotReady("codebase_not_pinned", message);
  }
  const { implementation } = content;
  const task_type = "executor" in implementation ? implementation.executor : "local";
  const problem = mountProblem({ task_type }, pinned);
  if (problem !== null) throw new StepNotReady("codebase_too_large", problem);
  return { ...pinned, path: mountPathOf(spec) };
}

/** Null when nothing is to be mounted: none is named, or the inputs have none. */
function resolveMount(
  { codebase: spec }: Pick<SkillContent, "codebase">,
  inputs: Json,
): CodebaseSpec | null {
  if (spec === null) return null;
  const scope = inputsScope(inputs);
  const { codebase, snapshot, folder, path } =
    typeof spec === "string" ? { codebase: spec, ...NOWHERE } : { ...NOWHERE, ...spec };
  const name = textOf(codebase, scope);
  if (name === null) return null;
  return { codebase: name, snapshot: textOf(snapshot, scope), folder: textOf(folder, scope), path };
}

const NOWHERE = { snapshot: null, folder: null, path: null };

function textOf(text: string | number | null | undefined, scope: Scope): string | null {
  const value = typeof text === "string" ? resolveText(text, scope) : (text ?? null);
  if (value === null || value === "") return null;
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw new EvaluationFailed("It comes to no text; give a text in the inputs that it reads.");
}
