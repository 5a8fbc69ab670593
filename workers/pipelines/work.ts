/** What an attempt at a step has to do: its definition with every expression resolved. */
import type { FileSet, Json, Work } from "../executors/port.ts";
import { keyOf, type MountedCodebase, mountPathOf, refOf } from "../runs/codebases.ts";
import { EvaluationFailed, resolveJson, resolveText, type Scope } from "../runs/expressions.ts";
import { type RunView, StepNotReady, type StepWork } from "../runs/ports.ts";
import { globProblem } from "../tasks/artifact-globs.ts";
import { imageProblem, templateProblem } from "../tasks/backend-members.ts";
import { toFile } from "../tasks/files.ts";
import { directoryProblem, languageOf } from "../tasks/rules.ts";
import { cacheRequest } from "./cache-request.ts";
import { childWork } from "./children.ts";
import { asText, RunScopes, within } from "./contexts.ts";
import { type StepDefinition, taskTypeOf } from "./definition-schema.ts";
import { codebaseOf, resolveMount } from "./mounts.ts";
import { type Prepared, plannedOf, prepare, stepOf } from "./prepared.ts";

type ArtifactSource = Extract<StepWork, { type: "work" }>["artifacts_from"][number];

/**
 * The work of a step, or of an item of a group. Throws `StepNotReady` when an expression comes to
 * nothing that can be used, and `ResultNotLoaded`.
 */
export function work(view: RunView, index: number, epoch: number): StepWork {
  const prepared = prepare(view);
  const planned = plannedOf(view, index);
  const step = stepOf(view, index);
  if (!step) throw new StepNotReady("internal", `The run has no step ${index}.`);
  try {
    const scopes = new RunScopes(view, index);
    const scope = scopes.values(step);
    const inputs = inputsOf(view, planned, step, scope);
    const run = childWork(view, index, epoch, step, inputs, scope);
    if (run !== null) return run;
    const files = filesOf(prepared, step);
    const resolved = { ...resolveWork(step, inputs, scopes, scope), files };
    const artifacts = artifactSources(view, prepared, step);
    const key = step.cache && step.cache !== true ? step.cache.key : null;
    const cacheKey = key ? textOf(key, scope, "cache.key") : null;
    const codebase = mountOf(view, prepared, step);
    return {
      type: "work",
      work: resolved,
      cache: step.cache ? cacheRequest(step.cache, resolved, codebase, cacheKey) : null,
      runs_on: step.runs_on ?? [],
      executors: step.executors ?? [],
      artifacts_from: artifacts,
      codebase,
    };
  } catch (error) {
    if (!(error instanceof EvaluationFailed)) throw error;
    const message = error.place === "" ? error.message : `${error.place}: ${error.message}`;
    throw new StepNotReady("expression_invalid", message);
  }
}

function inputsOf(view: RunView, planned: number, step: StepDefinition, scope: Scope): Json {
  if (view.step_inputs?.step === planned) return JSON.parse(view.step_inputs.json);
  return resolveJson(step.inputs ?? null, scope, ["inputs"]);
}

function resolveWork(
  step: StepDefinition,
  inputs: Json,
  scopes: RunScopes,
  scope: Scope,
): Omit<Work, "files"> {
  const text = (
    value: string | null | undefined,
    place: string,
    problemOf?: (text: string) => string | null,
  ) => (value ? textOf(value, scope, place, problemOf) : null);
  const command = text(step.command, "command");
  return {
    task_type: taskTypeOf(step),
    command,
    script: step.script ?? null,
    language: languageOf({ command, language: step.language ?? null }),
    inputs,
    environment: scopes.variables(step),
    secrets: step.secrets ?? [],
    mounts: [],
    working_directory: text(step.working_directory, "working_directory", directoryProblem),
    network: step.network ?? { allow: [] },
    artifacts: (step.artifacts ?? []).map((glob, at) =>
      textOf(glob, scope, `artifacts[${at}]`, globProblem),
    ),
    isolation: step.isolation ?? "shared",
    outputs: step.outputs ?? null,
    image: text(step.image, "image", imageProblem),
    template: text(step.template, "template", templateProblem),
    sandbox: step.sandbox ?? null,
  };
}

/** A text that may come neither to nothing nor to what `problemOf` refuses. */
function textOf(
  value: string,
  scope: Scope,
  place: string,
  problemOf: (text: string) => string | null = () => null,
): string {
  const text = asText(
    within(place, () => resolveText(value, scope)),
    place,
  );
  const problem =
    text === "" ? "It comes to an empty text; correct the values it reads." : problemOf(text);
  if (problem === null) return text;
  throw new EvaluationFailed(problem, place);
}

/** Files travel as they were written: a file may hold what only looks like an expression. */
function filesOf(prepared: Prepared, step: StepDefinition): FileSet {
  const stored = Object.hasOwn(prepared.files, step.name) ? prepared.files[step.name] : undefined;
  if (stored) return stored.set;
  const files = Object.entries(step.files ?? {});
  return {
    kind: "inline",
    entries: Object.fromEntries(files.map(([path, file]) => [path, toFile(file)])),
  };
}

/** What the run is pinned to of what the step mounts. */
function mountOf(
  { pins, inputs }: RunView,
  { definition, texts }: Prepared,
  step: StepDefinition,
): MountedCodebase | null {
  const spec = codebaseOf(step, definition);
  if (spec === null) return null;
  const pinned = texts.pins(pins).codebases[keyOf(refOf(resolveMount(spec, inputs)))];
  if (pinned !== undefined) return { ...pinned, path: mountPathOf(spec) };
  throw new StepNotReady(
    "codebase_not_pinned",
    "The run was begun without the codebase that this step mounts. Start the pipeline again.",
  );
}

/** Items of a group are told apart by a folder each, named by their place. */
function artifactSources(
  view: RunView,
  prepared: Prepared,
  step: StepDefinition,
): readonly ArtifactSource[] {
  return (step.use_artifacts ?? []).flatMap(({ from, path }) => {
    const index = prepared.indexes.get(from);
    if (index === undefined) return [];
    const folder = (path ?? "").replace(/\/+$/, "");
    const items = view.state.steps[index]?.items;
    if (!items) return [{ step: index, path: folder }];
    const prefix = folder === "" ? "" : `${folder}/`;
    return Array.from({ length: items.count }, (_, item) => ({
      step: items.first + item,
      path: `${prefix}${item}`,
    }));
  });
}
