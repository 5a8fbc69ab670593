/** What skills are called in paths, in code, in bundles and as tools. */
import { z } from "@hono/zod-openapi";

const MAX_SLUG_CHARS = 64;
const SLUG = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** As Agent Skills name theirs, so that a slug is a folder's and a tool's name everywhere. */
export const slugSchema = z
  .string()
  .max(MAX_SLUG_CHARS)
  .regex(SLUG, "Use lower-case letters and digits, in words joined by single hyphens.")
  .openapi({ example: "find-todos" });

/** What ids of skills look like, and so no slug does. */
export function isSkillId(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text);
}

export function isSlug(text: string): boolean {
  return text.length <= MAX_SLUG_CHARS && SLUG.test(text);
}

/** The slug that a name leads to; null when it has no letter or digit that could stand in one. */
export function slugOf(name: string): string | null {
  const words = name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .match(/[a-z0-9]+/g);
  if (words === null) return null;
  return words.join("-").slice(0, MAX_SLUG_CHARS).replace(/-+$/, "");
}
