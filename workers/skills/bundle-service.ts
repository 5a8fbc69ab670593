/** Skills out as bundles, and in. */
import { loadFiles } from "../executors/file-set.ts";
import { ApiError } from "../http/errors.ts";
import { type Principal, projectFor } from "../security/principal.ts";
import { type BundledSkill, type BundleFile, type SkillToBundle, writeBundle } from "./bundle.ts";
import { type BundleFormat, packBundle, unpackBundle } from "./bundle-archive.ts";
import { taken } from "./errors.ts";
import type { SkillRow } from "./repository.ts";
import { FIRST_VERSION } from "./semver.ts";
import type { SkillName, SkillService } from "./service.ts";
import type { FoundVersion, SkillVersionService } from "./version-service.ts";

export const CONFLICT_RULES = ["version", "reject"] as const;
/** What an import does that finds a skill of its slug: a new version of that, or nothing. */
export type OnConflict = (typeof CONFLICT_RULES)[number];

/** `updated` is a skill that says something else of itself, and has the same newest version. */
export const IMPORT_OUTCOMES = ["created", "version", "updated", "unchanged"] as const;

export interface Imported {
  readonly row: SkillRow;
  readonly outcome: (typeof IMPORT_OUTCOMES)[number];
}

export interface Exported {
  readonly filename: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface BundleDeps {
  readonly skills: SkillService;
  readonly versions: SkillVersionService;
  readonly blobs: R2Bucket;
}

export class BundleService {
  readonly #deps: BundleDeps;

  constructor(deps: BundleDeps) {
    this.#deps = deps;
  }

  /** `version` is a number, a version, a digest or an alias. Throws `not_found`. */
  async export(
    principal: Principal,
    name: SkillName,
    version: string,
    format: BundleFormat,
  ): Promise<Exported> {
    const { skill, version: found, files } = await this.files(principal, name, version);
    const bytes = await packBundle(skill.slug, files, format);
    return { filename: `${skill.slug}-${found.version}.${format}`, bytes };
  }

  /** As `export`, unpacked: the files in the order of their paths. */
  async files(
    principal: Principal,
    name: SkillName,
    version: string,
  ): Promise<FoundVersion & { readonly files: readonly BundleFile[] }> {
    const { versions, blobs } = this.#deps;
    const { skill, version: found } = await versions.get(principal, name, version);
    const files = await loadFiles({ files: found.files.set, mounts: [] }, blobs);
    const written: SkillToBundle = {
      ...skill,
      ...{ version: found.version, note: found.note, content: found.content },
      files: new Map(Object.entries(files)),
    };
    return { skill, version: found, files: writeBundle(written) };
  }

  /** `seed` becomes the id of a skill that is new. Throws `validation_failed` and `conflict`. */
  async import(
    principal: Principal,
    seed: string,
    archive: Uint8Array,
    project: string | undefined,
    onConflict: OnConflict,
    now: number,
  ): Promise<Imported> {
    const project_id = projectFor(principal, project);
    const bundle = await unpackBundle(archive);
    const name = { skill: bundle.slug, project_id };
    const before = await this.#existing(principal, name);
    if (before === null) {
      const row = await this.#deps.skills.create(
        principal,
        seed,
        toCreation(bundle, project_id),
        now,
      );
      return { row, outcome: "created" };
    }
    if (onConflict === "reject" && before.id !== seed) throw taken("slug", bundle.slug);
    const change = { body: toChange(bundle), known: "keep" } as const;
    const row = await this.#deps.skills.update(principal, name, change, null, now);
    if (row.latest > before.latest) return { row, outcome: "version" };
    return { row, outcome: row.revision > before.revision ? "updated" : "unchanged" };
  }

  async #existing(principal: Principal, name: SkillName): Promise<SkillRow | null> {
    try {
      return await this.#deps.skills.find(principal, name);
    } catch (error) {
      if (error instanceof ApiError && error.code === "not_found") return null;
      throw error;
    }
  }
}

function toCreation(
  { slug, content, files, version, note, described, fallback }: BundledSkill,
  project_id: string,
) {
  const plain = { tags: [], cost_estimate: 0, extra_data: {} };
  const { tags, ...rest } = { ...plain, ...fallback, ...described };
  return {
    ...{ ...content, ...rest, tags: [...tags], project_id, slug, files, note },
    ...{ enabled: true, version: version ?? FIRST_VERSION },
  };
}

/** What only `pipelzr.json` says stays as it is without one. */
function toChange({ content, files, version, note, described }: BundledSkill) {
  const said = described && { ...described, tags: [...described.tags] };
  return { ...content, ...said, files, note, ...(version !== null && { version }) };
}
