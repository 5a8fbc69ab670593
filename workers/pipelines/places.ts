/** Where a definition may hold expressions, and what they may refer to there. */

import { formatPath } from "../http/issues.ts";
import type { Json } from "../http/json.ts";
import type { CodebaseSpec } from "../runs/codebases.ts";
import type { ContextName } from "../runs/expressions-parse.ts";
import { hasExpression } from "../runs/expressions-template.ts";
import { secretOf } from "../tasks/rules.ts";
import type { StepDefinition } from "./definition-schema.ts";
import type { Shell } from "./draft.ts";

/** A kind of place. */
export interface Site {
  readonly contexts: ReadonlySet<ContextName>;
  /** Status functions answer here, and the braces may be left out. */
  readonly condition: boolean;
  /** A step's own variables are known here, not the pipeline's alone. */
  readonly own_environment: boolean;
}

export interface Place {
  /** Within the step, or within the definition for what is the pipeline's own. */
  readonly path: string;
  readonly text: string;
  readonly site: Site;
}

const site = (contexts: readonly ContextName[], more: Partial<Site> = {}): Site => ({
  contexts: new Set(contexts),
  condition: false,
  own_environment: false,
  ...more,
});

const PIPELINE_ENVIRONMENT = site(["inputs", "run"]);
const OUTPUTS = site(["inputs", "tasks", "env", "run"]);
const CONDITION = site(["inputs", "tasks", "env", "run"], { condition: true });
const STRATEGY = site(["inputs", "tasks", "env", "run"]);
const ENVIRONMENT = site(["inputs", "tasks", "matrix", "env", "run"]);
const VALUE = site(["inputs", "tasks", "matrix", "env", "run"], { own_environment: true });

/** Asked when a run begins, of its inputs alone. */
const CODEBASE = site(["inputs"]);

/** Places of the pipeline itself. */
export function pipelinePlaces(shell: Shell): Place[] {
  const places: Place[] = [];
  collectVariables(shell.environment, PIPELINE_ENVIRONMENT, places);
  collect(shell.outputs, ["outputs"], OUTPUTS, places);
  collectMount(shell.codebase, places);
  return places;
}

/** Places of a step, of whatever kind. */
export function stepPlaces(step: StepDefinition): Place[] {
  const places: Place[] = [];
  if (typeof step.if === "string") places.push({ path: "if", text: step.if, site: CONDITION });
  collect(step.strategy?.matrix, ["strategy", "matrix"], STRATEGY, places);
  collectVariables(step.environment, ENVIRONMENT, places);
  collect(step.inputs, ["inputs"], VALUE, places);
  for (const member of ["command", "image", "template", "working_directory"] as const) {
    collect(step[member], [member], VALUE, places);
  }
  collect(step.artifacts, ["artifacts"], VALUE, places);
  collectMount(step.codebase, places);
  if (typeof step.cache === "object") collect(step.cache?.key, ["cache", "key"], VALUE, places);
  if (typeof step.approval === "object") {
    collect(step.approval?.message, ["approval", "message"], VALUE, places);
  }
  collect(step.wait?.seconds, ["wait", "seconds"], VALUE, places);
  // What an MCP server is sent names secrets, as skills do.
  const { codebase, mcp_servers: _, ...agent } = step.agent ?? {};
  collect(agent, ["agent"], VALUE, places);
  collect(codebase, ["agent", "codebase"], CODEBASE, places);
  return places;
}

function collectMount(spec: CodebaseSpec | null | undefined, places: Place[]): void {
  const {
    codebase = null,
    snapshot = null,
    folder = null,
  } = typeof spec === "object" && spec !== null ? spec : {};
  const isText = typeof spec === "string";
  collect(isText ? spec : { codebase, snapshot, folder }, ["codebase"], CODEBASE, places);
}

/** A whole value that names a secret is resolved elsewhere. */
function collectVariables(
  environment: Readonly<Record<string, string>> | null | undefined,
  site: Site,
  places: Place[],
): void {
  for (const [name, text] of Object.entries(environment ?? {})) {
    if (secretOf(text) === null) collect(text, ["environment", name], site, places);
  }
}

function collect(
  value: Json | undefined,
  path: readonly PropertyKey[],
  site: Site,
  places: Place[],
): void {
  if (typeof value === "string") {
    if (hasExpression(value)) places.push({ path: formatPath(path), text: value, site });
    return;
  }
  if (typeof value !== "object" || value === null) return;
  const isList = Array.isArray(value);
  for (const [key, inner] of Object.entries<Json>(value)) {
    if (typeof inner === "string" && !hasExpression(inner)) continue;
    collect(inner, [...path, isList ? Number(key) : key], site, places);
  }
}
