/** Skills that invoke skills: what is permitted, what ends with what, and that they cannot block each other. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { objectOf } from "../runs/address.ts";
import { isolate } from "../test/app.ts";
import { invocationListSchema, invocationSchema } from "./invocation-schemas.ts";
import { createSkill, SKILLS } from "./test-support.ts";

const { call } = isolate();

interface Made {
  readonly script: string;
  readonly skills?: readonly string[];
  readonly more?: Record<string, unknown>;
}

async function skill({ script, skills = [], more = {} }: Made): Promise<string> {
  const permissions = { skills, ...(more.permissions as object | undefined) };
  const implementation = { type: "typescript", script };
  const made = await createSkill(call, { inputs: null, ...more, implementation, permissions });
  return made.slug;
}

async function invoke(slug: string, inputs: unknown = {}, prefer = "wait=30") {
  const reply = await call(`${SKILLS}/${slug}/invoke`, { body: { inputs }, headers: { prefer } });
  expect([200, 202], reply.text).toContain(reply.status);
  return invocationSchema.parse(reply.body);
}

const read = async (id: string) =>
  invocationSchema.parse((await call(`/api/v1/invocations/${id}`)).body);

const below = async (id: string) =>
  invocationListSchema.parse((await call(`/api/v1/invocations?parent_id=${id}`)).body).items;

const SLEEP = "export default () => new Promise((resolve) => setTimeout(resolve, 60_000))";
const CALL = (slug: string) =>
  `export default (inputs, ctx) => ctx.skills.invoke(${JSON.stringify(slug)}, inputs)`;

describe("code of a skill", () => {
  it("invokes another, and has its outputs; both are in the history", async () => {
    const inner = await skill({ script: "export default ({ n }) => ({ double: n * 2 })" });
    const outer = await skill({
      script: `export default async ({ n }, ctx) => {
        const { double } = await ctx.skills.invoke("${inner}", { n });
        return double + 1;
      }`,
      skills: [inner],
    });
    const done = await invoke(outer, { n: 20 });
    expect(done).toMatchObject({ state: "completed", outputs: 41 });
    await expect
      .poll(() => below(done.id))
      .toMatchObject([
        {
          slug: inner,
          state: "completed",
          invoked_by: "dev_key:dev",
          parent: { kind: "invocation", id: done.id, run: 1 },
        },
      ]);
    const events = await call(`/api/v1/invocations/${done.id}/events`);
    expect(events.text).toContain("event: skill.invoked");
  });

  it("invokes no skill that it does not name", async () => {
    const inner = await skill({ script: "export default () => 1" });
    const outer = await skill({
      script: `export default async (_, ctx) => {
        try { await ctx.skills.invoke("${inner}") } catch (error) { return error.code }
      }`,
    });
    expect((await invoke(outer)).outputs).toBe("skill_not_permitted");
  });

  it("is told why another failed, by a code and a message", async () => {
    const inner = await skill({
      script: "export default () => { throw new Error('inner broke') }",
    });
    const outer = await skill({
      script: `export default async (_, ctx) => {
        try { await ctx.skills.invoke("${inner}") } catch ({ code, message }) { return { code, message } }
      }`,
      skills: [inner],
    });
    const { outputs } = await invoke(outer);
    expect(outputs).toMatchObject({ code: "script_threw" });
    expect(JSON.stringify(outputs)).toContain("inner broke");
  });

  it("is told of inputs that the other does not take", async () => {
    const inner = await skill({
      script: "export default () => 1",
      more: { inputs: { type: "object", required: ["n"] } },
    });
    const outer = await skill({
      script: `export default async (_, ctx) => {
        try { await ctx.skills.invoke("${inner}") } catch ({ code, message }) { return code + message }
      }`,
      skills: [inner],
    });
    const { outputs } = await invoke(outer);
    expect(outputs).toMatch(/^validation_failed.*"n"/);
  });
});

describe("skills that invoke each other", () => {
  it("in a circle are refused with the circle", async () => {
    const a = `circle-a-${crypto.randomUUID().slice(0, 8)}`;
    const b = `circle-b-${crypto.randomUUID().slice(0, 8)}`;
    await skill({ script: CALL(b), skills: [b], more: { slug: a } });
    await skill({ script: CALL(a), skills: [a], more: { slug: b } });
    const failed = await invoke(a);
    expect(failed.state).toBe("failed");
    expect(failed.error).toContain(`${a} → ${b} → ${a}`);
  });

  it("are refused below the deepest level", async () => {
    let slug = await skill({ script: "export default () => 'bottom'" });
    const slugs = [slug];
    for (let level = 0; level < 5; level += 1) {
      slug = await skill({ script: CALL(slug), skills: [slug] });
      slugs.push(slug);
    }
    expect((await invoke(slugs[4] ?? "")).outputs).toBe("bottom");
    const failed = await invoke(slugs[5] ?? "");
    expect(failed.error).toContain("5 deep at most");
  });

  it("never wait for each other's places, however many there are at once", async () => {
    const inner = await skill({ script: "export default ({ n }) => n" });
    const outer = await skill({ script: CALL(inner), skills: [inner] });
    const all = await Promise.all(Array.from({ length: 100 }, (_, n) => invoke(outer, { n })));
    expect(all.map(({ outputs }) => outputs)).toEqual(all.map((_, n) => n));
  });
});

describe("what a skill invoked", () => {
  async function waiting() {
    const inner = await skill({ script: SLEEP });
    const outer = await skill({ script: CALL(inner), skills: [inner] });
    const { id } = await invoke(outer, {}, "respond-async");
    await expect.poll(() => below(id)).toMatchObject([{ state: "running" }]);
    const [child] = await below(id);
    return { id, child: child?.id ?? "" };
  }

  it("ends when that is cancelled", async () => {
    const { id, child } = await waiting();
    await call(`/api/v1/invocations/${id}/cancel`, { method: "POST" });
    await expect.poll(() => read(child)).toMatchObject({ state: "cancelled" });
  });

  it("ends when the object of that is lost, and is begun anew with it", async () => {
    const { id, child } = await waiting();
    const object = env.RUN_COORDINATOR.getByName(objectOf(id, "shared"));
    await runInDurableObject(object, (_, state) => state.abort("crash")).catch(() => undefined);
    await env.RUN_COORDINATOR.getByName(objectOf(id, "shared")).wake();
    await expect.poll(() => read(child)).toMatchObject({ state: "cancelled" });
    await expect.poll(() => below(id).then((all) => all.length)).toBe(2);
    await call(`/api/v1/invocations/${id}/cancel`, { method: "POST" });
    await expect
      .poll(() => below(id).then((all) => all.map(({ state }) => state)))
      .toEqual(["cancelled", "cancelled"]);
  });

  it("is not begun when its stop came first", async () => {
    const { id, child } = await waiting();
    await call(`/api/v1/invocations/${id}/cancel`, { method: "POST" });
    const object = env.RUN_COORDINATOR.getByName(objectOf(child, "shared"));
    await expect.poll(() => read(child)).toMatchObject({ state: "cancelled" });
    const late = crypto.randomUUID().replace(/^(.{14})./, "$17");
    const fresh = `${late.slice(0, 28)}${child.slice(-8)}`;
    const other = env.RUN_COORDINATOR.getByName(objectOf(fresh, "shared"));
    await other.cancelNested(fresh);
    const document = await runInDurableObject(object, (_, { storage }) =>
      String(storage.sql.exec("SELECT document FROM resources WHERE id = ?", child).one().document),
    );
    const answer = await other.create({
      ...{ id: fresh, kind: "invocation", project_id: "default", document, is_nested: true },
      start: { wait_ms: 0, request_id: fresh },
    });
    expect(answer).toMatchObject({ refused: "illegal" });
  });
});

describe("what a caller grants", () => {
  it("holds for all that its skill invokes", async () => {
    const minted = await call("/api/v1/keys", {
      body: { name: "narrow", scopes: ["skills:execute", "skills:read"], projects: ["default"] },
    });
    const key = String(minted.body.key);
    const inner = await skill({
      script: "export default () => fetch('https://example.com').then((r) => r.status)",
      more: { permissions: { network: ["example.com"] } },
    });
    const refused = await call(`${SKILLS}/${inner}/invoke`, { key, body: {} });
    expect(refused.body).toMatchObject({
      status: 403,
      required_scope: "skills:network",
    });
    const outer = await skill({
      script: `export default async (_, ctx) => {
        try { await ctx.skills.invoke("${inner}") } catch ({ code }) { return code }
      }`,
      skills: [inner],
    });
    const reply = await call(`${SKILLS}/${outer}/invoke`, { key, body: {} });
    expect(reply.body, reply.text).toMatchObject({ state: "completed", outputs: "forbidden" });
  });
});
