/** What a skill becomes by what is sent. Pure. */
import type { Issue } from "../http/errors.ts";
import { canonicalJson } from "../http/json.ts";
import type { SkillContent } from "./content.ts";
import { withText } from "./original.ts";
import type { PatchSkill } from "./schemas.ts";
import { isSkillId } from "./slug.ts";

type Searched = { readonly slug: string; readonly name: string; readonly tags: readonly string[] };

/** What searches look through, in lower case. */
export function searchText({ slug, name, tags }: Searched, description: string | null): string {
  return [slug, name, ...tags, description ?? ""].join("\n").toLowerCase();
}

export function slugIssues(slug: string | null): Issue[] {
  if (slug === null) {
    const message = "The name has no letter or digit that a slug could be made of. Give a slug.";
    return [{ path: "slug", message }];
  }
  if (!isSkillId(slug)) return [];
  return [{ path: "slug", message: "It looks like an id of a skill. Choose another slug." }];
}

/** Why the slug that is sent cannot become the skill's. */
export function slugChangeIssues(sent: string | undefined, slug: string): Issue[] {
  if (sent === undefined || sent === slug) return [];
  const message = `A slug stays as it is ("${slug}"), since pipelines, skills and agents name the skill by it. Leave it out, or create another skill.`;
  return [{ path: "slug", message }];
}

/** Instructions that are empty are none. */
export function withoutEmpty(content: SkillContent): SkillContent {
  return content.instructions === "" ? { ...content, instructions: null } : content;
}

export type ContentChange = Omit<
  PatchSkill,
  | "slug"
  | "version"
  | "note"
  | "files"
  | "name"
  | "category"
  | "tags"
  | "enabled"
  | "cost_estimate"
  | "extra_data"
>;

/** The content with what is sent in the place of what was, and why that cannot be. */
export function changedContent(
  before: SkillContent,
  { implementation: sent, ...rest }: ContentChange,
): { readonly content: SkillContent; readonly issues: readonly Issue[] } {
  const implementation = typeof sent === "string" ? withText(before.implementation, sent) : sent;
  const isUnclear = typeof sent === "string" && implementation === null;
  const content = withoutEmpty({
    ...before,
    ...defined(rest),
    ...(implementation !== undefined && !isUnclear && { implementation }),
  });
  if (!isUnclear) return { content, issues: [] };
  const message =
    "A text replaces the script, command, template or URL that there is, and there is none. Give an object.";
  return { content, issues: [{ path: "implementation", message }] };
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** Without the members that are not given. */
export function defined<T extends object>(members: T): Defined<T> {
  const given: Defined<T> = {};
  for (const key in members) {
    const value = members[key];
    if (isDefined(value)) given[key] = value;
  }
  return given;
}

/** The members of `given` that are otherwise in `current`. */
export function differing<T extends object>(
  given: T,
  current: { readonly [Key in keyof T]: unknown },
): Partial<T> {
  const changed: Partial<T> = {};
  for (const key in given) {
    if (canonicalJson(given[key]) !== canonicalJson(current[key])) changed[key] = given[key];
  }
  return changed;
}

function isDefined<T>(value: T): value is Exclude<T, undefined> {
  return value !== undefined;
}
