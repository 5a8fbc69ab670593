/** Reads a definition, and says everything that is wrong with it in one answer. */
import type { Issue } from "../http/errors.ts";
import type { CheckOptions } from "./check.ts";
import type { PipelineDefinition } from "./definition-schema.ts";
export type ParsedDefinition =
  | { readonly definition: PipelineDefinition; readonly issues: readonly [] }
  | { readonly definition: null; readonly issues: readonly Issue[] };
export function parseDefinition(_input: unknown, _options: CheckOptions): ParsedDefinition {
  throw new Error("not written yet");
}
