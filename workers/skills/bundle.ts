/**
 * A skill as a folder of files: `SKILL.md`, that any agent reads, `pipelzr.json` with what it cannot
 * say, and the files that belong to the skill. Pure; the same skill is always the same bytes.
 */
import { z } from "zod";
import type { InlineFile } from "../executors/port.ts";
import { ApiError, type Issue } from "../http/errors.ts";
import { toIssues } from "../http/issues.ts";
import { findUnsafeJson } from "../http/json.ts";
import { inOurWords } from "../http/wording.ts";
import type { Files } from "../tasks/files.ts";
import { withScript, withScriptFile } from "./bundle-script.ts";
import { contentSchema, type SkillContent } from "./content.ts";
import {
  bytesOf,
  isExecutable,
  modeOf,
  OWN_METADATA,
  oddMode,
  SIDE_FILE,
  SKILL_FILE,
  skillPathProblem,
  sorted,
} from "./files.ts";
import { type Category, metadataFields, noteSchema, versionSchema } from "./schemas.ts";
import { readSkillMd, type SkillMd, writeSkillMd } from "./skill-md.ts";

/** A file of a bundle; the path is that below its folder. */
export interface BundleFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly isExecutable: boolean;
}

/** What a bundle says of a skill. */
export interface BundledSkill {
  readonly slug: string;
  readonly content: SkillContent;
  readonly files: Files;
  /** As `pipelzr.json` has it, or `metadata` of one without; null when neither says it. */
  readonly version: string | null;
  readonly note: string | null;
  /** Null without `pipelzr.json`, which alone says all of it. */
  readonly described: Described | null;
  /** What is meant where nothing is there yet to be kept. */
  readonly fallback: Pick<Described, "name" | "category">;
}

export interface Described {
  readonly name: string;
  readonly category: Category;
  readonly tags: readonly string[];
  readonly cost_estimate: number;
  readonly extra_data: z.output<typeof metadataFields.extra_data>;
}

/** What is written. */
export interface SkillToBundle extends Described {
  readonly slug: string;
  readonly version: string;
  readonly note: string | null;
  readonly content: SkillContent;
  readonly files: Files;
}

const FORMAT = 1;
/** What a skill without `pipelzr.json` is for: its instructions tell an agent how to make something. */
const FOREIGN_CATEGORY: Category = "generation";
/** A larger file of JSON is written without line breaks, which nesting could multiply. */
const MAX_INDENTED_CHARS = 1024 * 1024;

/** What of a version `SKILL.md` does not say. */
const sideContent = contentSchema.omit({
  ...{ description: true, license: true, compatibility: true },
  ...{ metadata: true, allowed_tools: true, instructions: true },
});

const { enabled, ...describing } = metadataFields;
const sideSchema = z.strictObject({
  format: z.literal(FORMAT),
  ...describing,
  tags: metadataFields.tags.default([]),
  cost_estimate: metadataFields.cost_estimate.default(0),
  extra_data: metadataFields.extra_data.default({}),
  version: versionSchema,
  note: noteSchema,
  /** Null when the description in `SKILL.md` stands in for one that there is not. */
  description: z.null().optional(),
  /** Of files whose mode an archive does not keep. */
  file_modes: z.record(z.string(), z.string().regex(/^0[0-7]{3}$/)).default({}),
  ...sideContent.shape,
});
type SideFile = z.output<typeof sideSchema>;

/** The files of a skill's folder, in the order of their paths. */
export function writeBundle(skill: SkillToBundle): BundleFile[] {
  const own = [
    textFile(SKILL_FILE, writeSkillMd(toSkillMd(skill))),
    textFile(SIDE_FILE, writeJson(toSideJson(skill))),
  ];
  const files = [...skill.files].map(([path, file]) => ({
    path,
    content: bytesOf(file),
    isExecutable: isExecutable(file),
  }));
  return [...own, ...files].sort((left, right) => (left.path < right.path ? -1 : 1));
}

function toSkillMd({ slug, name, category, version, content }: SkillToBundle): SkillMd {
  const { license, compatibility, metadata, allowed_tools, instructions } = content;
  const own = { name, category, version };
  const ours = Object.entries(own).map(([key, value]) => [OWN_METADATA + key, value]);
  return {
    name: slug,
    description: content.description ?? slug,
    ...{ license, compatibility, allowed_tools, instructions },
    metadata: { ...metadata, ...Object.fromEntries(ours) },
  };
}

function toSideFile(skill: SkillToBundle): SideFile {
  const { name, category, tags, cost_estimate, extra_data, version, note, content, files } = skill;
  const { description, license, compatibility, metadata, allowed_tools, instructions, ...rest } =
    content;
  const odd = [...files].flatMap(([path, file]) => {
    const mode = oddMode(file);
    return mode === null ? [] : [[path, mode] as const];
  });
  return {
    ...{ format: FORMAT, name, category, tags: [...tags], version, note },
    ...(description === null && { description }),
    ...rest,
    ...{ cost_estimate, extra_data, file_modes: Object.fromEntries(odd) },
  };
}

function toSideJson(skill: SkillToBundle) {
  const side = toSideFile(skill);
  return { ...side, implementation: withScriptFile(side.implementation, skill.files) };
}

function writeJson(value: unknown): string {
  const indented = JSON.stringify(value, null, 2);
  return `${indented.length <= MAX_INDENTED_CHARS ? indented : JSON.stringify(value)}\n`;
}

function textFile(path: string, text: string): BundleFile {
  return { path, content: Buffer.from(text), isExecutable: false };
}

/** Reads a skill's folder. Throws `validation_failed` with every problem. */
export function readBundle(folder: string, files: readonly BundleFile[]): BundledSkill {
  const issues: Issue[] = [];
  const skillMd = readOwn(files, SKILL_FILE, readSkillMdFile, issues);
  const side = readOwn(files, SIDE_FILE, (text) => readSideFile(text, files), issues);
  if (!files.some(({ path }) => path === SKILL_FILE)) {
    issues.push({ path: SKILL_FILE, message: `The folder "${folder}" has no ${SKILL_FILE}.` });
  }
  if (skillMd !== null && skillMd.name !== folder) {
    const message = `The name is that of the folder, which is "${folder}". Rename one of the two.`;
    issues.push({ path: `${SKILL_FILE}: name`, message });
  }
  const others = files.filter(({ path }) => path !== SKILL_FILE && path !== SIDE_FILE);
  for (const { path } of others) {
    const message = skillPathProblem(path);
    if (message !== null) issues.push({ path, message });
  }
  if (skillMd === null || issues.length > 0) throw invalidBundle(issues);
  return toBundled(skillMd, side, others);
}

function readOwn<Read>(
  files: readonly BundleFile[],
  path: string,
  read: (text: string) => { readonly read: Read | null; readonly issues: readonly Issue[] },
  issues: Issue[],
): Read | null {
  const file = files.find((each) => each.path === path);
  if (file === undefined) return null;
  const text = textOf(file.content);
  if (text === null) {
    issues.push({ path, message: "It is not valid UTF-8. Encode it as UTF-8." });
    return null;
  }
  const outcome = read(text);
  issues.push(...outcome.issues);
  return outcome.read;
}

function readSkillMdFile(text: string) {
  const { skill: read, issues } = readSkillMd(text);
  return { read, issues };
}

function readSideFile(
  text: string,
  files: readonly BundleFile[],
): { read: SideFile | null; issues: Issue[] } {
  const at = (path: string) => (path === "" ? SIDE_FILE : `${SIDE_FILE}: ${path}`);
  const refuse = (issues: readonly Issue[]) => ({
    read: null,
    issues: issues.map(({ path, message }) => ({ path: at(path), message })),
  });
  const value = parseJson(text);
  if (value === undefined) return refuse([{ path: "", message: "It is no valid JSON." }]);
  const unsafe = findUnsafeJson(value);
  if (unsafe.length > 0) return refuse(unsafe);
  const { side, issues } = withScript(value, (path) => {
    const file = files.find((each) => each.path === path);
    return file === undefined ? null : textOf(file.content);
  });
  if (issues.length > 0) return refuse(issues);
  const { data, error } = sideSchema.safeParse(side, { error: inOurWords });
  return error === undefined ? { read: data, issues: [] } : refuse(toIssues(error));
}

function toBundled(
  skillMd: SkillMd,
  side: SideFile | null,
  files: readonly BundleFile[],
): BundledSkill {
  const { name: slug, description: said, metadata: all, ...texts } = skillMd;
  const metadata = Object.fromEntries(
    Object.entries(all).filter(([key]) => !key.startsWith(OWN_METADATA)),
  );
  const own = (key: string) => all[OWN_METADATA + key];
  const modes = new Map(Object.entries(side?.file_modes ?? {}));
  const kept = sorted(files.map((file) => [file.path, toInlineFile(file, modes.get(file.path))]));
  const fallback = {
    name: metadataFields.name.safeParse(own("name")).data ?? slug,
    category: metadataFields.category.safeParse(own("category")).data ?? FOREIGN_CATEGORY,
  };
  if (side === null) {
    const content = contentSchema.parse({ ...texts, description: said, metadata });
    const version = versionSchema.safeParse(own("version")).data ?? null;
    return { slug, content, files: kept, version, note: null, described: null, fallback };
  }
  const { format, name, category, tags, cost_estimate, extra_data, version, note, ...rest } = side;
  const { description, file_modes, ...content } = rest;
  const isStandIn = description === null && said === slug;
  return {
    ...{ slug, files: kept, version, note: note ?? null, fallback },
    content: {
      ...content,
      ...texts,
      description: isStandIn ? null : said,
      metadata: { ...metadata },
    },
    described: { name, category, tags, cost_estimate, extra_data },
  };
}

/** As text where it is some, so that it can be read where skills are edited. */
function toInlineFile({ content, isExecutable }: BundleFile, mode: string | undefined): InlineFile {
  const text = textOf(content);
  const permissions = mode === undefined ? modeOf(isExecutable) : { mode };
  return text === null
    ? { content: Buffer.from(content).toString("base64"), encoding: "base64", ...permissions }
    : { content: text, encoding: "utf8", ...permissions };
}

/** Null for bytes that are no UTF-8, or that would not come back as they are. */
function textOf(content: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return null;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function invalidBundle(issues: readonly Issue[]): ApiError {
  return new ApiError("validation_failed", "The bundle is not valid; correct what is listed.", {
    issues,
  });
}
