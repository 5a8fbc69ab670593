/** Versions of skills, and the names that they are given. */
import { ApiError } from "../http/errors.ts";
import type { Principal } from "../security/principal.ts";
import { noVersion } from "./errors.ts";
import { formatVersionName, parseVersionName, type VersionName } from "./reference.ts";
import type { SkillRow } from "./repository.ts";
import type { SkillName, SkillService } from "./service.ts";
import type { AliasRow, FullVersion, VersionRepository, VersionRow } from "./version-repository.ts";

const MAX_ALIASES = 100;

export interface FoundVersion {
  readonly skill: SkillRow;
  readonly version: FullVersion;
}

export class SkillVersionService {
  readonly #skills: SkillService;
  readonly #versions: VersionRepository;

  constructor(skills: SkillService, versions: VersionRepository) {
    this.#skills = skills;
    this.#versions = versions;
  }

  /** `version` is a number, a version, a digest or an alias. Throws `not_found`. */
  async get(principal: Principal, name: SkillName, version: string): Promise<FoundVersion> {
    const skill = await this.#skills.find(principal, name);
    const wanted = parseVersionName(version);
    return { skill, version: await this.#named(skill, wanted, version) };
  }

  /** Newest first, those numbered below `below`; one more than `limit` tells that there are more. */
  async list(
    principal: Principal,
    name: SkillName,
    below: number | null,
    limit: number,
  ): Promise<{ readonly skill: SkillRow; readonly rows: readonly VersionRow[] }> {
    const skill = await this.#skills.find(principal, name);
    return { skill, rows: await this.#versions.list(skill.id, below, limit) };
  }

  /** `latest` and `default` first. */
  async aliases(principal: Principal, name: SkillName): Promise<readonly AliasRow[]> {
    const skill = await this.#skills.find(principal, name);
    return [
      { alias: "latest", number: skill.latest, version: skill.latest_version },
      { alias: "default", number: skill.number, version: skill.version },
      ...(await this.#versions.aliases(skill.id)),
    ];
  }

  /** Of a skill's row alone, without `latest` and `default`. */
  aliasesOf({ id }: SkillRow): Promise<readonly AliasRow[]> {
    return this.#versions.aliases(id);
  }

  /** Throws `not_found`, and `validation_failed` for `latest`, and for what names no version. */
  async setAlias(
    principal: Principal,
    name: SkillName,
    alias: string,
    version: string,
    now: number,
  ): Promise<AliasRow> {
    refuseLatest(alias);
    const wanted = parseVersionName(version);
    if (wanted === null) throw noVersionName();
    if (alias === "default") {
      const { number, version } = await this.#skills.pinDefault(principal, name, wanted, now);
      return { alias, number, version };
    }
    const skill = await this.#skills.find(principal, name);
    const found = await this.#named(skill, wanted, version);
    const { number } = found;
    if (!(await this.#versions.setAlias(skill.id, { alias, number }, MAX_ALIASES, now))) {
      throw tooMany();
    }
    return { alias, number, version: found.version };
  }

  /** Without the alias `default` the newest version is the default. Throws `not_found`. */
  async removeAlias(
    principal: Principal,
    name: SkillName,
    alias: string,
    now: number,
  ): Promise<void> {
    refuseLatest(alias);
    if (alias === "default") {
      await this.#skills.pinDefault(principal, name, null, now);
      return;
    }
    const { id, slug } = await this.#skills.find(principal, name);
    if (!(await this.#versions.removeAlias(id, alias, now))) throw noVersion(slug, alias);
  }

  async #named(
    { id, slug }: SkillRow,
    wanted: VersionName | null,
    written: string,
  ): Promise<FullVersion> {
    const found = wanted === null ? null : await this.#versions.get(id, wanted);
    if (found === null) throw noVersion(slug, wanted ? formatVersionName(wanted) : written);
    return found;
  }
}

function refuseLatest(alias: string): void {
  if (alias !== "latest") return;
  const message =
    'It is the newest version, always. Set "default" for what is meant when none is named, or an alias of your own.';
  throw new ApiError("validation_failed", `"latest" cannot be set. ${message}`, {
    issues: [{ path: "path.alias", message }],
  });
}

function noVersionName(): ApiError {
  const message = "Give a number, a version such as 1.2.0, a digest (sha256:…) or an alias.";
  return new ApiError("validation_failed", `It names no version. ${message}`, {
    issues: [{ path: "version", message }],
  });
}

function tooMany(): ApiError {
  return new ApiError(
    "conflict",
    `A skill has at most ${MAX_ALIASES} aliases. Delete one that is not used.`,
  );
}
