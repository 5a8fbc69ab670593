/** How a skill and a version of it are named: `slug`, `slug@3`, `slug@1.2.0`, `slug@stable`, `slug@sha256:…`. */
import { isSemver } from "./semver.ts";
import { isSlug } from "./slug.ts";

/** `default` is what is meant when none is named; `latest` is the newest. */
export type VersionName =
  | { readonly kind: "default" | "latest" }
  | { readonly kind: "number"; readonly number: number }
  | { readonly kind: "version" | "digest" | "alias"; readonly text: string };

export interface SkillReference {
  /** Its slug or its id. */
  readonly skill: string;
  readonly version: VersionName;
}

export const DEFAULT_VERSION: VersionName = { kind: "default" };

const NUMBER = /^[1-9]\d{0,8}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const ALIAS = /^[a-z][a-z0-9-]{0,62}$/;

export function isAlias(text: string): boolean {
  return ALIAS.test(text);
}

/** Null for what can be no name of a version. */
export function parseVersionName(text: string): VersionName | null {
  if (text === "default" || text === "latest") return { kind: text };
  if (NUMBER.test(text)) return { kind: "number", number: Number(text) };
  if (isSemver(text)) return { kind: "version", text };
  if (DIGEST.test(text)) return { kind: "digest", text };
  return isAlias(text) ? { kind: "alias", text } : null;
}

/** Null for what can be no reference. */
export function parseReference(text: string): SkillReference | null {
  const at = text.indexOf("@");
  const skill = at < 0 ? text : text.slice(0, at);
  if (!isSlug(skill)) return null;
  const version = at < 0 ? DEFAULT_VERSION : parseVersionName(text.slice(at + 1));
  return version && { skill, version };
}

export function formatVersionName(version: VersionName): string {
  if (version.kind === "number") return String(version.number);
  return "text" in version ? version.text : version.kind;
}

export function formatReference({ skill, version }: SkillReference): string {
  return version.kind === "default" ? skill : `${skill}@${formatVersionName(version)}`;
}
