/** The document that a pipeline's coordinator keeps: written and read here alone. */
import type { PipelineDefinition } from "./definition-schema.ts";

/** Raised when the shape changes; readers of an older one convert it. */
const FORMAT = 1;

export interface PipelineDocument {
  readonly format: typeof FORMAT;
  readonly definition: PipelineDefinition;
  /** Id of the caller who created the pipeline. */
  readonly created_by: string;
}

export function writeDocument(document: Omit<PipelineDocument, "format">): string {
  return JSON.stringify({ format: FORMAT, ...document } satisfies PipelineDocument);
}

/** Parses the text anew; `prepared.ts` keeps what was parsed. */
export function readDocument(text: string): PipelineDocument {
  const document: PipelineDocument = JSON.parse(text);
  return document;
}
