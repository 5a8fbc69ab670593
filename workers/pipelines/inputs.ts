/** Holds what a run is started with against what its definition says. */
import { valueIssues } from "../executors/outputs-schema.ts";
import type { Issue } from "../http/errors.ts";
import type { Json } from "../http/json.ts";
import type { PipelineDefinition } from "./definition-schema.ts";

export type RunInputs = Readonly<Record<string, Json>>;

/** What is wrong with a run's inputs; paths are relative to them. */
export function inputIssues(
  { inputs }: Pick<PipelineDefinition, "inputs">,
  given: RunInputs,
): readonly Issue[] {
  return inputs === null ? [] : valueIssues(inputs, given, "");
}
