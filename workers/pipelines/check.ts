/** What must hold between the members of a definition. */
import type { Config } from "../config.ts";
import type { Issue } from "../http/errors.ts";
import type { PipelineDefinition, StepKind } from "./definition-schema.ts";
export interface CheckOptions {
  readonly config: Config;
  readonly kinds?: ReadonlySet<StepKind>;
}
export function checkDefinition(
  _definition: PipelineDefinition,
  _options: CheckOptions,
): readonly Issue[] {
  throw new Error("not written yet");
}
