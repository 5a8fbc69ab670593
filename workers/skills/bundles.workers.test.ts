/** Skills over HTTP as bundles: out, in, and out again. */
import { createExecutionContext } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { zipOf } from "../codebases/intake/test-support-archives.ts";
import { DEV_KEY, isolate } from "../test/app.ts";
import { createSkill, issuesOf, patchSkill, readSkill, SKILLS, unique } from "./test-support.ts";

const { app, env, call } = isolate();

const importBundle = (body: Uint8Array, query = "", headers: Record<string, string> = {}) =>
  call(`${SKILLS}/import${query}`, { body, headers });

async function exporting(name: string, query = ""): Promise<Response> {
  const request = new Request(`https://pipelzr.test${SKILLS}/${name}/export${query}`, {
    headers: { authorization: `Bearer ${DEV_KEY}` },
  });
  return app.fetch(request, env, createExecutionContext());
}

async function exported(name: string, query = ""): Promise<Uint8Array> {
  const response = await exporting(name, query);
  expect(response.status).toBe(200);
  return new Uint8Array(await response.arrayBuffer());
}

/** A skill with something in each of its members. */
const RICH = {
  category: "codebase",
  description: "Finds TODOs: in any file, “quoted” too.",
  tags: ["search", "todo"],
  implementation: { type: "bash", script: "grep -rn TODO .", environment: { LANG: "C" } },
  inputs: { type: "object", properties: { path: { type: "string" }, "1": {} }, required: ["path"] },
  outputs: { type: "object" },
  instructions: "# Find TODOs\n\nRun it.\n",
  examples: [{ name: "all", inputs: { path: "." } }],
  permissions: { secrets: ["TOKEN"], skills: ["word-count"] },
  requires_approval: true,
  timeout_seconds: 30,
  retry: { max_attempts: 2 },
  cache: { ttl_seconds: 60 },
  license: "MIT",
  compatibility: "Needs grep.",
  allowed_tools: "Bash Read",
  metadata: { author: "someone", "1": "2" },
  cost_estimate: 0.25,
  extra_data: { origin: { deep: [1, null] } },
  version: "1.4.0",
  note: "Finds more.",
  files: {
    "scripts/find.sh": { content: "#!/bin/sh\ngrep TODO\n", mode: "0755" },
    "assets/raw.bin": { content: "AP8=", encoding: "base64" },
    "references/ä b.md": "# Ä\n",
    "large.txt": "x".repeat(100_000),
    "key.pem": { content: "no key", mode: "0600" },
  },
};

describe("a bundle", () => {
  it.each(["zip", "tar.gz"])(
    "as %s is the same bytes after it went elsewhere, and after it was deleted",
    async (format) => {
      const skill = await createSkill(call, { ...RICH, name: unique("Find TODOs") });
      const query = `?format=${format}`;
      const first = await exported(skill.slug, `${query}&project_id=default`);

      const elsewhere = await importBundle(first, `?project_id=${unique("p")}`);
      expect(elsewhere, elsewhere.text).toMatchObject({
        status: 201,
        body: { outcome: "created" },
      });
      const copy = elsewhere.body.skill as typeof skill;
      expect(elsewhere.headers.get("location")).toBe(`${SKILLS}/${copy.id}`);
      expect(copy).toMatchObject({
        digest: skill.digest,
        version: "1.4.0",
        name: skill.name,
        version_number: 1,
      });
      expect(Buffer.compare(await exported(copy.id, query), first)).toBe(0);

      await call(`${SKILLS}/${skill.id}`, { method: "DELETE" });
      const again = await importBundle(first);
      expect(again).toMatchObject({ status: 201, body: { outcome: "created" } });
      expect(
        Buffer.compare(await exported(`${skill.slug}`, `${query}&project_id=default`), first),
      ).toBe(0);
    },
  );

  it("is of the version that is asked for", async () => {
    const { slug } = await createSkill(call, { description: "One." });
    const one = await exported(slug);
    await patchSkill(call, slug, { description: "Two." });
    expect(Buffer.compare(await exported(slug, "?version=1"), one)).toBe(0);
    expect(Buffer.compare(await exported(slug, "?version=1.0.0"), one)).toBe(0);
    expect(Buffer.compare(await exported(slug), one)).not.toBe(0);
    const reply = await exporting(slug);
    await reply.body?.cancel();
    expect(reply.headers.get("content-type")).toBe("application/zip");
    expect(reply.headers.get("content-disposition")).toBe(
      `attachment; filename="${slug}-1.0.1.zip"`,
    );
    expect((await call(`${SKILLS}/${slug}/export?version=9`)).status).toBe(404);
    expect((await call(`${SKILLS}/${slug}/export?format=rar`)).status).toBe(422);
  });
});

describe("an import", () => {
  const bundle = (slug: string, description: string, extra: Record<string, string> = {}) =>
    zipOf(
      Object.entries({
        "SKILL.md": `---\nname: ${slug}\ndescription: ${description}\nmetadata:\n  author: me\n---\n\nDo it.\n`,
        ...extra,
      }).map(([name, content]) => ({ name: `${slug}/${name}`, content: Buffer.from(content) })),
    );

  it("of others' is instructions, and of a slug that is there a new version", async () => {
    const slug = unique("foreign");
    const first = await importBundle(bundle(slug, "One.", { "references/a.md": "# A\n" }));
    expect(first, first.text).toMatchObject({
      status: 201,
      body: {
        skill: {
          ...{ slug, name: slug, category: "generation", implementation: null, version: "1.0.0" },
          ...{
            instructions: "Do it.",
            metadata: { author: "me" },
            files: [{ path: "references/a.md", bytes: 4 }],
          },
        },
      },
    });
    await patchSkill(call, slug, { tags: ["kept"], name: unique("Kept") });
    const same = await importBundle(bundle(slug, "One.", { "references/a.md": "# A\n" }));
    expect(same).toMatchObject({ status: 200, body: { outcome: "unchanged" } });
    const second = await importBundle(bundle(slug, "Two."));
    expect(second).toMatchObject({
      status: 200,
      body: { outcome: "version", skill: { version: "1.0.1", tags: ["kept"], files: [] } },
    });
    const refused = await importBundle(bundle(slug, "Three."), "?on_conflict=reject");
    expect(refused).toMatchObject({ status: 409, body: { taken: "slug" } });
  });

  it("of a version that is there is nothing new, or a conflict", async () => {
    const { slug, id } = await createSkill(call, { version: "1.0.0" });
    const one = await exported(slug);
    await patchSkill(call, id, { description: "Newer." });
    expect(await importBundle(one)).toMatchObject({
      status: 200,
      body: { outcome: "unchanged", skill: { version: "1.0.1" } },
    });
    const side = JSON.stringify({
      format: 1,
      name: unique("n"),
      category: "analysis",
      version: "1.0.0",
    });
    const other = await importBundle(bundle(slug, "Other.", { "pipelzr.json": side }));
    expect(other).toMatchObject({ status: 409, body: { taken: "version" } });
    const renamed = JSON.stringify({ ...JSON.parse(side), version: "1.1.0" });
    const next = await importBundle(bundle(slug, "Other.", { "pipelzr.json": renamed }));
    expect(next).toMatchObject({
      status: 200,
      body: { outcome: "version", skill: { version: "1.1.0" } },
    });
    expect((await readSkill(call, id)).implementation).toBeNull();
  });

  it("is made once for one Idempotency-Key, which its digest has to come with", async () => {
    const slug = unique("once");
    const body = bundle(slug, "Once.");
    const digest = Buffer.from(await crypto.subtle.digest("SHA-256", body)).toString("base64");
    const headers = {
      "idempotency-key": crypto.randomUUID(),
      "content-digest": `sha-256=:${digest}:`,
    };
    const first = await importBundle(body, "", headers);
    const again = await importBundle(body, "", headers);
    expect([first.status, again.status], first.text).toEqual([201, 201]);
    expect(again.body).toEqual(first.body);
    expect(await importBundle(body, "", { "idempotency-key": "x" })).toMatchObject({ status: 422 });
    const wrong = { "content-digest": `sha-256=:${Buffer.alloc(32).toString("base64")}:` };
    expect(await importBundle(body, "", wrong)).toMatchObject({ status: 422 });
  });

  it("is refused with every problem of its files, and of what they say together", async () => {
    const slug = unique("wrong");
    const reply = await importBundle(bundle(slug, "x", { ".git/config": "", "pipelzr.json": "[" }));
    expect(reply, reply.text).toMatchObject({ status: 422, body: { reason: "path_unsafe" } });
    const side = {
      format: 1,
      name: slug,
      category: "analysis",
      version: "1.0.0",
      implementation: { type: "python", script: "x" },
    };
    const together = await importBundle(
      bundle(slug, "x", { "pipelzr.json": JSON.stringify(side) }),
    );
    expect(Object.keys(issuesOf(together.body))).toEqual(["implementation.executor"]);
    expect(await importBundle(Buffer.from("no archive"))).toMatchObject({
      status: 422,
      body: { reason: "format_unknown" },
    });
    expect(await importBundle(Buffer.alloc(16 * 1024 * 1024 + 1))).toMatchObject({ status: 413 });
    expect((await call(`${SKILLS}/${slug}`)).status).toBe(404);
  });
});
