/** The document that a task's coordinator keeps: written and read here alone. */
import type { MountedCodebase } from "../runs/codebases.ts";
import type { Resource } from "../runs/store-types.ts";
import type { KeptFiles } from "./files.ts";
import type { TaskSpec } from "./schemas.ts";

/** Raised when the shape changes; readers of an older one convert it. */
const FORMAT = 1;

export interface TaskDocument {
  readonly format: typeof FORMAT;
  readonly spec: TaskSpec;
  readonly files: KeptFiles;
  /** What the task mounts; null for nothing. */
  readonly codebase: MountedCodebase | null;
  /** Id of the caller who created the task. */
  readonly created_by: string;
}

/** What tasks say nothing of that are older than the member. */
const LATER_MEMBERS: Pick<TaskSpec, "runs_on" | "executors" | "sandbox" | "codebase" | "evidence"> =
  {
    runs_on: [],
    executors: [],
    sandbox: null,
    codebase: null,
    evidence: null,
  };

const parsed = new WeakMap<Resource, { readonly text: string; readonly document: TaskDocument }>();

/** A document as it is written: without a codebase, it mounts none. */
export type NewDocument = Omit<TaskDocument, "format" | "codebase"> &
  Partial<Pick<TaskDocument, "codebase">>;

export function writeDocument(document: NewDocument): string {
  return JSON.stringify({ format: FORMAT, codebase: null, ...document } satisfies TaskDocument);
}

export function readDocument(resource: Resource): TaskDocument {
  const known = parsed.get(resource);
  if (known?.text === resource.document) return known.document;
  const stored: Omit<TaskDocument, "codebase"> & Partial<TaskDocument> = JSON.parse(
    resource.document,
  );
  const spec = { ...LATER_MEMBERS, ...stored.spec };
  const document = { ...stored, spec, codebase: stored.codebase ?? null };
  parsed.set(resource, { text: resource.document, document });
  return document;
}
