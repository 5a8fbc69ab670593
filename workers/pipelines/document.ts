/** The document that a pipeline's coordinator keeps: written and read here alone. */

import type { NamedSkill } from "../runs/skills.ts";
import type { Resource } from "../runs/store-types.ts";
import type { KeptFiles } from "../tasks/files.ts";
import type { PipelineDefinition } from "./definition-schema.ts";
import { type MountPlace, mountPlaces } from "./mounts.ts";
import { skillPlaces } from "./skills.ts";

/** Raised when the shape changes; readers of an older one convert it. */
const FORMAT = 1;

export interface PipelineDocument {
  readonly format: typeof FORMAT;
  readonly definition: PipelineDefinition;
  /** By name of the step: sets too large to stay in the definition, which leaves them out. */
  readonly files: Readonly<Record<string, KeptFiles>>;
  /** Id of the caller who created the pipeline. */
  readonly created_by: string;
  /** What the caller says it was created for. */
  readonly triggered_by: string | null;
  /** Scopes of who wrote the steps, of those that skills may need; left out when none invokes one. */
  readonly grants?: readonly string[];
}

export function writeDocument(document: Omit<PipelineDocument, "format">): string {
  return JSON.stringify({ format: FORMAT, ...document } satisfies PipelineDocument);
}

const parsed = new WeakMap<Resource, { readonly text: string; readonly head: DocumentHead }>();

/** What lists show of a document. */
export interface DocumentHead
  extends Omit<PipelineDocument, "definition" | "files" | "format" | "grants"> {
  readonly definition: Omit<PipelineDefinition, "tasks">;
  readonly steps: number;
  /** What the steps mount, and where that is said. */
  readonly mounts: readonly MountPlace[];
  readonly skills: readonly NamedSkill[];
}

/** Parses a document once for as long as the resource lives here, and keeps none of its steps. */
export function headOf(resource: Resource): DocumentHead {
  const known = parsed.get(resource);
  if (known?.text === resource.document) return known.head;
  const { definition, created_by, triggered_by } = readDocument(resource.document);
  const { tasks, ...shell } = definition;
  const places = { mounts: mountPlaces(definition), skills: skillPlaces(definition) };
  const head = { definition: shell, steps: tasks.length, ...places, created_by, triggered_by };
  parsed.set(resource, { text: resource.document, head });
  return head;
}

/** Parses the text anew; `prepared.ts` keeps what runs read. */
export function readDocument(text: string): PipelineDocument {
  const document: PipelineDocument = JSON.parse(text);
  return document;
}
