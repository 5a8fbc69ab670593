/** Holds what a run is started with against what its definition says. */
import { valueIssues } from "../executors/outputs-schema.ts";
import { ApiError } from "../http/errors.ts";
import type { Json } from "../http/json.ts";
import type { PipelineDefinition } from "./definition-schema.ts";

export type RunInputs = Readonly<Record<string, Json>>;

/**
 * The run's inputs as JSON text. Throws `validation_failed`; `member` is what the request calls
 * them.
 */
export function checkedInputs(
  definition: Pick<PipelineDefinition, "inputs">,
  inputs: RunInputs | undefined,
  member: string,
): string {
  const given = inputs ?? {};
  const issues = definition.inputs === null ? [] : valueIssues(definition.inputs, given, member);
  if (issues.length === 0) return JSON.stringify(given);
  throw new ApiError(
    "validation_failed",
    "The inputs are not what the definition's `inputs` says; correct what is listed.",
    { issues },
  );
}
