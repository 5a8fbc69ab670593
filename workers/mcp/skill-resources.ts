/** The Skills extension (`io.modelcontextprotocol/skills`): skills as files that agents read. */
import type { Resource } from "@modelcontextprotocol/server";
import type { Skill, SkillReadResult, SkillSource } from "@modelcontextprotocol/server/ext/skills";
import { skillEntry } from "@modelcontextprotocol/server/ext/skills";
import { ApiError } from "../http/errors.ts";
import type { Scope } from "../security/principal.ts";
import type { BundleFile } from "../skills/bundle.ts";
import { SKILL_FILE } from "../skills/files.ts";
import { toSummary } from "../skills/render.ts";
import type { SkillSummary } from "../skills/schemas.ts";
import { isSkillId, isSlug } from "../skills/slug.ts";
import type { Caller } from "./caller.ts";
import { cursorPage, type PageInput } from "./paging.ts";

export const SKILL_READ_SCOPE: Scope = "skills:read";
const SCHEME = "skill://";
/** The files of each are read once. */
const SKILLS_PER_PAGE = 20;
const MAX_LISTED = 100;
/** Entries by what they describe, so that lists read no files again. */
const MAX_ENTRIES = 500;
const entries = new Map<string, Skill>();

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  md: "text/markdown",
  json: "application/json",
  yaml: "application/yaml",
  yml: "application/yaml",
  html: "text/html",
  css: "text/css",
  csv: "text/csv",
  svg: "image/svg+xml",
  png: "image/png",
  jpg: "image/jpeg",
  pdf: "application/pdf",
};

/** Those of the caller's project that are enabled, each as its default version. */
export class SkillResources implements SkillSource {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  async list({ cursor }: { cursor?: string }) {
    const { items, next_cursor } = await this.#page({ limit: SKILLS_PER_PAGE, cursor });
    const found = await Promise.all(
      items.map(async (skill) => entries.get(keyOf(skill)) ?? this.#entry(skill.slug)),
    );
    const skills = found.filter((entry) => entry !== undefined);
    return { skills, ...(next_cursor !== null && { nextCursor: next_cursor }) };
  }

  async get(uri: string): Promise<Skill | undefined> {
    const place = parseUri(uri);
    return place?.path === SKILL_FILE ? this.#entry(place.slug) : undefined;
  }

  async read(uri: string): Promise<SkillReadResult | undefined> {
    const place = parseUri(uri);
    if (place === null) return undefined;
    const bundle = await this.#bundle(place.slug);
    const file = bundle?.files.find(({ path }) => path === place.path);
    return file && toContent(file);
  }

  async listResources(): Promise<Resource[]> {
    const { items } = await this.#page({ limit: MAX_LISTED });
    return items.map(({ slug, name, description }) => ({
      ...{ uri: `${SCHEME}${slug}/${SKILL_FILE}`, name: slug, title: name },
      ...{ description: description ?? slug, mimeType: "text/markdown" },
    }));
  }

  async #page(input: PageInput) {
    const { principal, project_id, services, url } = this.#caller;
    const filter = { project_id, category: null, enabled: true, tags: [], words: [] };
    const page = cursorPage(this.#caller, input);
    return (await services.skills.list(principal, filter, page, url)).body;
  }

  async #entry(slug: string): Promise<Skill | undefined> {
    const bundle = await this.#bundle(slug);
    if (bundle === undefined) return undefined;
    const { skill, files } = bundle;
    const key = keyOf(toSummary(skill));
    const known = entries.get(key);
    if (known !== undefined) return known;
    const contents = Object.fromEntries(files.map(({ path, content }) => [path, content]));
    const entry = await skillEntry(slug, contents);
    const [oldest] = entries.keys();
    if (entries.size >= MAX_ENTRIES && oldest !== undefined) entries.delete(oldest);
    entries.set(key, entry);
    return entry;
  }

  /** Undefined when there is none, or none that is enabled. */
  async #bundle(slug: string) {
    const { principal, project_id, services } = this.#caller;
    const bundle = await services.bundles
      .files(principal, { skill: slug, project_id }, "default")
      .catch((error: unknown) => {
        if (error instanceof ApiError && error.code === "not_found") return undefined;
        throw error;
      });
    if (bundle === undefined || !bundle.skill.enabled) return undefined;
    return bundle;
  }
}

/** A name or a tag is no part of a version, and is written in its files all the same. */
function keyOf({ id, digest, updated_at }: SkillSummary): string {
  return `${id}:${digest}:${updated_at}`;
}

/** Null for what names no file of a skill. */
function parseUri(uri: string): { readonly slug: string; readonly path: string } | null {
  if (!uri.startsWith(SCHEME)) return null;
  const [slug = "", ...rest] = uri.slice(SCHEME.length).split("/");
  if (!isSlug(slug) || isSkillId(slug)) return null;
  try {
    return { slug, path: rest.map(decodeURIComponent).join("/") };
  } catch {
    return null;
  }
}

function toContent({ path, content }: BundleFile): SkillReadResult {
  const extension = path.slice(path.lastIndexOf(".") + 1).toLowerCase();
  const mimeType = Object.hasOwn(MEDIA_TYPES, extension) ? MEDIA_TYPES[extension] : undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
    return { text, mimeType: mimeType ?? "text/plain" };
  } catch {
    return { bytes: content, mimeType: mimeType ?? "application/octet-stream" };
  }
}
