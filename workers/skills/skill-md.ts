/** `SKILL.md` as Agent Skills have it: YAML frontmatter of six fields, and Markdown. Pure. */
import { parseDocument, stringify } from "yaml";
import { z } from "zod";
import type { Issue } from "../http/errors.ts";
import { toIssues } from "../http/issues.ts";
import { findUnsafeJson } from "../http/json.ts";
import { inOurWords } from "../http/wording.ts";
import { contentFields } from "./content.ts";
import { SKILL_FILE } from "./files.ts";
import { slugSchema } from "./slug.ts";

/** What `SKILL.md` says; fields that it leaves out are null. */
export interface SkillMd {
  readonly name: string;
  readonly description: string;
  readonly license: string | null;
  readonly compatibility: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly allowed_tools: string | null;
  /** The body; null for none. */
  readonly instructions: string | null;
}

const OPENING = /^\uFEFF?---[ \t]*(\r?\n)/;
const CLOSING = /^---[ \t]*(?:\r?\n|$)/m;
/** Indentation of the frontmatter's first line in the file, which counts from 1. */
const FIRST_LINE = 1;

/** An empty field is one that is left out. */
const optional = (schema: z.ZodType<string | null, string | null>) =>
  z
    .string()
    .nullish()
    .transform((text) => (text?.trim() ? text : null))
    .pipe(schema);

const frontmatterSchema = z.strictObject({
  name: slugSchema,
  description: z
    .string()
    .refine((text) => text.trim() !== "", "Say what the skill does, and when to use it.")
    .pipe(contentFields.description.unwrap()),
  license: optional(contentFields.license),
  compatibility: optional(contentFields.compatibility),
  metadata: z
    .union([contentFields.metadata, z.literal("")])
    .nullish()
    .transform((metadata) => metadata || {}),
  "allowed-tools": optional(contentFields.allowed_tools),
});

/** Reads the file; what is wrong with it has paths such as `SKILL.md: description`. */
export function readSkillMd(
  text: string,
):
  | { readonly skill: SkillMd; readonly issues: [] }
  | { readonly skill: null; readonly issues: Issue[] } {
  const refuse = (issues: Issue[]) => ({ skill: null, issues });
  const opening = OPENING.exec(text);
  const rest = text.slice(opening?.[0].length ?? 0);
  const closing = CLOSING.exec(rest);
  if (opening === null || closing === null) return refuse([issue("", WITHOUT_FRONTMATTER)]);
  const { value, issues } = readYaml(rest.slice(0, closing.index));
  if (issues.length > 0) return refuse(issues);
  const { data, error } = frontmatterSchema.safeParse(value, { error: inOurWords });
  if (error !== undefined) {
    return refuse(toIssues(error).map(({ path, message }) => issue(path, explain(path, message))));
  }
  const { "allowed-tools": allowed_tools, ...fields } = data;
  const [, lineBreak = "\n"] = opening;
  const body = rest.slice(closing.index + closing[0].length);
  return { skill: { ...fields, allowed_tools, instructions: bodyOf(body, lineBreak) }, issues: [] };
}

const WITHOUT_FRONTMATTER =
  "It begins with frontmatter: a line of three dashes, name and description in YAML, and another such line.";

/** Every value is text, as the reference implementation of the format reads them. */
function readYaml(text: string): { value: unknown; issues: Issue[] } {
  const document = parseDocument(text, {
    schema: "failsafe",
    prettyErrors: false,
    logLevel: "error",
  });
  if (document.errors.length > 0) {
    return {
      value: null,
      issues: document.errors.map(({ message, pos: [at] }) => {
        const line = text.slice(0, at).split("\n").length + FIRST_LINE;
        return issue(`line ${line}`, `The frontmatter is no valid YAML: ${message}.`);
      }),
    };
  }
  const value: unknown = document.toJS({ maxAliasCount: 0 });
  return { value, issues: findUnsafeJson(value).map(({ path, message }) => issue(path, message)) };
}

function explain(path: string, message: string): string {
  if (!message.startsWith("Unknown field")) return message;
  return /^[\w-]+$/.test(path)
    ? "It is none of the six fields: name, description, license, compatibility, metadata, allowed-tools. Put it under metadata."
    : message;
}

function issue(path: string, message: string): Issue {
  return { path: path === "" ? SKILL_FILE : `${SKILL_FILE}: ${path}`, message };
}

/** Without the one line break that stands before it, and the one after. */
function bodyOf(text: string, lineBreak: string): string | null {
  const from = text.startsWith(lineBreak) ? lineBreak.length : 0;
  const body = text.slice(from);
  const instructions = body.endsWith(lineBreak) ? body.slice(0, -lineBreak.length) : body;
  return instructions === "" ? null : instructions;
}

/** The file, such that reading it yields the same. */
export function writeSkillMd(skill: SkillMd): string {
  const { name, description, license, compatibility, metadata, allowed_tools } = skill;
  const frontmatter = stringify(
    {
      ...{ name, description },
      ...(license !== null && { license }),
      ...(compatibility !== null && { compatibility }),
      ...(Object.keys(metadata).length > 0 && { metadata }),
      ...(allowed_tools !== null && { "allowed-tools": allowed_tools }),
    },
    { lineWidth: 0, blockQuote: false, aliasDuplicateObjects: false },
  );
  const body = skill.instructions === null ? "" : `\n${skill.instructions}\n`;
  return `---\n${frontmatter}---\n${body}`;
}
