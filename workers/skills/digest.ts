/** What a version is known by: the hash of all that decides what it does. */
import { canonicalJson } from "../http/json.ts";
import { contentDigest } from "../security/hash.ts";
import type { SkillContent } from "./content.ts";

/** `files` is the digest of its files. */
export function versionDigest(content: SkillContent, files: string): string {
  return `sha256:${contentDigest(Buffer.from(canonicalJson({ content, files })))}`;
}
