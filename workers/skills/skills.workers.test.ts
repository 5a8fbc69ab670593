/** Skills over HTTP: created, found, searched, changed, deleted. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { loadConfig } from "../config.ts";
import { buildServices } from "../services.ts";
import { isolate } from "../test/app.ts";
import { skillListSchema, versionListSchema } from "./schemas.ts";
import {
  createSkill,
  issuesOf,
  patchSkill,
  readSkill,
  SKILLS,
  unique,
  WORD_COUNT,
} from "./test-support.ts";

const { call } = isolate();

async function listed(query: string) {
  const reply = await call(`${SKILLS}?${query}`);
  expect(reply.status, reply.text).toBe(200);
  return skillListSchema.parse(reply.body);
}

const slugs = async (query: string) => (await listed(query)).items.map(({ slug }) => slug);

describe("a new skill", () => {
  it("is shown whole, and found by its id and its slug", async () => {
    const name = unique("Zähle Wörter");
    const reply = await call(SKILLS, { body: { name, ...WORD_COUNT, tags: ["text", "text"] } });
    expect(reply.status, reply.text).toBe(201);
    const slug = name.toLowerCase().replace("ä", "a").replace("ö", "o").replace(" ", "-");
    expect(reply.body).toMatchObject({
      ...{
        name,
        slug,
        project_id: "default",
        enabled: true,
        tags: ["text"],
        ...WORD_COUNT,
        implementation: { ...WORD_COUNT.implementation, executor: "local" },
      },
      ...{ version: "1.0.0", version_number: 1, latest_version: "1.0.0" },
      ...{ invocation_count: 0, success_rate: 1, avg_duration_ms: 0 },
      ...{ aliases: { latest: 1, default: 1 }, default_pinned: false, files: [], note: null },
      ...{
        timeout_seconds: 60,
        requires_approval: false,
        permissions: { network: [], secrets: [], executors: ["local"], skills: [] },
      },
    });
    expect(reply.headers.get("location")).toBe(`${SKILLS}/${reply.body.id}`);
    expect(reply.headers.get("etag")).toBe('"v1"');
    expect((await call(`${SKILLS}/${slug}`)).body).toEqual(reply.body);
    expect((await call(`${SKILLS}/${reply.body.id}`)).body).toEqual(reply.body);
  });

  it("takes no slug or name that the project has, and says which", async () => {
    const skill = await createSkill(call);
    const same = await call(SKILLS, {
      body: { ...WORD_COUNT, name: unique("other"), slug: skill.slug },
    });
    expect(same).toMatchObject({ status: 409, body: { code: "conflict", taken: "slug" } });
    const named = await call(SKILLS, {
      body: { ...WORD_COUNT, name: skill.name, slug: unique("s") },
    });
    expect(named).toMatchObject({ status: 409, body: { code: "conflict", taken: "name" } });
    const stored = async () => (await env.BLOBS.list({ prefix: "skills/default/" })).objects.length;
    const before = await stored();
    const files = { "large.txt": "x".repeat(100_000) };
    const large = await call(SKILLS, {
      body: { ...WORD_COUNT, name: skill.name, slug: unique("s"), files },
    });
    expect([large.status, await stored()]).toEqual([409, before]);
    const elsewhere = { ...WORD_COUNT, name: skill.name, project_id: "elsewhere" };
    expect(await call(SKILLS, { body: elsewhere })).toMatchObject({ status: 201 });
    const ambiguous = await call(`${SKILLS}/${skill.slug}`);
    expect(ambiguous).toMatchObject({
      status: 422,
      body: { errors: [{ path: "query.project_id" }] },
    });
    const chosen = await call(`${SKILLS}/${skill.slug}?project_id=elsewhere`);
    expect(chosen).toMatchObject({ status: 200, body: { project_id: "elsewhere" } });
  });

  it("is made once for one Idempotency-Key", async () => {
    const body = { ...WORD_COUNT, name: unique("once") };
    const headers = { "idempotency-key": crypto.randomUUID() };
    const first = await call(SKILLS, { body, headers });
    const again = await call(SKILLS, { body, headers });
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body).toEqual(first.body);
  });

  it("is taken as YAML too", async () => {
    const name = unique("yaml");
    const body = `name: ${name}\ncategory: research\ninstructions: |\n  Read, then answer.\n`;
    const headers = { "content-type": "application/yaml" };
    const reply = await call(SKILLS, { method: "POST", body, headers });
    expect(reply.status, reply.text).toBe(201);
    expect(reply.body).toMatchObject({
      implementation: null,
      implementation_type: null,
      instructions: "Read, then answer.\n",
    });
  });

  it("is told every problem at once, and nothing is stored", async () => {
    const name = unique("wrong");
    const reply = await call(SKILLS, {
      body: {
        name,
        category: "analysis",
        inputs: {
          type: "object",
          properties: { url: { type: "string" } },
          additionalProperties: false,
        },
        outputs: { type: "sometimes" },
        implementation: {
          type: "http",
          url: "https://api.example.com/${{ inputs.urk }}",
          headers: { Authorization: "${{ secrets.TOKEN }}", "X-A": "Bearer ${{ secrets.TOKEN }}" },
        },
        examples: [{ inputs: { url: 1 } }],
        files: { "skill.md": "no", ".git/config": "no" },
      },
    });
    expect(reply.status, reply.text).toBe(422);
    // Files are of the shape, which is checked before what members say of each other.
    expect(Object.keys(issuesOf(reply.body)).sort()).toEqual([
      'files[".git/config"]',
      'files["skill.md"]',
    ]);
    const second = await call(SKILLS, {
      body: {
        name,
        category: "analysis",
        inputs: {
          type: "object",
          properties: { url: { type: "string" } },
          additionalProperties: false,
        },
        outputs: { type: "sometimes" },
        implementation: {
          type: "http",
          url: "https://api.example.com/${{ inputs.urk }}",
          headers: { Authorization: "${{ secrets.TOKEN }}", "X-A": "Bearer ${{ secrets.TOKEN }}" },
        },
        examples: [{ inputs: { url: 1 } }],
      },
    });
    expect(second.status, second.text).toBe(422);
    const issues = second.body.errors as { path: string }[];
    expect(issues.map(({ path }) => path).sort()).toEqual([
      "examples[0].inputs.url",
      "implementation.headers.Authorization",
      "implementation.headers.X-A",
      "implementation.url",
      "implementation.url",
      "outputs",
    ]);
    expect(await call(`${SKILLS}/${name}`)).toMatchObject({ status: 404 });
  });

  it("of the original service is read into ours", async () => {
    const name = unique("original");
    const reply = await call(SKILLS, {
      body: {
        name,
        slug: name,
        category: "execution",
        implementation: "echo hello",
        implementation_type: "bash",
        inputs: [{ name: "path", type: "str", required: true, description: "Where." }],
        outputs: [{ name: "lines", type: "list", default: [] }],
        dependencies: ["find-todos"],
        changelog: ["First.", "Second."],
        examples: [],
        requires_approval: false,
        timeout_seconds: 30,
      },
    });
    expect(reply.status, reply.text).toBe(201);
    expect(reply.body).toMatchObject({
      implementation: { type: "bash", script: "echo hello", executor: "local" },
      inputs: {
        type: "object",
        properties: { path: { type: "string", description: "Where." } },
        required: ["path"],
      },
      outputs: { type: "object", properties: { lines: { type: "array", default: [] } } },
      permissions: { skills: ["find-todos"] },
      note: "First.\nSecond.",
    });
    const changed = await patchSkill(call, name, { implementation: "echo bye", inputs: [] });
    expect(changed).toMatchObject({
      implementation: { type: "bash", script: "echo bye" },
      inputs: null,
      version: "1.0.1",
    });
  });
});

describe("a list of skills", () => {
  it("is searched by words, tags, category and whether they are enabled, page by page", async () => {
    const mark = unique("mark");
    const made = [];
    for (const [index, category] of ["analysis", "research", "research"].entries()) {
      const tags = [mark, index === 0 ? "even" : "odd"];
      const description = `ÜBER ${mark} nr${index}`;
      made.push(await createSkill(call, { category, tags, description }));
    }
    const [first, second, third] = made.map(({ slug }) => slug);
    expect(await slugs(`tag=${mark}`)).toEqual([third, second, first]);
    expect(await slugs(`tag=${mark}&tag=odd`)).toEqual([third, second]);
    expect(await slugs(`tag=${mark}&category=research&q=NR1`)).toEqual([second]);
    expect(await slugs(`q=${encodeURIComponent(`über ${mark} nr2`)}`)).toEqual([third]);
    expect(await slugs(`q=${mark}+nowhere`)).toEqual([]);
    await call(`${SKILLS}/${second}/disable`, { method: "POST" });
    expect(await slugs(`tag=${mark}&enabled=false`)).toEqual([second]);
    expect(await slugs(`tag=${mark}&enabled=true`)).toEqual([third, first]);
    const page = await listed(`tag=${mark}&limit=2&order=asc`);
    expect(page.items.map(({ slug }) => slug)).toEqual([first, second]);
    const rest = await listed(`tag=${mark}&limit=2&order=asc&cursor=${page.next_cursor}`);
    expect(rest).toMatchObject({ items: [{ slug: third }], next_cursor: null });
    expect(Object.keys(rest.items[0] ?? {})).not.toContain("implementation");
  });

  it("searches what the default version says", async () => {
    const [before, after] = [unique("before"), unique("after")];
    const { slug } = await createSkill(call, { description: before });
    await call(`${SKILLS}/${slug}/aliases/default`, { method: "PUT", body: { version: 1 } });
    await patchSkill(call, slug, { description: after });
    expect([await slugs(`q=${before}`), await slugs(`q=${after}`)]).toEqual([[slug], []]);
    await call(`${SKILLS}/${slug}/aliases/default`, { method: "DELETE" });
    expect([await slugs(`q=${before}`), await slugs(`q=${after}`)]).toEqual([[], [slug]]);
  });
});

describe("a change of a skill", () => {
  it("makes a version of content and of files, and none of what describes it", async () => {
    const skill = await createSkill(call, { files: { "a.txt": "one" } });
    const renamed = await patchSkill(call, skill.id, {
      name: unique("new"),
      tags: ["x"],
      cost_estimate: 0.5,
    });
    expect(renamed).toMatchObject({ version: "1.0.0", digest: skill.digest, slug: skill.slug });
    const described = await patchSkill(call, skill.id, {
      description: "Other.",
      note: "Says more.",
    });
    expect(described).toMatchObject({ version: "1.0.1", version_number: 2, note: "Says more." });
    const filed = await patchSkill(call, skill.id, {
      files: { "a.txt": { content: "dHdv", encoding: "base64" } },
      version: "2.0.0",
    });
    expect(filed).toMatchObject({ version: "2.0.0", files: [{ path: "a.txt", bytes: 3 }] });
    const same = await patchSkill(call, skill.id, {
      files: { "a.txt": "two" },
      description: "Other.",
    });
    expect(same).toMatchObject({ version: "2.0.0", digest: filed.digest });
    const back = await patchSkill(call, skill.id, {
      description: WORD_COUNT.description,
      files: { "a.txt": "one" },
    });
    expect(back).toMatchObject({ version: "2.0.1", digest: skill.digest });
    const versions = versionListSchema.parse((await call(`${SKILLS}/${skill.id}/versions`)).body);
    expect(versions.items.map(({ number, version }) => [number, version])).toEqual([
      [4, "2.0.1"],
      [3, "2.0.0"],
      [2, "1.0.1"],
      [1, "1.0.0"],
    ]);
  });

  it("is refused where it would change what was said: a slug, a version that is there", async () => {
    const { id, slug } = await createSkill(call);
    const patch = (body: unknown) => call(`${SKILLS}/${id}`, { method: "PATCH", body });
    expect(issuesOf((await patch({ slug: "other" })).body)).toHaveProperty("slug");
    expect(await patch({ slug, description: "Same slug." })).toMatchObject({ status: 200 });
    expect(await patch({ description: "x", version: "1.0.0" })).toMatchObject({
      status: 409,
      body: { taken: "version" },
    });
    expect(issuesOf((await patch({ version: "3.0.0" })).body)).toHaveProperty("version");
    expect(await patch({ unknown: 1 })).toMatchObject({ status: 422 });
    expect(await patch({ implementation: { type: "python", script: "x" } })).toMatchObject({
      status: 422,
      body: { errors: [{ path: "implementation.executor" }] },
    });
    const other = await createSkill(call);
    expect(await patch({ name: other.name })).toMatchObject({
      status: 409,
      body: { taken: "name" },
    });
  });

  it("is held to what its sender has read", async () => {
    const { id } = await createSkill(call);
    const patch = (match: string, body: unknown) =>
      call(`${SKILLS}/${id}`, { method: "PATCH", body, headers: { "if-match": match } });
    const first = await patch('"v1"', { description: "First." });
    expect(first.headers.get("etag")).toBe('"v2"');
    expect(await patch('"v1"', { description: "Second." })).toMatchObject({ status: 412 });
    const stale = await call(`${SKILLS}/${id}`, {
      method: "DELETE",
      headers: { "if-match": '"v1"' },
    });
    expect(stale.status).toBe(412);
    expect((await readSkill(call, id)).description).toBe("First.");
  });

  it("is never lost among others at the same time", async () => {
    const { id } = await createSkill(call);
    const changes = Array.from({ length: 12 }, (_, index) =>
      index % 2 === 0
        ? { metadata: { [`m${index}`]: "x" }, note: `n${index}` }
        : { extra_data: { index } },
    );
    const replies = await Promise.all(
      changes.map((body) => call(`${SKILLS}/${id}`, { method: "PATCH", body })),
    );
    expect(replies.map(({ status }) => status)).toEqual(changes.map(() => 200));
    const versions = versionListSchema.parse((await call(`${SKILLS}/${id}/versions`)).body).items;
    expect(versions.map(({ number }) => number)).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect(new Set(versions.map(({ version }) => version)).size).toBe(7);
    expect(versions.map(({ note }) => note).sort()).toEqual(
      ["n0", "n10", "n2", "n4", "n6", "n8", null].sort(),
    );
  });

  it("turns it on and off, again and again", async () => {
    const { id } = await createSkill(call, { enabled: false });
    for (const verb of ["enable", "enable", "disable", "disable"]) {
      const reply = await call(`${SKILLS}/${id}/${verb}`, { method: "POST" });
      expect(reply, reply.text).toMatchObject({
        status: 200,
        body: { enabled: verb === "enable", version_number: 1 },
      });
    }
    expect((await call(`${SKILLS}/${id}`)).headers.get("etag")).toBe('"v3"');
  });
});

describe("a deleted skill", () => {
  it("leaves nothing behind, and frees its names", async () => {
    const large = "x".repeat(100_000);
    const { id, slug, name } = await createSkill(call, { files: { "large.txt": large } });
    await call(`${SKILLS}/${id}/aliases/stable`, { method: "PUT", body: { version: 1 } });
    const blobs = async () =>
      (await env.BLOBS.list({ prefix: `skills/default/${id}/` })).objects.length;
    expect(await blobs()).toBe(1);
    expect((await call(`${SKILLS}/${id}`, { method: "DELETE" })).status).toBe(204);
    expect((await call(`${SKILLS}/${id}`)).status).toBe(404);
    expect(await blobs()).toBe(0);
    for (const table of ["skill_versions", "skill_aliases", "skill_figures"]) {
      const left = await env.DB.prepare(`SELECT count(*) AS n FROM ${table} WHERE skill_id = ?`)
        .bind(id)
        .first();
      expect(left, table).toEqual({ n: 0 });
    }
    expect((await call(`${SKILLS}/${id}`, { method: "DELETE" })).status).toBe(404);
    await createSkill(call, { slug, name });
  });
});

it("is deleted to its end by the sweeper when that was cut off", async () => {
  const { id } = await createSkill(call, { files: { "large.txt": "x".repeat(100_000) } });
  const now = Date.now();
  await env.DB.prepare("UPDATE skills SET deleted_at = ?, slug = id, name = id WHERE id = ?")
    .bind(now, id)
    .run();
  const { skills } = buildServices(env, loadConfig(env));
  expect(await skills.sweep(now)).toBe(0);
  expect(await skills.sweep(now + 120_000)).toBe(1);
  expect(await skills.sweep(now + 120_000)).toBe(0);
  expect((await env.BLOBS.list({ prefix: `skills/default/${id}/` })).objects).toEqual([]);
});

it("is hidden from other projects, and kept from callers without the scope", async () => {
  const { id, slug } = await createSkill(call, { project_id: "mine" });
  const keyOf = async (body: Record<string, unknown>) => {
    const reply = await call("/api/v1/keys", { body: { name: "k", ...body } });
    return z.object({ key: z.string() }).parse(reply.body).key;
  };
  const foreign = await keyOf({ scopes: ["skills:read", "skills:write"], projects: ["other"] });
  for (const name of [id, slug]) {
    expect(await call(`${SKILLS}/${name}`, { key: foreign })).toMatchObject({ status: 404 });
    expect(await call(`${SKILLS}/${name}`, { key: foreign, method: "DELETE" })).toMatchObject({
      status: 404,
    });
  }
  const reader = await keyOf({ scopes: ["skills:read"], projects: ["mine"] });
  expect(await call(`${SKILLS}/${slug}`, { key: reader })).toMatchObject({ status: 200 });
  expect(await call(`${SKILLS}/${slug}/disable`, { key: reader, method: "POST" })).toMatchObject({
    status: 403,
  });
});
