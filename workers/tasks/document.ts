/** The document that a task's coordinator keeps: written and read here alone. */
import type { Resource } from "../runs/store-types.ts";
import type { KeptFiles } from "./files.ts";
import type { TaskSpec } from "./schemas.ts";

/** Raised when the shape changes; readers of an older one convert it. */
const FORMAT = 1;

export interface TaskDocument {
  readonly format: typeof FORMAT;
  readonly spec: TaskSpec;
  readonly files: KeptFiles;
  /** Id of the caller who created the task. */
  readonly created_by: string;
}

const NO_RUNNERS: Pick<TaskSpec, "runs_on" | "executors"> = { runs_on: [], executors: [] };

const parsed = new WeakMap<Resource, { readonly text: string; readonly document: TaskDocument }>();

export function writeDocument(document: Omit<TaskDocument, "format">): string {
  return JSON.stringify({ format: FORMAT, ...document } satisfies TaskDocument);
}

export function readDocument(resource: Resource): TaskDocument {
  const known = parsed.get(resource);
  if (known?.text === resource.document) return known.document;
  const stored: TaskDocument = JSON.parse(resource.document);
  // Tasks of before there were runners say nothing of them.
  const document = { ...stored, spec: { ...NO_RUNNERS, ...stored.spec } };
  parsed.set(resource, { text: resource.document, document });
  return document;
}
