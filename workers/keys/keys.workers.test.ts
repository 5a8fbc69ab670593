import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isolate } from "../test/app.ts";

const { call } = isolate();
const created = z.object({ id: z.string(), key: z.string() });
const list = z.object({
  items: z.array(z.object({ id: z.string(), name: z.string() })),
  next_cursor: z.string().nullable(),
});

async function create(body: Record<string, unknown>, key?: string) {
  const reply = await call("/api/v1/keys", {
    body: { name: "k", scopes: ["keys:admin", "tasks:read"], ...body },
    ...(key === undefined ? {} : { key }),
  });
  expect(reply.status, reply.text).toBe(201);
  expect(reply.headers.get("location")).toBe(`/api/v1/keys/${String(reply.body.id)}`);
  return created.parse(reply.body);
}

describe("creating keys", () => {
  it("lets nobody hand on scopes or projects that they lack", async () => {
    const { key } = await create({ projects: ["a", "b"] });
    const attempt = async (body: Record<string, unknown>) =>
      (await call("/api/v1/keys", { body: { name: "k", scopes: ["tasks:read"], ...body }, key }))
        .status;
    expect(await attempt({ scopes: ["tasks:write"] })).toBe(403);
    expect(await attempt({ projects: ["a", "c"] })).toBe(403);
    expect(await attempt({ projects: null })).toBe(403);
    expect(await attempt({ projects: ["a"] })).toBe(201);
    const implied = await call("/api/v1/keys", {
      body: { name: "k", scopes: ["tasks:read"] },
      key,
    });
    expect(implied.body.projects).toEqual(["a", "b"]);
  });

  it.each([
    {},
    { name: "" },
    { scopes: [] },
    { scopes: ["root"] },
    { scopes: ["tasks:read", "tasks:read"] },
    { projects: [] },
    { projects: ["../etc"] },
    { projects: ["a", "a"] },
    { expires_in_seconds: 0 },
    { expires_at: "2020-01-01T00:00:00Z" },
    { expires_at: "tomorrow" },
    { expires_at: "2099-01-01T00:00:00Z", expires_in_seconds: 5 },
    { admin: true },
  ])("refuses %j", async (body) => {
    const complete = Object.keys(body).length === 0 ? {} : { name: "k", scopes: ["tasks:read"] };
    const reply = await call("/api/v1/keys", { body: { ...complete, ...body } });
    expect(reply, reply.text).toMatchObject({ status: 422, body: { code: "validation_failed" } });
  });

  it("renders the expiry that was asked for", async () => {
    const { id } = await create({ expires_at: "2099-01-01T01:00:00+01:00" });
    const reply = await call(`/api/v1/keys/${id}`);
    expect(reply.body.expires_at).toBe("2099-01-01T00:00:00.000Z");
  });
});

describe("managing keys", () => {
  it("shows a caller of some projects only the keys that reach no other", async () => {
    const { id: own, key } = await create({ projects: ["m"] });
    const { id: wide } = await create({ projects: ["m", "n"] });
    const { id: all } = await create({});
    const shown = list.parse((await call("/api/v1/keys?limit=200", { key })).body);
    expect(shown.items.map((item) => item.id)).toContain(own);
    expect(shown.items.map((item) => item.id)).not.toContain(wide);
    for (const id of [wide, all, "no-such-key"]) {
      expect((await call(`/api/v1/keys/${id}`, { key })).status).toBe(404);
      expect((await call(`/api/v1/keys/${id}`, { key, method: "DELETE" })).status).toBe(404);
    }
    expect((await call(`/api/v1/keys/${own}`, { key, method: "DELETE" })).status).toBe(204);
    expect((await call("/api/v1/keys", { key })).status).toBe(401);
  });

  it("pages through all keys once each, in both orders", async () => {
    for (let n = 0; n < 5; n += 1) await create({ name: `page-${n}` });
    for (const order of ["asc", "desc"]) {
      const seen: string[] = [];
      let path: string | null = `/api/v1/keys?limit=2&order=${order}`;
      while (path !== null) {
        const reply = await call(path);
        const page = list.parse(reply.body);
        seen.push(...page.items.map((item) => item.id));
        const next = /^<(.+)>; rel="next"$/.exec(reply.headers.get("link") ?? "")?.[1];
        expect(next === undefined).toBe(page.next_cursor === null);
        path = next ?? null;
      }
      expect(new Set(seen).size).toBe(seen.length);
      const whole = list.parse((await call(`/api/v1/keys?limit=200&order=${order}`)).body);
      expect(seen).toEqual(whole.items.map((item) => item.id));
    }
  });

  it("keeps the moment of the first revocation", async () => {
    const { id } = await create({});
    await call(`/api/v1/keys/${id}`, { method: "DELETE" });
    const first = await call(`/api/v1/keys/${id}`);
    await call(`/api/v1/keys/${id}`, { method: "DELETE" });
    const second = await call(`/api/v1/keys/${id}`);
    expect(second.body.revoked_at).toBe(first.body.revoked_at);
    expect(first.body.revoked_at).toEqual(expect.any(String));
  });
});
