import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { type Config, loadConfig } from "../config.ts";
import { newSeed } from "../http/seed.ts";
import { type Principal, SCOPES } from "../security/principal.ts";
import { createSecretResolver } from "./resolver.ts";
import { ROTATION_BATCH, SecretService } from "./service.ts";

const key = (byte: number) => Buffer.alloc(32, byte).toString("base64");
const configWith = (...keys: string[]): Config =>
  loadConfig({ SECRETS_MASTER_KEYS: keys.join(",") });
const config = configWith(`k1:${key(1)}`);
const PAGE = {
  limit: 50,
  order: "desc",
  after: null,
  created_after: null,
  created_before: null,
} as const;

function caller(...projects: string[]): Principal {
  const all = projects.length === 0;
  return {
    kind: "api_key",
    id: "key-1",
    name: "test",
    scopes: new Set(SCOPES),
    projects: all ? "*" : new Set(projects),
  };
}
const alpha = caller("alpha");
const beta = caller("beta");

const service = new SecretService(env.DB, config);
const create = (who: Principal, name: string, value = "s3cr3t") =>
  service.create(who, { name, value }, newSeed());
const resolve = (project: string, ...names: string[]) =>
  createSecretResolver(env.DB, config).resolve(project, names);
const failing = (code: string) => expect.objectContaining({ code });

beforeEach(async () => {
  await env.DB.exec("DELETE FROM secrets");
});

describe("SecretService", () => {
  it("stores a value that only the resolver gives back", async () => {
    const row = await create(alpha, "TOKEN", "plain value");
    expect(row).toMatchObject({
      project_id: "alpha",
      name: "TOKEN",
      version: 1,
      created_by: "api_key:key-1",
    });
    expect(JSON.stringify(row)).not.toContain("plain value");
    const { results } = await env.DB.prepare("SELECT * FROM secrets").all();
    expect(JSON.stringify(results)).not.toContain("plain value");
    expect(await resolve("alpha", "TOKEN", "ABSENT")).toEqual(new Map([["TOKEN", "plain value"]]));
  });

  it("refuses a second secret of one name, naming the remedy", async () => {
    const { id } = await create(alpha, "TOKEN");
    await expect(create(alpha, "TOKEN")).rejects.toThrow(
      expect.objectContaining({
        code: "conflict",
        detail: expect.stringContaining(`PATCH /api/v1/secrets/${id}`),
      }),
    );
    await expect(create(beta, "TOKEN")).resolves.toMatchObject({ project_id: "beta" });
  });

  it("finds its own work when a create is taken over", async () => {
    const seed = newSeed();
    const input = { name: "TOKEN", value: "v" };
    const first = await service.create(alpha, input, seed);
    expect(await service.create(alpha, input, seed)).toEqual(first);
  });

  it("keeps projects apart", async () => {
    const { id } = await create(alpha, "TOKEN");
    await expect(service.get(beta, id)).rejects.toThrow(failing("not_found"));
    await expect(service.replace(beta, id, "x", undefined)).rejects.toThrow(failing("not_found"));
    await expect(service.remove(beta, id, undefined)).rejects.toThrow(failing("not_found"));
    expect(await service.list(beta, {}, PAGE)).toEqual([]);
    expect(await service.list(beta, { project_id: "alpha" }, PAGE)).toEqual([]);
    expect(await service.list(caller(), { project_id: "alpha" }, PAGE)).toHaveLength(1);
    expect(await resolve("beta", "TOKEN")).toEqual(new Map());
    expect(await service.get(alpha, id)).toMatchObject({ id });
  });

  it("lists by name and in pages", async () => {
    for (const name of ["A", "B", "C"]) await create(alpha, name);
    expect((await service.list(alpha, { name: "B" }, PAGE)).map((row) => row.name)).toEqual(["B"]);
    const page = { ...PAGE, limit: 1 };
    const [first, more] = await service.list(alpha, {}, page);
    expect([first?.name, more?.name]).toEqual(["C", "B"]);
    const rest = await service.list(alpha, {}, { ...PAGE, after: first ?? null });
    expect(rest.map((row) => row.name)).toEqual(["B", "A"]);
  });

  it("gives a secret a new value under a new version", async () => {
    const { id } = await create(alpha, "TOKEN", "old");
    expect(await service.replace(alpha, id, "new", '"v1"')).toMatchObject({ version: 2 });
    expect((await resolve("alpha", "TOKEN")).get("TOKEN")).toBe("new");
    await expect(service.replace(alpha, id, "x", '"v1"')).rejects.toThrow(
      failing("precondition_failed"),
    );
    await expect(service.remove(alpha, id, '"v1"')).rejects.toThrow(failing("precondition_failed"));
    await service.remove(alpha, id, '"v2"');
    await expect(service.get(alpha, id)).rejects.toThrow(failing("not_found"));
  });

  it("lets one of two simultaneous changes win, without mixing them", async () => {
    const { id } = await create(alpha, "TOKEN", "old");
    const outcomes = await Promise.allSettled(
      ["one", "two"].map((value) => service.replace(alpha, id, value, undefined)),
    );
    const won = outcomes.filter((outcome) => outcome.status === "fulfilled").length;
    expect((await service.get(alpha, id)).version).toBe(1 + won);
    expect(["one", "two"]).toContain((await resolve("alpha", "TOKEN")).get("TOKEN"));
  });

  it("answers misconfigured without a master key", async () => {
    const bare = new SecretService(env.DB, configWith());
    await expect(bare.create(alpha, { name: "A", value: "v" }, newSeed())).rejects.toThrow(
      failing("misconfigured"),
    );
  });

  it("rotates to the first master key in batches, and past rows that do not decrypt", async () => {
    const lost = await create(alpha, "LOST");
    await env.DB.prepare("UPDATE secrets SET key_id = 'gone' WHERE id = ?").bind(lost.id).run();
    await create(beta, "OTHER");
    const total = ROTATION_BATCH + 5;
    for (let n = 0; n < total; n += 1) await create(alpha, `S${n}`, `value ${n}`);
    const rotated = configWith(`k2:${key(2)}`, `k1:${key(1)}`);
    const rotating = new SecretService(env.DB, rotated);
    const unreadable = [{ id: lost.id, project_id: "alpha", name: "LOST" }];
    expect(await rotating.rotate(alpha)).toEqual({
      rotated: ROTATION_BATCH - 1,
      remaining: 7,
      unreadable,
    });
    expect(await rotating.rotate(alpha)).toEqual({ rotated: 6, remaining: 1, unreadable });
    const withoutOld = createSecretResolver(env.DB, configWith(`k2:${key(2)}`));
    expect((await withoutOld.resolve("alpha", ["S7"])).get("S7")).toBe("value 7");
    await expect(withoutOld.resolve("beta", ["OTHER"])).rejects.toThrow(failing("misconfigured"));
    expect(await rotating.rotate(caller())).toMatchObject({ rotated: 1, remaining: 1 });
  });

  it("rotates secrets of the largest size", async () => {
    for (let n = 0; n < 20; n += 1) await create(alpha, `BIG${n}`, String(n % 10).repeat(65_536));
    const rotated = configWith(`k2:${key(2)}`, `k1:${key(1)}`);
    expect(await new SecretService(env.DB, rotated).rotate(alpha)).toEqual({
      rotated: 20,
      remaining: 0,
      unreadable: [],
    });
    const values = await createSecretResolver(env.DB, rotated).resolve("alpha", ["BIG13"]);
    expect(values.get("BIG13")).toBe("3".repeat(65_536));
  });
});
