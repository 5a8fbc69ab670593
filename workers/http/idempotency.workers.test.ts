import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { z } from "@hono/zod-openapi";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isolate } from "../test/app.ts";
import { createRouter } from "./context.ts";
import { endpoint } from "./endpoint.ts";
import { ApiError } from "./errors.ts";
import { CLAIM_MS, KEY_LIFETIME_MS, MAX_STORED_BODY_BYTES } from "./idempotency.ts";

/** What the handler under test does next, and the seeds it was given. */
let behave: (body: Thing) => Promise<Thing & { seed?: string }>;
let seeds: string[];

const thing = z.strictObject({ name: z.string(), size: z.number().optional() });
type Thing = z.output<typeof thing>;

const things = createRouter();
endpoint(
  things,
  {
    method: "post",
    path: "/things",
    operationId: "createThing",
    tags: ["test"],
    scope: "tasks:write",
    summary: "Create",
    request: { body: thing },
    responses: { 201: { description: "Made.", schema: z.looseObject({ name: z.string() }) } },
  },
  async (_, { body, seed }) => {
    seeds.push(seed);
    const made = await behave(body);
    return {
      status: 201,
      body: { ...made, seed },
      headers: { Location: `/api/v1/things/${seed}` },
    };
  },
);

const { app, call, env: bindings } = isolate([things]);
const post = (key: string, body: unknown, headers: Record<string, string> = {}) =>
  call("/api/v1/things", { body, headers: { "idempotency-key": key, ...headers } });

/** Sends a request whose background work nobody waits for: its handler may never end. */
const begin = (key: string) =>
  app.fetch(
    new Request("https://pipelzr.test/api/v1/things", {
      method: "POST",
      body: '{"name":"a"}',
      headers: {
        authorization: "Bearer test-dev-key",
        "content-type": "application/json",
        "idempotency-key": key,
      },
    }),
    bindings,
    createExecutionContext(),
  );

beforeEach(() => {
  seeds = [];
  behave = async (body) => body;
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const later = (ms: number) => vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });

describe("Idempotency-Key", () => {
  it("answers a repeated request with the first response", async () => {
    const first = await post("replay", { name: "a", size: 1 });
    expect(first.status).toBe(201);
    const second = await post("replay", { size: 1, name: "a" });
    expect(second).toMatchObject({ status: 201, text: first.text });
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    expect(second.headers.get("location")).toBe(first.headers.get("location"));
    expect(second.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(seeds).toHaveLength(1);
  });

  it("asks D1 once between a request and its reply", async () => {
    const prepare = vi.spyOn(bindings.DB, "prepare");
    behave = async (body) => {
      expect(prepare).toHaveBeenCalledTimes(1);
      return body;
    };
    await post("one-statement", { name: "a" });
    prepare.mockClear();
    await post("one-statement", { name: "a" });
    expect(prepare).toHaveBeenCalledTimes(1);
  });

  it("refuses the key for another body, path or query, and keeps callers apart", async () => {
    await post("shared", { name: "a" });
    expect(await post("shared", { name: "b" })).toMatchObject({
      status: 422,
      body: { code: "idempotency_mismatch" },
    });
    const key = await call("/api/v1/keys", { body: { name: "k", scopes: ["tasks:write"] } });
    const other = await call("/api/v1/things", {
      body: { name: "b" },
      headers: { "idempotency-key": "shared" },
      key: z.string().parse(key.body.key),
    });
    expect(other.status).toBe(201);
    expect(seeds).toHaveLength(2);
  });

  it("refuses a key that is not visible ASCII", async () => {
    for (const key of ["a b", "", "ü", "x".repeat(256)]) {
      const reply = await post(key, { name: "a" });
      expect(reply.status, key).toBe(422);
      expect(reply.text).toContain("headers.idempotency-key");
    }
    expect(seeds).toHaveLength(0);
  });

  /** Starts requests of one key and returns once the first is at work and all others wait for it. */
  async function meet(key: string, work: typeof behave) {
    const prepare = vi.spyOn(bindings.DB, "prepare");
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    behave = async (body) => {
      await gate;
      return work(body);
    };
    const all = Array.from({ length: 5 }, () => post(key, { name: "a" }));
    await vi.waitFor(() => {
      const looks = prepare.mock.calls.filter(([sql]) => sql.startsWith("SELECT claimed_at"));
      expect(looks.length).toBeGreaterThanOrEqual(all.length - 1);
    });
    return { release, replies: Promise.all(all) };
  }

  it("lets one of many simultaneous requests work and gives its response to the others", async () => {
    const { release, replies } = await meet("race", async (body) => body);
    expect(seeds).toHaveLength(1);
    release();
    const done = await replies;
    expect(done.map(({ status }) => status)).toEqual(done.map(() => 201));
    expect(new Set(done.map(({ text }) => text)).size).toBe(1);
    const replayed = done.filter(({ headers }) => headers.get("idempotent-replayed") === "true");
    expect(replayed).toHaveLength(done.length - 1);
    expect(seeds).toHaveLength(1);
  });

  it("lets the next of those that wait work when the first is refused", async () => {
    const { release, replies } = await meet("refused-race", async (body) => {
      if (seeds.length === 1) throw new ApiError("conflict", "The name is taken.");
      return body;
    });
    release();
    const statuses = (await replies).map(({ status }) => status);
    expect(statuses.sort()).toEqual([201, 201, 201, 201, 409]);
    expect(seeds).toHaveLength(2);
  });

  it("tells who waited in vain to come again soon, and later when the owner is silent", async () => {
    behave = () => new Promise(() => undefined);
    void begin("in-vain");
    await vi.waitFor(() => expect(seeds).toHaveLength(1));
    const soon = await post("in-vain", { name: "a" });
    expect(soon).toMatchObject({
      status: 409,
      body: { code: "idempotency_in_progress", retry_after: 1 },
    });
    expect(soon.headers.get("retry-after")).toBe("1");
    expect(soon.body.detail).toMatch(/Retry in 1 second; .* in at most \d\d seconds\.$/);
    later(CLAIM_MS / 2);
    const silent = await post("in-vain", { name: "a" });
    const seconds = z
      .number()
      .min(2)
      .max(CLAIM_MS / 2000)
      .parse(silent.body.retry_after);
    expect(silent.headers.get("retry-after")).toBe(String(seconds));
    expect(silent.body.detail).toContain(`in at most ${seconds} seconds`);
  }, 20_000);

  it("takes over a claim whose owner died, with the same seed, once", async () => {
    behave = () => new Promise(() => undefined);
    void begin("orphan");
    await vi.waitFor(() => expect(seeds).toHaveLength(1));
    behave = async (body) => body;
    expect((await post("orphan", { name: "a" })).status).toBe(409);
    later(CLAIM_MS + 1);
    expect((await post("orphan", { name: "other" })).status).toBe(422);
    const replies = await Promise.all([1, 2, 3].map(() => post("orphan", { name: "a" })));
    const made = replies.filter(({ status }) => status === 201);
    expect(made.length).toBeGreaterThan(0);
    expect(new Set(made.map(({ text }) => text)).size).toBe(1);
    expect(seeds).toHaveLength(2);
    expect(seeds[1]).toBe(seeds[0]);
  });

  it("keeps the claim of a request that works for long", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setInterval", "clearInterval"] });
    let finish = (): void => undefined;
    behave = (body) =>
      new Promise((resolve) => {
        finish = () => resolve(body);
      });
    const slow = post("long", { name: "a" });
    await vi.waitFor(() => expect(seeds).toHaveLength(1));
    const claimedAt = async () => {
      const row = await env.DB.prepare(
        "SELECT claimed_at FROM idempotency_keys WHERE key = 'long'",
      ).first();
      return z.object({ claimed_at: z.number() }).parse(row).claimed_at;
    };
    for (let waited = 0; waited < 2 * CLAIM_MS; waited += CLAIM_MS / 2) {
      vi.advanceTimersByTime(CLAIM_MS / 2);
      const now = Date.now();
      await vi.waitFor(async () => expect(now - (await claimedAt())).toBeLessThan(CLAIM_MS / 2));
    }
    expect((await post("long", { name: "a" })).status).toBe(409);
    finish();
    expect((await slow).status).toBe(201);
    expect(seeds).toHaveLength(1);
  });

  it("does not burn the key on a refusal, before or inside the handler", async () => {
    expect((await post("burnt", { name: 1 })).status).toBe(422);
    behave = async () => {
      throw new ApiError("conflict", "The name is taken.");
    };
    expect((await post("burnt", { name: "taken" })).status).toBe(409);
    behave = async (body) => body;
    expect((await post("burnt", { name: "free" })).status).toBe(201);
  });

  it("runs a failed request again at once, with the same seed and no other body", async () => {
    behave = async () => {
      throw new Error("lost connection");
    };
    expect((await post("failed", { name: "a" })).status).toBe(500);
    behave = async (body) => body;
    expect((await post("failed", { name: "b" })).status).toBe(422);
    expect((await post("failed", { name: "a" })).status).toBe(201);
    expect(seeds[1]).toBe(seeds[0]);
  });

  it("runs a request whose response is too large to store again, with the same seed", async () => {
    behave = async (body) => ({ ...body, name: "x".repeat(MAX_STORED_BODY_BYTES + 1) });
    await post("large", { name: "a" });
    const again = await post("large", { name: "a" });
    expect(again.status).toBe(201);
    expect(again.headers.get("idempotent-replayed")).toBeNull();
    expect(seeds[1]).toBe(seeds[0]);
  });

  it("forgets a key after a day", async () => {
    await post("daily", { name: "a" });
    later(KEY_LIFETIME_MS + 1);
    expect((await post("daily", { name: "b" })).status).toBe(201);
    expect(seeds[1]).not.toBe(seeds[0]);
  });

  it("never stores a response that shows a secret", async () => {
    const body = { name: "once", scopes: ["metrics:read"] };
    const create = () =>
      call("/api/v1/keys", { body, headers: { "idempotency-key": "secret-answer" } });
    const first = await create();
    const secret = z.string().parse(first.body.key);
    const { results } = await env.DB.prepare("SELECT * FROM idempotency_keys").all();
    expect(JSON.stringify(results)).not.toContain(secret);
    const second = await create();
    expect(second.body).toMatchObject({ id: first.body.id, key: null });
  });
});
