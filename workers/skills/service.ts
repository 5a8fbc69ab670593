/** Skills as entities: created, found, listed, changed into new versions, and deleted. */
import type { Config } from "../config.ts";
import type { Match } from "../http/conditional.ts";
import { ApiError } from "../http/errors.ts";
import { type Page, toPage } from "../http/page.ts";
import { callerOf, type Principal, projectFor, visibleProjects } from "../security/principal.ts";
import { type Files, keepFiles } from "../tasks/files.ts";
import { deleteSkillBlobs, skillFilesKey } from "./blobs.ts";
import {
  changedContent,
  defined,
  differing,
  searchText,
  slugChangeIssues,
  slugIssues,
  withoutEmpty,
} from "./changes.ts";
import { contentIssues } from "./check.ts";
import type { SkillContent } from "./content.ts";
import { versionDigest } from "./digest.ts";
import { ambiguousSkill, invalidSkill, noSkill, noVersion, taken, versionTaken } from "./errors.ts";
import { filesDigest } from "./files.ts";
import type { OfferedSkill, SkillGuide } from "./offers.ts";
import { formatVersionName, parseReference, type VersionName } from "./reference.ts";
import { toSummary } from "./render.ts";
import type { Edit, SkillFilter, SkillRepository, SkillRow } from "./repository.ts";
import type { ResolvedSkill, SkillResolver } from "./resolver.ts";
import type { CreateSkill, PatchSkill } from "./schemas.ts";
import { nextPatch } from "./semver.ts";
import { slugOf } from "./slug.ts";
import type { FullVersion, NewVersion, VersionRepository } from "./version-repository.ts";

export interface SkillDeps {
  readonly config: Config;
  readonly repository: SkillRepository;
  readonly versions: VersionRepository;
  readonly resolver: SkillResolver;
  readonly blobs: R2Bucket;
  /** Forgets what a deleted skill has done. */
  readonly purgeInvocations: (skill: Pick<SkillRow, "id" | "project_id">) => Promise<void>;
}

/** A skill as a caller names it: by id, or by slug and, where several projects have it, the project. */
export interface SkillName {
  readonly skill: string;
  readonly project_id: string | undefined;
}

export type ListFilter = Omit<SkillFilter, "projects"> & {
  readonly project_id: string | undefined;
};

/** Changes, as they were sent. */
export interface Change {
  readonly body: PatchSkill;
  /**
   * What a version means that is there already and has the content that is sent: that there is
   * nothing to do, or what any other version that is there means.
   */
  readonly known: "keep" | "refuse";
}

/** Deletions that one sweep takes up again. */
const HALF_DELETED = 20;
const DELETING_MS = 60_000;
/** Of changes at the same time one is made a turn. */
const MAX_TURNS = 100;

export class SkillService {
  readonly #deps: SkillDeps;

  constructor(deps: SkillDeps) {
    this.#deps = deps;
  }

  /** `seed` becomes the id. Throws `validation_failed` with every problem, and `conflict`. */
  async create(
    principal: Principal,
    seed: string,
    body: CreateSkill,
    now: number,
  ): Promise<SkillRow> {
    const { project_id: project, slug: given, files, version, note, ...rest } = body;
    const { name, category, tags, enabled, cost_estimate, extra_data, ...content } = rest;
    const project_id = projectFor(principal, project);
    const slug = given ?? slugOf(name);
    const checked = {
      config: this.#deps.config,
      project_id,
      slug: slug ?? "",
      files: pathsOf(files),
    };
    const sealed = withoutEmpty(content);
    const issues = [...slugIssues(slug), ...contentIssues(sealed, checked)];
    if (slug === null || issues.length > 0) throw invalidSkill(issues);
    const created_by = callerOf(principal);
    const skill = {
      ...{ id: seed, project_id, slug, name, category, tags, enabled, cost_estimate, extra_data },
      ...{ created_by, created_at: now },
    };
    const first: NewVersion = {
      ...{ number: 1, version, note: note ?? null, created_by, created_at: now },
      ...(await this.#seal(skill, sealed, files)),
    };
    const search = searchText(skill, sealed.description);
    const written = await this.#deps.repository.insert(skill, first, search);
    if (written === "slug_taken" || written === "name_taken") {
      if (first.files.set.kind === "stored") await deleteSkillBlobs(this.#deps.blobs, skill);
      throw written === "slug_taken" ? taken("slug", slug) : taken("name", name);
    }
    return this.find(principal, { skill: seed, project_id });
  }

  /** Throws `not_found`, and `validation_failed` for a slug that several of the projects have. */
  async find(principal: Principal, { skill, project_id }: SkillName): Promise<SkillRow> {
    const projects = visibleProjects(principal, project_id);
    const rows = await this.#deps.repository.find(projects, skill);
    return onlyOne(rows, skill);
  }

  /** The version that the skill's row shows as its default. */
  async shown({ id, slug, number }: SkillRow): Promise<FullVersion> {
    const version = await this.#deps.versions.get(id, { kind: "number", number });
    if (version === null) throw noSkill(slug);
    return version;
  }

  async list(principal: Principal, { project_id, ...filter }: ListFilter, page: Page, url: string) {
    const projects = visibleProjects(principal, project_id);
    const rows = await this.#deps.repository.list({ ...filter, projects }, page);
    return toPage(rows, page, url, (row) => row, toSummary);
  }

  /** Up to one more than a page of those of a project that can be invoked now, as tools tell of them. */
  offers(projectId: string, page: Page): Promise<OfferedSkill[]> {
    return this.#deps.repository.listOffers(projectId, page);
  }

  /** As `offers`, of those that have instructions for agents. */
  guides(projectId: string, page: Page): Promise<SkillGuide[]> {
    return this.#deps.repository.listGuides(projectId, page);
  }

  /**
   * The version that a reference means, such as `slug`, `slug@3` or `slug@stable`, of a skill of the
   * project. Throws `not_found`, and `validation_failed` for what is no reference.
   */
  async resolve(projectId: string, reference: string): Promise<ResolvedSkill> {
    const parsed = parseReference(reference);
    if (parsed === null) throw noReference(reference);
    return this.#resolve([projectId], parsed.skill, parsed.version);
  }

  /** As `resolve`, for a skill and a version that a caller names. */
  resolveFor(
    principal: Principal,
    { skill, project_id }: SkillName,
    version: VersionName,
  ): Promise<ResolvedSkill> {
    return this.#resolve(visibleProjects(principal, project_id), skill, version);
  }

  /**
   * Changes of content, or of files, make a version; others none. Throws `not_found`,
   * `precondition_failed`, `conflict` and `validation_failed`.
   */
  async update(
    principal: Principal,
    name: SkillName,
    { body, known }: Change,
    match: Match | null,
    now: number,
  ): Promise<SkillRow> {
    return this.#edit(principal, name, match, now, async (row) => {
      const newest = await this.#deps.versions.get(row.id, { kind: "latest" });
      if (newest === null) return null;
      const { slug, version: given, note, files, ...rest } = body;
      const { name, category, tags, enabled, cost_estimate, extra_data, ...texts } = rest;
      const changed = changedContent(newest.content, texts);
      const { config } = this.#deps;
      const issues = [
        ...slugChangeIssues(slug, row.slug),
        ...changed.issues,
        ...contentIssues(changed.content, {
          ...{ config, ...row },
          files: files === undefined ? newest.files.entries : pathsOf(files),
        }),
      ];
      if (issues.length > 0) throw invalidSkill(issues);
      const said = defined({ name, category, tags, enabled, cost_estimate, extra_data });
      const changes = differing(said, row);
      const made = await this.#nextVersion(
        row,
        newest,
        changed.content,
        files ?? null,
        given,
        known,
      );
      if (made === null && Object.keys(changes).length === 0) return null;
      const version = made && {
        ...made,
        note: note ?? null,
        created_by: callerOf(principal),
        created_at: now,
      };
      const { description } =
        version !== null && row.default_number === null ? version.content : row;
      return { changes, version, search: searchText({ ...row, ...changes }, description) };
    });
  }

  setEnabled(principal: Principal, name: SkillName, enabled: boolean, now: number) {
    return this.#edit(principal, name, null, now, async (row) =>
      row.enabled === enabled
        ? null
        : { changes: { enabled }, version: null, search: searchText(row, row.description) },
    );
  }

  /** Pins `default` to a version; null has it follow the newest again. */
  pinDefault(principal: Principal, name: SkillName, version: VersionName | null, now: number) {
    return this.#edit(principal, name, null, now, async (row) => {
      const wanted = version ?? ({ kind: "latest" } as const);
      const found = await this.#deps.versions.get(row.id, wanted);
      if (found === null) throw noVersion(row.slug, formatVersionName(wanted));
      const default_number = version === null ? null : found.number;
      if (default_number === row.default_number) return null;
      return {
        changes: { default_number },
        version: null,
        search: searchText(row, found.description),
      };
    });
  }

  /** Hidden first, so that a deletion that is cut off is taken up by the sweeper. */
  async remove(
    principal: Principal,
    name: SkillName,
    match: Match | null,
    now: number,
  ): Promise<void> {
    for (let turn = 0; turn < MAX_TURNS; turn += 1) {
      const row = await this.find(principal, name);
      match?.(row.revision);
      if (await this.#deps.repository.hide(row.id, row.revision, now)) return this.#erase(row);
    }
    throw overtaken();
  }

  /** Ends deletions that were cut off. */
  async sweep(now: number): Promise<number> {
    const rows = await this.#deps.repository.halfDeleted(now - DELETING_MS, HALF_DELETED);
    for (const row of rows) await this.#erase(row);
    return rows.length;
  }

  /** Makes what `plan` says of the row as it is; when another change comes between, again. */
  async #edit(
    principal: Principal,
    name: SkillName,
    match: Match | null,
    now: number,
    plan: (row: SkillRow) => Promise<Edit | null>,
  ): Promise<SkillRow> {
    for (let turn = 0; turn < MAX_TURNS; turn += 1) {
      const row = await this.find(principal, name);
      match?.(row.revision);
      const edit = await plan(row);
      if (edit === null) return row;
      const written = await this.#deps.repository.update(row, edit, now);
      if (written === "name_taken") throw taken("name", edit.changes.name ?? row.name);
      if (written === "written") return this.find(principal, { ...name, skill: row.id });
    }
    throw overtaken();
  }

  /** Null when it would be the newest again, or is known and kept. */
  async #nextVersion(
    row: SkillRow,
    newest: FullVersion,
    content: SkillContent,
    files: Files | null,
    given: string | undefined,
    known: Change["known"],
  ): Promise<Omit<NewVersion, "note" | "created_by" | "created_at"> | null> {
    const files_digest = files === null ? newest.files_digest : filesDigest(files);
    const digest = versionDigest(content, files_digest);
    if (digest === newest.digest) {
      if (given === undefined || given === newest.version || known === "keep") return null;
      throw invalidSkill([{ path: "version", message: NOTHING_NEW }]);
    }
    const there = given === undefined ? null : await this.#deps.versions.digestOf(row.id, given);
    if (there === digest && known === "keep") return null;
    if (given !== undefined && there !== null) throw versionTaken(row.slug, given);
    const sealed =
      files === null
        ? { content, files: newest.files, files_digest, digest }
        : await this.#seal(row, content, files);
    const version = given ?? (await this.#freeVersion(row.id, newest.version));
    return { number: row.latest + 1, version, ...sealed };
  }

  async #freeVersion(skillId: string, newest: string): Promise<string> {
    for (let version = nextPatch(newest); ; version = nextPatch(version)) {
      if ((await this.#deps.versions.digestOf(skillId, version)) === null) return version;
    }
  }

  async #seal(
    skill: Pick<SkillRow, "id" | "project_id">,
    content: SkillContent,
    files: Files,
  ): Promise<Pick<NewVersion, "content" | "files" | "files_digest" | "digest">> {
    const keyOf = (sha256: string) => skillFilesKey(skill, sha256);
    const kept = await keepFiles(files, this.#deps.blobs, keyOf);
    const files_digest = filesDigest(files);
    return { content, files: kept, files_digest, digest: versionDigest(content, files_digest) };
  }

  async #resolve(
    projects: "*" | readonly string[],
    skill: string,
    version: VersionName,
  ): Promise<ResolvedSkill> {
    const rows = await this.#deps.resolver.find(projects, { skill, version });
    const { slug, found } = onlyOne(rows, skill);
    if (found === null) throw noVersion(slug, formatVersionName(version));
    return found;
  }

  async #erase(skill: Pick<SkillRow, "id" | "project_id">): Promise<void> {
    await this.#deps.purgeInvocations(skill);
    await deleteSkillBlobs(this.#deps.blobs, skill);
    await this.#deps.repository.remove(skill.id);
  }
}

const NOTHING_NEW =
  "Nothing of the content differs from the newest version, so that there is none to be called so. Leave it out.";

function onlyOne<Row extends { readonly project_id: string }>(
  rows: readonly Row[],
  skill: string,
): Row {
  const [row, ...others] = rows;
  if (row === undefined) throw noSkill(skill);
  if (others.length > 0)
    throw ambiguousSkill(
      skill,
      rows.map(({ project_id }) => project_id),
    );
  return row;
}

function noReference(reference: string): ApiError {
  return new ApiError(
    "validation_failed",
    `"${reference.slice(0, 200)}" names no skill. Write slug, or slug@ and a number, a version, an alias or a digest.`,
  );
}

function overtaken(): ApiError {
  return new ApiError("conflict", "Other changes came between. Read it again and repeat yours.");
}

const pathsOf = (files: Files) => [...files.keys()].map((path) => ({ path }));
