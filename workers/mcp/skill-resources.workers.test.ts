/** The Skills extension: skills as files that agents read. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { contentDigest } from "../security/hash.ts";
import { createSkill, patchSkill, unique } from "../skills/test-support.ts";
import { isolate } from "../test/app.ts";
import { mintKey, type Speech, speaker } from "./test-support.ts";

const { call } = isolate();
const { ask, send } = speaker(call);

const entrySchema = z.looseObject({
  uri: z.string(),
  frontmatter: z.looseObject({ name: z.string(), description: z.string() }),
  resources: z.array(z.object({ uri: z.string(), digest: z.string(), size: z.int() })),
});
const listSchema = z.looseObject({
  skills: z.array(entrySchema),
  nextCursor: z.string().optional(),
});
const readSchema = z.looseObject({
  contents: z.tuple([
    z.looseObject({
      uri: z.string(),
      mimeType: z.string(),
      text: z.string().optional(),
      blob: z.string().optional(),
    }),
  ]),
});

const uriOf = (slug: string, path = "SKILL.md") => `skill://${slug}/${path}`;
const getEntry = async (slug: string) =>
  entrySchema.parse((await ask("skills/get", { uri: uriOf(slug) })).skill);

async function read(uri: string): Promise<Buffer> {
  const { contents } = readSchema.parse(await ask("resources/read", { uri }));
  const { text, blob } = contents[0];
  return text === undefined ? Buffer.from(blob ?? "", "base64") : Buffer.from(text);
}

async function listAll(speech: Speech = {}) {
  const skills: z.output<typeof entrySchema>[] = [];
  let cursor: string | undefined;
  do {
    const params = { ...(cursor && { cursor }) };
    const page = listSchema.parse(await ask("skills/list", params, speech));
    skills.push(...page.skills);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return skills;
}

describe("the skills of a project", () => {
  it("are listed with the digests of their files, page by page", async () => {
    const project_id = unique("project");
    const speech = { headers: { "x-pipelzr-project": project_id } };
    const slugs: string[] = [];
    for (let index = 0; index < 25; index += 1) {
      slugs.push((await createSkill(call, { project_id })).slug);
    }
    await createSkill(call, { project_id, enabled: false });
    const skills = await listAll(speech);
    expect(skills.map(({ uri }) => uri)).toEqual(slugs.map((slug) => uriOf(slug)));
  });

  it("are told one by one, and their files are what the digests say", async () => {
    const binary = { content: Buffer.from([0, 255, 1]).toString("base64"), encoding: "base64" };
    const { slug } = await createSkill(call, {
      instructions: '# Count\n\nCount the words: "all" of them.',
      description: 'Counts: words, "quoted" and # others.',
      license: "MIT",
      files: { "scripts/count.py": "print(1)\n", "assets/a b.bin": binary },
    });
    const { uri, frontmatter, resources } = await getEntry(slug);
    expect(uri).toBe(uriOf(slug));
    expect(frontmatter).toMatchObject({
      ...{ name: slug, description: 'Counts: words, "quoted" and # others.', license: "MIT" },
    });
    expect(resources.map((each) => each.uri).sort()).toEqual([
      uriOf(slug),
      uriOf(slug, "assets/a%20b.bin"),
      uriOf(slug, "pipelzr.json"),
      uriOf(slug, "scripts/count.py"),
    ]);
    for (const { uri, digest, size } of resources) {
      const bytes = await read(uri);
      expect([`sha256:${contentDigest(bytes)}`, bytes.length], uri).toEqual([digest, size]);
    }
    expect((await read(uriOf(slug))).toString()).toContain("Count the words");
  });

  it("of instructions alone are among them, and are found as resources", async () => {
    const { slug, name } = await createSkill(call, { implementation: null, instructions: "# Do" });
    expect((await getEntry(slug)).frontmatter.name).toBe(slug);
    const { resources } = await ask("resources/list");
    expect(resources).toContainEqual({
      ...{ uri: uriOf(slug), name: slug, title: name },
      ...{ description: "Counts the words of a text.", mimeType: "text/markdown" },
    });
  });

  it("change with what is changed, name and description too", async () => {
    const { id, slug } = await createSkill(call, { instructions: "one" });
    const before = await getEntry(slug);
    await patchSkill(call, id, { instructions: "two" });
    const after = await getEntry(slug);
    expect(after.resources).not.toEqual(before.resources);
    await patchSkill(call, id, { name: unique("renamed") });
    expect((await getEntry(slug)).resources).not.toEqual(after.resources);
  });

  it("that are not there are invalid parameters, and so are files", async () => {
    const { slug } = await createSkill(call);
    const off = await createSkill(call, { enabled: false });
    for (const uri of [uriOf("nope"), uriOf(off.slug), uriOf(slug, "x.md"), "skill://", "x:y"]) {
      expect((await send("skills/get", { uri })).error?.code, uri).toBe(-32602);
      expect((await send("resources/read", { uri })).error?.code, uri).toBe(-32602);
    }
  });

  it("need the scope to read skills, without which nothing is advertised", async () => {
    const key = await mintKey(call, { scopes: ["skills:execute"], projects: ["default"] });
    const { capabilities } = await ask("server/discover", {}, { key });
    expect(capabilities).not.toHaveProperty(["extensions", "io.modelcontextprotocol/skills"]);
    expect((await send("skills/list", {}, { key })).error?.code).toBe(-32601);
  });
});
