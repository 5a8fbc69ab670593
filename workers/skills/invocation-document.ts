/** The document that an invocation's coordinator keeps: written and read here alone. */
import type { z } from "@hono/zod-openapi";
import type { Resource } from "../runs/store-types.ts";
import type { freeObject } from "../tasks/fields.ts";
import type { Implementation, PinnedSkill, SkillContent } from "./content.ts";

/** Raised when the shape changes; readers of an older one convert it. */
const FORMAT = 1;

/** A version as far as it says what is run. */
export type RunnableSkill = Omit<PinnedSkill, "content" | "project_id"> & {
  readonly content: Omit<
    SkillContent,
    | "implementation"
    | "instructions"
    | "examples"
    | "license"
    | "compatibility"
    | "allowed_tools"
    | "metadata"
  > & { readonly implementation: Implementation };
};

export type JsonObject = z.output<typeof freeObject>;

export const PARENT_KINDS = ["invocation", "pipeline", "agent"] as const;

/** What an invocation was made for; null for a caller of the API. */
export type InvocationParent = {
  readonly kind: (typeof PARENT_KINDS)[number];
  readonly id: string;
  /** Of an agent, the number of the turn. */
  readonly run: number;
} | null;

export interface InvocationDocument {
  readonly format: typeof FORMAT;
  readonly skill: RunnableSkill;
  /** As they passed the version's schema. */
  readonly inputs: JsonObject;
  /** As `kind:id`. */
  readonly invoked_by: string;
  readonly parent: InvocationParent;
  /** Slugs of the invocations that this one is below, the outermost first, and its own. */
  readonly chain: readonly string[];
  /** What the caller noted with it; null for nothing. */
  readonly context: JsonObject | null;
  /** Scopes that whoever invoked the outermost has for what skills need. */
  readonly grants: readonly string[];
}

/** What documents do not have that were written before there was such a thing. */
const LATER_MEMBERS: Pick<SkillContent, "codebase"> = { codebase: null };
type Stored = Omit<InvocationDocument, "skill"> & {
  readonly skill: Omit<RunnableSkill, "content"> & {
    readonly content: Omit<RunnableSkill["content"], "codebase"> & Partial<typeof LATER_MEMBERS>;
  };
};

const parsed = new WeakMap<
  Resource,
  { readonly text: string; readonly document: InvocationDocument }
>();

/** The version without what no run of it looks at. */
export function runnable(pinned: PinnedSkill, implementation: Implementation): RunnableSkill {
  const { content, project_id, ...rest } = pinned;
  const { instructions, examples, license, compatibility, allowed_tools, metadata, ...used } =
    content;
  return { ...rest, content: { ...used, implementation } };
}

export function writeDocument(document: Omit<InvocationDocument, "format">): string {
  return JSON.stringify({ format: FORMAT, ...document } satisfies InvocationDocument);
}

export function readDocument(resource: Resource): InvocationDocument {
  const known = parsed.get(resource);
  if (known?.text === resource.document) return known.document;
  const stored: Stored = JSON.parse(resource.document);
  const { skill } = stored;
  const content = { ...LATER_MEMBERS, ...skill.content };
  const document = { ...stored, skill: { ...skill, content } };
  parsed.set(resource, { text: resource.document, document });
  return document;
}
