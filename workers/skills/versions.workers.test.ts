/** Versions of skills: named, found by every name, and counted. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../config.ts";
import { buildServices } from "../services.ts";
import { isolate } from "../test/app.ts";
import { parseReference } from "./reference.ts";
import { SkillResolver } from "./resolver.ts";
import { skillVersionSchema } from "./schemas.ts";
import { createSkill, issuesOf, patchSkill, readSkill, SKILLS } from "./test-support.ts";

const { call } = isolate();

/** A skill of three versions, described by their numbers. */
async function three() {
  const { id, slug } = await createSkill(call, { description: "1" });
  await patchSkill(call, id, { description: "2", version: "1.1.0" });
  const { digest } = await patchSkill(call, id, { description: "3", version: "2.0.0-rc.1" });
  return { id, slug, digest, path: `${SKILLS}/${slug}` };
}

describe("a version", () => {
  it("is got by number, version, digest and alias", async () => {
    const { path, digest, id } = await three();
    await call(`${path}/aliases/stable`, { method: "PUT", body: { version: "1.1.0" } });
    const numbers = [];
    for (const name of [
      "1",
      "1.0.0",
      "1.1.0",
      "2.0.0-rc.1",
      digest,
      "latest",
      "default",
      "stable",
    ]) {
      const reply = await call(`${path}/versions/${name}`);
      expect(reply.status, reply.text).toBe(200);
      const { number, description, skill_id } = skillVersionSchema.parse(reply.body);
      expect([description, skill_id]).toEqual([String(number), id]);
      numbers.push(number);
    }
    expect(numbers).toEqual([1, 1, 2, 3, 3, 3, 3, 2]);
    for (const name of ["4", "3.0.0", `sha256:${"0".repeat(64)}`, "nothing", "1.0", "NO"]) {
      const reply = await call(`${path}/versions/${name}`);
      expect(reply, name).toMatchObject({ status: 404, body: { code: "not_found" } });
    }
  });

  it("is one of a list that goes on page by page", async () => {
    const { path } = await three();
    const first = await call(`${path}/versions?limit=2`);
    expect(first.body).toMatchObject({ items: [{ number: 3 }, { number: 2 }], next_cursor: "2" });
    const rest = await call(`${path}/versions?limit=2&cursor=2`);
    expect(rest.body).toMatchObject({ items: [{ number: 1 }], next_cursor: null });
  });
});

describe("an alias", () => {
  it("is set, moved, listed and deleted, and a change of the skill", async () => {
    const { path, id } = await three();
    const put = (alias: string, version: unknown) =>
      call(`${path}/aliases/${alias}`, { method: "PUT", body: { version } });
    const before = (await call(path)).headers.get("etag");
    expect(await put("stable", 1)).toMatchObject({
      status: 200,
      body: { alias: "stable", number: 1, version: "1.0.0" },
    });
    expect((await call(path)).headers.get("etag")).not.toBe(before);
    expect(await put("stable", "latest")).toMatchObject({ body: { number: 3 } });
    expect(await put("beta", "stable")).toMatchObject({ body: { number: 3 } });
    const { body } = await call(`${path}/aliases`);
    expect(body).toEqual({
      items: [
        { alias: "latest", number: 3, version: "2.0.0-rc.1" },
        { alias: "default", number: 3, version: "2.0.0-rc.1" },
        { alias: "beta", number: 3, version: "2.0.0-rc.1" },
        { alias: "stable", number: 3, version: "2.0.0-rc.1" },
      ],
    });
    expect((await readSkill(call, id)).aliases).toEqual({
      latest: 3,
      default: 3,
      beta: 3,
      stable: 3,
    });
    expect((await call(`${path}/aliases/beta`, { method: "DELETE" })).status).toBe(204);
    expect((await call(`${path}/aliases/beta`, { method: "DELETE" })).status).toBe(404);
    expect(issuesOf((await put("latest", 1)).body)).toHaveProperty("path.alias");
    expect(issuesOf((await put("No", 1)).body)).toHaveProperty("path.alias");
    expect(issuesOf((await put("stable", "1.0")).body)).toHaveProperty("version");
    expect(await put("stable", 9)).toMatchObject({ status: 404 });
  });

  it("default pins what the skill is, until it is deleted", async () => {
    const { path, id } = await three();
    const pinned = await call(`${path}/aliases/default`, {
      method: "PUT",
      body: { version: "1.1.0" },
    });
    expect(pinned.body).toEqual({ alias: "default", number: 2, version: "1.1.0" });
    expect(await readSkill(call, id)).toMatchObject({
      ...{ description: "2", version: "1.1.0", version_number: 2, latest_version: "2.0.0-rc.1" },
      ...{ default_pinned: true, aliases: { latest: 3, default: 2 } },
    });
    // A change builds on the newest, and the default stays.
    const changed = await patchSkill(call, id, { system_prompt: "Be brief." });
    expect(changed).toMatchObject({
      description: "2",
      version_number: 2,
      latest_version: "2.0.0",
      system_prompt: null,
    });
    expect((await call(`${path}/versions/latest`)).body).toMatchObject({
      description: "3",
      system_prompt: "Be brief.",
    });
    expect((await call(`${path}/aliases/default`, { method: "DELETE" })).status).toBe(204);
    expect(await readSkill(call, id)).toMatchObject({ version_number: 4, default_pinned: false });
  });
});

describe("a reference", () => {
  const resolver = new SkillResolver(env.DB);
  const resolve = async (reference: string, projects: "*" | string[] = ["default"]) => {
    const parsed = parseReference(reference);
    if (parsed === null) throw new Error(`"${reference}" is no reference.`);
    return (await resolver.find(projects, parsed)).map(({ found }) => found);
  };

  it("means the version of its name, again and again, and the default after it has moved", async () => {
    const { slug, id, digest } = await three();
    const numberOf = async (reference: string) => (await resolve(reference))[0]?.number;
    for (let turn = 0; turn < 2; turn += 1) {
      expect(await numberOf(slug)).toBe(3);
      expect(await numberOf(id)).toBe(3);
      expect(await numberOf(`${slug}@1`)).toBe(1);
      expect(await numberOf(`${slug}@1.1.0`)).toBe(2);
      expect(await numberOf(`${slug}@${digest}`)).toBe(3);
    }
    const [pinned] = await resolve(slug);
    expect(pinned).toMatchObject({
      slug,
      skill_id: id,
      enabled: true,
      content: { description: "3" },
    });
    await call(`${SKILLS}/${id}/aliases/default`, { method: "PUT", body: { version: 1 } });
    await call(`${SKILLS}/${id}/disable`, { method: "POST" });
    expect((await resolve(slug))[0]).toMatchObject({
      number: 1,
      enabled: false,
      content: { description: "1" },
    });
    expect(await resolve(`${slug}@9`)).toEqual([null]);
    expect(await resolve("no-such-skill")).toEqual([]);
    expect(await resolve(slug, ["other"])).toEqual([]);
    expect((await resolve(slug, "*"))[0]).toMatchObject({ number: 1 });
  });
});

describe("what others ask for", () => {
  const { skills } = buildServices(env, loadConfig(env));

  it("is told what there is not", async () => {
    const { slug } = await three();
    expect(await skills.resolve("default", `${slug}@1.1.0`)).toMatchObject({ number: 2, slug });
    const refused = (reference: string, project = "default") =>
      skills.resolve(project, reference).then(
        () => null,
        ({ code, detail }) => ({ code, detail }),
      );
    expect(await refused(slug, "other")).toMatchObject({ code: "not_found" });
    expect(await refused(`${slug}@9`)).toEqual({
      code: "not_found",
      detail: `The skill "${slug}" has no version "9". GET /api/v1/skills/${slug}/versions lists those it has.`,
    });
    expect(await refused("No Slug")).toMatchObject({ code: "validation_failed" });
    expect(await refused(`${slug}@1.0`)).toMatchObject({ code: "validation_failed" });
  });
});

describe("what came of invocations", () => {
  const row = {
    slug: "s",
    number: 1,
    version: "1.0.0",
    implementation_type: "bash",
    invoked_by: "test",
  };
  const write = (skill: string, id: string, state: string, duration: number | null) =>
    env.DB.prepare(
      `INSERT INTO skill_invocations (id, project_id, skill_id, slug, number, version, state, implementation_type,
         invoked_by, created_at, updated_at, duration_ms, revision, document)
       VALUES (?, 'default', ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, 1, '{}')
       ON CONFLICT (id) DO UPDATE SET state = excluded.state, duration_ms = excluded.duration_ms`,
    )
      .bind(
        id,
        skill,
        row.slug,
        row.number,
        row.version,
        state,
        row.implementation_type,
        row.invoked_by,
        duration,
      )
      .run();

  it("is counted as each state says, whatever became of it before, and after it is forgotten", async () => {
    const { id } = await createSkill(call);
    const [a, b, c, d] = [1, 2, 3, 4].map((n) => `${id}-${n}`);
    await write(id, `${a}`, "running", null);
    await write(id, `${a}`, "completed", 10);
    await write(id, `${b}`, "failed", 30);
    await write(id, `${c}`, "cancelled", 1000);
    await write(id, `${d}`, "queued", null);
    expect(await readSkill(call, id)).toMatchObject({
      ...{ invocation_count: 4, success_count: 1, failure_count: 1, cancelled_count: 1 },
      ...{ success_rate: 0.5, avg_duration_ms: 20 },
    });
    // It is run again.
    await write(id, `${b}`, "running", null);
    await write(id, `${b}`, "completed", 50);
    await write(id, `${b}`, "completed", 50);
    await env.DB.prepare("DELETE FROM skill_invocations WHERE id = ?").bind(`${a}`).run();
    expect(await readSkill(call, id)).toMatchObject({
      ...{ invocation_count: 4, success_count: 2, failure_count: 0, cancelled_count: 1 },
      ...{ success_rate: 1, avg_duration_ms: 30 },
    });
    await call(`${SKILLS}/${id}`, { method: "DELETE" });
    await write(id, `${d}`, "completed", 5);
    const left = await env.DB.prepare("SELECT count(*) AS n FROM skill_figures WHERE skill_id = ?")
      .bind(id)
      .first();
    expect(left).toEqual({ n: 0 });
  });
});
