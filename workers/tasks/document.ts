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

/** What tasks say nothing of that are older than the member. */
const LATER_MEMBERS: Pick<TaskSpec, "runs_on" | "executors" | "sandbox"> = {
  runs_on: [],
  executors: [],
  sandbox: null,
};

const parsed = new WeakMap<Resource, { readonly text: string; readonly document: TaskDocument }>();

export function writeDocument(document: Omit<TaskDocument, "format">): string {
  return JSON.stringify({ format: FORMAT, ...document } satisfies TaskDocument);
}

export function readDocument(resource: Resource): TaskDocument {
  const known = parsed.get(resource);
  if (known?.text === resource.document) return known.document;
  const stored: TaskDocument = JSON.parse(resource.document);
  const document = { ...stored, spec: { ...LATER_MEMBERS, ...stored.spec } };
  parsed.set(resource, { text: resource.document, document });
  return document;
}
