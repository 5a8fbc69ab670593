import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { tarOf, zipOf } from "../codebases/intake/test-support-archives.ts";
import { ApiError } from "../http/errors.ts";
import { type BundledSkill, type SkillToBundle, writeBundle } from "./bundle.ts";
import { BUNDLE_FORMATS, packBundle, unpackBundle } from "./bundle-archive.ts";
import { contentSchema } from "./content.ts";
import { skillFilesSchema, skillPathProblem, sorted } from "./files.ts";
import { CATEGORIES } from "./schemas.ts";

const text = (maxLength: number) =>
  fc.oneof(
    fc.string({ minLength: 1, maxLength }),
    fc
      .string({ unit: "grapheme", minLength: 1, maxLength })
      .filter((value) => value.length <= maxLength),
    fc.constantFrom(
      "1.0",
      "null",
      "- a",
      "a: b # c",
      " x ",
      "---",
      "a\n---\nb",
      "\t",
      '"q"',
      "'q'",
      "é\r\n",
      "%",
    ),
  );
const said = (maxLength: number) => text(maxLength).filter((value) => value.trim() !== "");
const json: fc.Arbitrary<z.core.util.JSONType> = fc
  .jsonValue({ maxDepth: 3 })
  .map((value): z.core.util.JSONType => JSON.parse(JSON.stringify(value)))
  .filter((value) => !JSON.stringify(value).includes("__proto__"));
const object = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 10 }).filter((key) => key !== "__proto__"),
  json,
  { maxKeys: 4, noNullPrototype: true },
);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });

const implementation = fc.oneof(
  fc.record({ type: fc.constantFrom("javascript", "typescript", "bash"), script: text(200) }),
  fc.record({ type: fc.constant("prompt"), template: text(200) }),
  fc.record({ type: fc.constant("http"), url: text(50), body: json, query: object }),
);
const content = fc
  .record({
    description: maybe(said(1_024)),
    implementation: maybe(implementation),
    inputs: maybe(object),
    outputs: maybe(object),
    system_prompt: maybe(text(100)),
    instructions: maybe(text(400)),
    examples: fc.array(fc.record({ inputs: object, outputs: json }, { requiredKeys: ["inputs"] }), {
      maxLength: 3,
    }),
    license: maybe(said(100)),
    compatibility: maybe(said(100)),
    allowed_tools: maybe(said(100)),
    metadata: fc.dictionary(
      text(20).filter((key) => !key.startsWith("pipelzr.") && key !== "__proto__"),
      text(50),
      { maxKeys: 4, noNullPrototype: true },
    ),
    timeout_seconds: fc.integer({ min: 1, max: 1_000 }),
    cache: maybe(fc.record({ ttl_seconds: fc.integer({ min: 1, max: 100 }) })),
  })
  .map((value) => contentSchema.parse(value));

const path = fc
  .array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((parts) => parts.join("/"))
  .filter((value) => value.length <= 400 && skillPathProblem(value) === null);
const file = fc.oneof(
  fc.string(),
  fc.record(
    {
      content: fc
        .uint8Array({ maxLength: 200 })
        .map((bytes) => Buffer.from(bytes).toString("base64")),
      encoding: fc.constant("base64" as const),
      mode: fc.constantFrom("0755", "755", "0644", "600", "0777"),
    },
    { requiredKeys: ["content", "encoding"] },
  ),
);
const files = fc
  .array(fc.tuple(path, file), { maxLength: 6 })
  .map((entries) => skillFilesSchema.safeParse(Object.fromEntries(entries)).data ?? new Map());

const SCRIPT_FILE = "scripts/run";

/** The skill with its script among its files, where it has one. */
function withScriptFile(skill: SkillToBundle): SkillToBundle {
  const { implementation } = skill.content;
  if (implementation === null || !("script" in implementation)) return skill;
  const all = new Map(skill.files).set(SCRIPT_FILE, {
    content: implementation.script,
    encoding: "utf8",
  });
  return { ...skill, files: sorted([...all]) };
}

const plainSkill: fc.Arbitrary<SkillToBundle> = fc.record({
  slug: fc.stringMatching(/^[a-z0-9]{1,10}(?:-[a-z0-9]{1,10}){0,3}$/),
  name: text(255),
  category: fc.constantFrom(...CATEGORIES),
  tags: fc.uniqueArray(text(64), { maxLength: 4 }),
  cost_estimate: fc.integer({ min: 0, max: 1_000 }),
  extra_data: object,
  version: fc.constantFrom("1.0.0", "2.3.4-rc.1+b"),
  note: maybe(text(100)),
  content,
  files,
});
const skill = fc.oneof(plainSkill, plainSkill.map(withScriptFile));

/** The skill as it would be written again where it was imported. */
function imported(read: BundledSkill): SkillToBundle {
  const { described, slug, version, note, content, files } = read;
  if (described === null || version === null) throw new Error("The bundle has no pipelzr.json.");
  return { ...described, slug, version, note, content, files };
}

describe("a bundle", () => {
  it.each(BUNDLE_FORMATS)("as %s comes back byte by byte, whatever the skill", async (format) => {
    const pack = (each: SkillToBundle) => packBundle(each.slug, writeBundle(each), format);
    await fc.assert(
      fc.asyncProperty(skill, async (given) => {
        const first = await pack(given);
        const back = imported(await unpackBundle(first));
        const second = await pack(back);
        expect(back.content).toEqual(given.content);
        expect({ ...back, files: [...back.files.keys()] }).toEqual({
          ...given,
          files: [...given.files.keys()],
        });
        expect(Buffer.compare(first, second)).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it("is what both programs unpack the same", async () => {
    await fc.assert(
      fc.asyncProperty(skill, async (given) => {
        const [zip, tar] = await Promise.all(
          BUNDLE_FORMATS.map(async (format) =>
            imported(await unpackBundle(await packBundle(given.slug, writeBundle(given), format))),
          ),
        );
        expect(zip).toEqual(tar);
      }),
      { numRuns: 30 },
    );
  });
});

const FRONT = "---\nname: pdf-forms\ndescription: Fills forms. Use it for PDFs.\n---\n";
const zip = (entries: Record<string, string>) =>
  zipOf(
    Object.entries(entries).map(([name, content]) => ({ name, content: Buffer.from(content) })),
  );

describe("a bundle of others", () => {
  it("is instructions with files, and what its frontmatter says", async () => {
    const front =
      "---\nname: pdf-forms\ndescription: >\n  Fills forms.\n  Well.\nlicense: Apache-2.0\nmetadata:\n  author: someone\n  version: 1.0\nallowed-tools: Bash(git:*) Read\n---\n\n# Forms\n\nRead [the guide](references/guide.md).\n";
    const read = await unpackBundle(
      zip({
        "pdf-forms/SKILL.md": front,
        "pdf-forms/references/guide.md": "# Guide\n",
        "__MACOSX/pdf-forms/._SKILL.md": "junk",
      }),
    );
    expect(read).toMatchObject({
      slug: "pdf-forms",
      ...{
        version: null,
        described: null,
        fallback: { name: "pdf-forms", category: "generation" },
      },
      content: {
        ...{ description: "Fills forms. Well.\n", license: "Apache-2.0", implementation: null },
        metadata: { author: "someone", version: "1.0" },
        allowed_tools: "Bash(git:*) Read",
        instructions: "# Forms\n\nRead [the guide](references/guide.md).",
      },
    });
    expect([...read.files]).toEqual([
      ["references/guide.md", { content: "# Guide\n", encoding: "utf8" }],
    ]);
  });

  it("may have line breaks of Windows, and no body", async () => {
    const crlf = await unpackBundle(
      zip({ "pdf-forms/SKILL.md": `${FRONT}\nOne.\nTwo.\n`.replaceAll("\n", "\r\n") }),
    );
    expect(crlf.content.instructions).toBe("One.\r\nTwo.");
    expect(
      (await unpackBundle(zip({ "pdf-forms/SKILL.md": FRONT }))).content.instructions,
    ).toBeNull();
  });
});

async function refusal(archive: Uint8Array): Promise<ApiError> {
  const error: unknown = await unpackBundle(archive).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ApiError)) throw new Error(`It was not refused: ${error}`);
  return error;
}

const sideOf = (implementation: object) =>
  JSON.stringify({
    ...{ format: 1, name: "PDF forms", category: "generation", version: "1.0.0" },
    implementation: { type: "typescript", ...implementation },
  });

it("has its script in the file that pipelzr.json names, and is written so again", async () => {
  const script = "export default () => 1;\n";
  const given = {
    "pdf-forms/SKILL.md": FRONT,
    "pdf-forms/pipelzr.json": sideOf({ script_file: "scripts/run.ts" }),
    "pdf-forms/scripts/run.ts": script,
  };
  const read = imported(await unpackBundle(zip(given)));
  expect(read.content.implementation).toMatchObject({ type: "typescript", script });
  const side = writeBundle(read).find(({ path }) => path === "pipelzr.json");
  const { implementation } = JSON.parse(Buffer.from(side?.content ?? []).toString());
  expect(implementation).toMatchObject({ type: "typescript", script_file: "scripts/run.ts" });
  expect(implementation).not.toHaveProperty("script");
});

describe("a bundle is refused", () => {
  it.each<[string, Uint8Array]>([
    ["format_unknown", Buffer.from("hello")],
    ["bundle_empty", zip({})],
    ["several_folders", zip({ "a/SKILL.md": FRONT, "b/SKILL.md": FRONT })],
    ["no_folder", zip({ "SKILL.md": FRONT })],
    ["path_unsafe", zip({ "a/../../etc/passwd": "x" })],
    ["path_unsafe", zip({ "/etc/passwd": "x" })],
    [
      "link",
      tarOf([
        { name: "a/SKILL.md", content: FRONT },
        { name: "a/b", type: "2", target: "../../etc/passwd" },
      ]),
    ],
    [
      "link",
      tarOf([
        { name: "a/SKILL.md", content: FRONT },
        { name: "a/b", type: "1", target: "a/SKILL.md" },
      ]),
    ],
    [
      "too_many_files",
      zip(Object.fromEntries(Array.from({ length: 513 }, (_, n) => [`a/${n}`, ""]))),
    ],
    [
      "too_many_entries",
      zip(Object.fromEntries(Array.from({ length: 2_049 }, (_, n) => [`a/${n}`, ""]))),
    ],
    ["unpacked_too_large", zip({ "a/zeros": "0".repeat(17 * 1024 * 1024) })],
    ["unpacked_too_large", zip({ "a/zeros": "0".repeat(40 * 1024 * 1024) })],
    [
      "path_duplicate",
      tarOf([
        { name: "a/x", content: "1" },
        { name: "a/x", content: "2" },
      ]),
    ],
    ["archive_truncated", tarOf([{ name: "a/x", content: "1".repeat(2_000) }]).subarray(0, 1_000)],
  ])("for %s", async (reason, archive) => {
    expect((await refusal(archive)).members).toEqual({ reason });
  });

  it.each<[string, Record<string, string>, string[]]>([
    ["nothing that says what it is", { "x.md": "" }, ["SKILL.md"]],
    ["no frontmatter", { "SKILL.md": "# Forms\n" }, ["SKILL.md"]],
    ["frontmatter that is not closed", { "SKILL.md": "---\nname: pdf-forms\n" }, ["SKILL.md"]],
    ["frontmatter that is no YAML", { "SKILL.md": "---\nname: [\n---\n" }, ["SKILL.md: line 3"]],
    ["frontmatter that is a list", { "SKILL.md": "---\n- a\n---\n" }, ["SKILL.md"]],
    ["another name", { "SKILL.md": FRONT.replace("pdf-forms", "other") }, ["SKILL.md: name"]],
    [
      "a name that is none",
      { "SKILL.md": FRONT.replace("pdf-forms", "PDF--Forms") },
      ["SKILL.md: name"],
    ],
    [
      "no description",
      { "SKILL.md": "---\nname: pdf-forms\ndescription:\n---\n" },
      ["SKILL.md: description"],
    ],
    [
      "a long description",
      { "SKILL.md": FRONT.replace("Fills", "x".repeat(1_025)) },
      ["SKILL.md: description"],
    ],
    [
      "a field that there is not",
      { "SKILL.md": FRONT.replace("\ndesc", "\nversion: 1\ndesc") },
      ["SKILL.md: version"],
    ],
    [
      "metadata of another kind",
      { "SKILL.md": FRONT.replace("\ndesc", "\nmetadata:\n  a: [1]\ndesc") },
      ["SKILL.md: metadata.a"],
    ],
    [
      "tools that are a list",
      { "SKILL.md": FRONT.replace("\ndesc", "\nallowed-tools: [a]\ndesc") },
      ["SKILL.md: allowed-tools"],
    ],
    ["a side file that is no JSON", { "SKILL.md": FRONT, "pipelzr.json": "{" }, ["pipelzr.json"]],
    [
      "a side file with mistakes",
      {
        "SKILL.md": FRONT,
        "pipelzr.json": JSON.stringify({
          format: 1,
          name: "a",
          category: "x",
          version: "1",
          what: 1,
        }),
      },
      ["pipelzr.json: category", "pipelzr.json: version", "pipelzr.json: what"],
    ],
    [
      "a script in a file that there is not",
      { "SKILL.md": FRONT, "pipelzr.json": sideOf({ script_file: "scripts/run.ts" }) },
      ["pipelzr.json: implementation.script_file"],
    ],
    [
      "a script in two places",
      {
        "SKILL.md": FRONT,
        "pipelzr.json": sideOf({ script_file: "run.ts", script: "export default () => 1" }),
        "run.ts": "export default () => 2",
      },
      ["pipelzr.json: implementation.script_file"],
    ],
    ["files of names that are ours", { "SKILL.md": FRONT, "skill.MD": "" }, ["skill.MD"]],
  ])("with %s", async (_, files, paths) => {
    const entries = Object.entries(files).map(([name, content]) => [`pdf-forms/${name}`, content]);
    const { code, issues } = await refusal(zip(Object.fromEntries(entries)));
    expect(code).toBe("validation_failed");
    expect(issues.map(({ path }) => path)).toEqual(paths);
  });
});
