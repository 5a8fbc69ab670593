import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { type CallInit, isolate } from "../test/app.ts";

const { call } = isolate();
const VALUE = "correct-horse-battery-staple";
const secrets = (init: CallInit, rest = "") => call(`/api/v1/secrets${rest}`, init);
const idOf = (body: Record<string, unknown>) => z.string().parse(body.id);
const create = async (name: string, init: CallInit = {}) =>
  secrets({ body: { name, value: VALUE }, ...init });

beforeEach(async () => {
  await env.DB.exec("DELETE FROM secrets; DELETE FROM idempotency_keys; DELETE FROM api_keys");
});

/** A key of one project with these scopes. */
async function keyOf(project: string, ...scopes: string[]): Promise<string> {
  const reply = await call("/api/v1/keys", { body: { name: "k", scopes, projects: [project] } });
  expect(reply.status, reply.text).toBe(201);
  return z.string().parse(reply.body.key);
}

describe("/api/v1/secrets", () => {
  it("creates, shows, changes and deletes a secret, and never answers with its value", async () => {
    const created = await create("TOKEN");
    expect(created.status, created.text).toBe(201);
    const id = idOf(created.body);
    expect(created.headers.get("location")).toBe(`/api/v1/secrets/${id}`);
    expect(created.headers.get("etag")).toBe('"v1"');
    expect(created.body).toEqual({
      id,
      project_id: "default",
      name: "TOKEN",
      version: 1,
      created_by: "dev_key:dev",
      created_at: expect.stringMatching(/Z$/),
      updated_at: expect.stringMatching(/Z$/),
    });
    const got = await secrets({}, `/${id}`);
    expect(got.body).toEqual(created.body);
    const fresh = await secrets({ headers: { "If-None-Match": '"v1"' } }, `/${id}`);
    expect(fresh.status).toBe(304);
    const change = { method: "PATCH", body: { value: `${VALUE}2` } };
    const changed = await secrets({ ...change, headers: { "If-Match": '"v1"' } }, `/${id}`);
    expect(changed.body).toMatchObject({ id, version: 2 });
    expect(changed.headers.get("etag")).toBe('"v2"');
    const stale = await secrets({ ...change, headers: { "If-Match": '"v1"' } }, `/${id}`);
    expect(stale.status).toBe(412);
    const listed = await secrets({});
    expect(listed.body).toEqual({ items: [changed.body], next_cursor: null });
    for (const reply of [created, got, changed, stale, listed]) {
      expect(reply.text).not.toContain(VALUE);
    }
    expect((await secrets({ method: "DELETE" }, `/${id}`)).status).toBe(204);
    expect((await secrets({ method: "DELETE" }, `/${id}`)).status).toBe(404);
    expect((await secrets({}, `/${id}`)).status).toBe(404);
  });

  it("answers a repeated create with the first response, and another under the name with 409", async () => {
    const headers = { "Idempotency-Key": "once" };
    const [first, again] = [await create("TOKEN", { headers }), await create("TOKEN", { headers })];
    expect(again).toMatchObject({ status: 201, body: first.body });
    const other = await create("TOKEN");
    expect(other).toMatchObject({
      status: 409,
      body: { code: "conflict", secret_id: first.body.id },
    });
    const { results } = await env.DB.prepare("SELECT * FROM idempotency_keys").all();
    expect(JSON.stringify(results)).not.toContain(VALUE);
  });

  it.each([
    [{ name: "1BAD", value: "v" }, "name"],
    [{ name: "has space", value: "v" }, "name"],
    [{ name: "N".repeat(129), value: "v" }, "name"],
    [{ name: "OK", value: "" }, "value"],
    [{ name: "OK", value: "é".repeat(32_769) }, "value"],
    [{ name: "OK", value: 5 }, "value"],
    [{ name: "OK", value: "v", project_id: "../x" }, "project_id"],
    [{ name: "OK", value: "v", extra: 1 }, "extra"],
    [{ value: VALUE }, "name"],
  ])("refuses what is not a secret (%#)", async (body, path) => {
    const reply = await secrets({ body });
    expect(reply.status).toBe(422);
    expect(reply.body.errors).toEqual([{ path, message: expect.stringMatching(/\w/) }]);
    expect(reply.text).not.toContain(VALUE);
  });

  it("accepts a value of 64 KiB", async () => {
    const reply = await secrets({ body: { name: "BIG", value: "é".repeat(32_768) } });
    expect(reply.status, reply.text).toBe(201);
  });

  it("writes the value to no log and no error, even of a body that does not parse", async () => {
    const written = (["log", "info", "warn", "error", "debug"] as const).map((level) =>
      vi.spyOn(console, level),
    );
    await create("TOKEN");
    await create("TOKEN");
    for (const body of [
      `{"name":"X","value":"${VALUE}",}`,
      `{"name":"X","value":${VALUE}}`,
      `{"name":"X","value":"" ${VALUE}}`,
      `"${VALUE}`,
      VALUE,
    ]) {
      const broken = await secrets({ body, headers: { "content-type": "application/json" } });
      expect(broken.status).toBe(400);
      expect(broken.text).not.toMatch(/corr|staple/);
    }
    const lines = JSON.stringify(written.flatMap((spy) => spy.mock.calls));
    expect(lines).not.toMatch(/corr|staple/);
    for (const spy of written) spy.mockRestore();
  });

  it("asks for the scope that each call needs", async () => {
    const reader = await keyOf("default", "secrets:read");
    const writer = await keyOf("default", "secrets:write");
    const { body } = await create("TOKEN", { key: writer });
    const id = idOf(body);
    expect((await secrets({ key: reader }, `/${id}`)).status).toBe(200);
    expect((await secrets({ key: writer }, `/${id}`)).status).toBe(403);
    for (const [method, rest] of [
      ["POST", ""],
      ["POST", "/rotate"],
      ["PATCH", `/${id}`],
      ["DELETE", `/${id}`],
    ] as const) {
      const reply = await secrets({ method, key: reader, body: { name: "A", value: "v" } }, rest);
      expect(reply.status, `${method} ${rest}`).toBe(403);
    }
  });

  it("hides another project's secrets", async () => {
    const other = await keyOf("other", "secrets:read", "secrets:write");
    const id = idOf((await create("TOKEN")).body);
    for (const init of [
      {},
      { method: "PATCH", body: { value: "x" } },
      { method: "DELETE" },
    ] satisfies CallInit[]) {
      expect((await secrets({ ...init, key: other }, `/${id}`)).status).toBe(404);
    }
    expect((await secrets({ key: other })).body.items).toEqual([]);
    expect((await secrets({ key: other }, "?project_id=default")).body.items).toEqual([]);
    const own = await create("TOKEN", { key: other });
    expect(own.body).toMatchObject({ project_id: "other", version: 1 });
  });

  it("pages, in both orders, with a filter", async () => {
    for (const name of ["A", "B", "C"]) await create(name);
    const first = await secrets({}, "?limit=2&order=asc&project_id=default");
    expect(first.headers.get("link")).toContain('rel="next"');
    const cursor = z.string().parse(first.body.next_cursor);
    const second = await secrets({}, `?limit=2&order=asc&project_id=default&cursor=${cursor}`);
    const items = [first, second].flatMap(({ body }) =>
      z.array(z.object({ name: z.string() })).parse(body.items),
    );
    expect(items.map(({ name }) => name)).toEqual(["A", "B", "C"]);
    expect(second.body.next_cursor).toBeNull();
    expect((await secrets({}, "?name=B")).body.items).toHaveLength(1);
  });

  it.each(["keys", "tasks"])("gives cursors that %s do not take", async (list) => {
    for (const name of ["A", "B"]) await create(name);
    const cursor = z.string().parse((await secrets({}, "?limit=1")).body.next_cursor);
    expect(await call(`/api/v1/${list}?cursor=${cursor}`)).toMatchObject({
      status: 422,
      body: { errors: [{ path: "query.cursor" }] },
    });
  });

  it("rotates, and says when no master key is set", async () => {
    await create("TOKEN");
    const k2 = `k2:${Buffer.alloc(32, 2).toString("base64")}`;
    const k1 = `k1:${Buffer.alloc(32, 7).toString("base64")}`;
    const rotating = isolate([], { SECRETS_MASTER_KEYS: `${k2},${k1}` });
    const reply = await rotating.call("/api/v1/secrets/rotate", { method: "POST" });
    expect(reply.body).toEqual({ rotated: 1, remaining: 0, unreadable: [] });
    const bare = isolate([], { SECRETS_MASTER_KEYS: "" });
    const refused = await bare.call("/api/v1/secrets", { body: { name: "A", value: VALUE } });
    expect(refused).toMatchObject({ status: 503, body: { code: "misconfigured" } });
    expect(refused.text).toContain("SECRETS_MASTER_KEYS");
  });
});
