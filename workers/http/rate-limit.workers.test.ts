import { afterEach, describe, expect, it, vi } from "vitest";
import { isolate } from "../test/app.ts";

const WINDOW = { RATE_LIMIT_WINDOW: "3600" };

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Each test has a key of its own, hence a count of its own. */
async function makeKey(): Promise<string> {
  const created = await isolate().call("/api/v1/keys", {
    body: { name: "limited", scopes: ["keys:admin"] },
  });
  return String(created.body.key);
}

describe("the rate limit", () => {
  it("admits exactly the limit over several isolates, and says so", async () => {
    const key = await makeKey();
    const isolates = [1, 2, 3].map(() => isolate([], { RATE_LIMIT_REQUESTS: "100", ...WINDOW }));
    const replies = await Promise.all(
      Array.from({ length: 150 }, (_, n) => isolates[n % 3]?.call("/api/v1/keys", { key })),
    );
    const admitted = replies.filter((reply) => reply?.status === 200).length;
    const refused = replies.filter((reply) => reply?.status === 429);
    expect(admitted).toBeLessThanOrEqual(100);
    expect(admitted).toBeGreaterThanOrEqual(95);
    expect(admitted + refused.length).toBe(150);
    expect(refused[0]?.body).toMatchObject({
      code: "rate_limited",
      retry_after: expect.any(Number),
    });
    const headers = refused[0]?.headers;
    expect(headers?.get("x-ratelimit-limit")).toBe("100");
    expect(headers?.get("x-ratelimit-remaining")).toBe("0");
    expect(Number(headers?.get("x-ratelimit-reset"))).toBeGreaterThan(Date.now() / 1000);
    expect(headers?.get("retry-after")).toBe(String(refused[0]?.body.retry_after));
    expect(headers?.get("x-correlation-id")).toBeTruthy();
  });

  it("counts down, and asks the Limits object for blocks only", async () => {
    const key = await makeKey();
    const { call, env } = isolate([], { RATE_LIMIT_REQUESTS: "1000", ...WINDOW });
    const getByName = vi.spyOn(env.LIMITS, "getByName");
    const remaining: number[] = [];
    for (let n = 0; n < 60; n += 1) {
      const reply = await call("/api/v1/keys", { key });
      remaining.push(Number(reply.headers.get("x-ratelimit-remaining")));
    }
    expect(remaining).toEqual(Array.from({ length: 60 }, (_, n) => 999 - n));
    // Blocks of 2, 2, 4, 8, 16, 32: fewer calls the busier an isolate is.
    expect(getByName).toHaveBeenCalledTimes(6);
  });

  it("loses little of it when isolates come and go", async () => {
    const key = await makeKey();
    for (let n = 0; n < 60; n += 1) {
      const { call } = isolate([], { RATE_LIMIT_REQUESTS: "1000", ...WINDOW });
      const statuses = await Promise.all(
        [1, 2, 3, 4].map(async () => (await call("/api/v1/keys", { key })).status),
      );
      expect(statuses).toEqual([200, 200, 200, 200]);
    }
  });

  it("begins anew with the next window", async () => {
    const key = await makeKey();
    const { call } = isolate([], { RATE_LIMIT_REQUESTS: "2", RATE_LIMIT_WINDOW: "60" });
    vi.useFakeTimers({ toFake: ["Date"], now: 1_800_000_000_000 });
    const statuses = async () => [
      (await call("/api/v1/keys", { key })).status,
      (await call("/api/v1/keys", { key })).status,
      (await call("/api/v1/keys", { key })).status,
    ];
    expect(await statuses()).toEqual([200, 200, 429]);
    vi.setSystemTime(1_800_000_061_000);
    expect(await statuses()).toEqual([200, 200, 429]);
  });

  it.each([
    { RATE_LIMIT_REQUESTS: "2", RATE_LIMIT_WINDOW: "7200" },
    { RATE_LIMIT_REQUESTS: "1", RATE_LIMIT_WINDOW: "3600" },
  ])("begins anew when the service is restarted with %j", async (changed) => {
    const key = await makeKey();
    const before = isolate([], { RATE_LIMIT_REQUESTS: "2", RATE_LIMIT_WINDOW: "3600" });
    const statuses: number[] = [];
    for (let n = 0; n < 3; n += 1) {
      statuses.push((await before.call("/api/v1/keys", { key })).status);
    }
    expect(statuses).toEqual([200, 200, 429]);
    const first = await isolate([], changed).call("/api/v1/keys", { key });
    expect(first.status).toBe(200);
    expect(first.headers.get("x-ratelimit-limit")).toBe(changed.RATE_LIMIT_REQUESTS);
  });

  it("stops an address that tries credentials, before D1 is asked, and leaves others alone", async () => {
    const { call, env } = isolate([], {
      ENVIRONMENT: "production",
      PIPELZR_ADMIN_KEY: "admin-Q2w8E4r6T1y3U5i7O9p0A8s6D4f2",
      RATE_LIMIT_REQUESTS: "5",
      ...WINDOW,
    });
    const guess = (n: number, ip: string) =>
      call("/api/v1/keys", {
        key: `plz_AAAAAAAA_${String(n).padStart(43, "x")}`,
        headers: { "cf-connecting-ip": ip },
      });
    const statuses: number[] = [];
    for (let n = 0; n < 8; n += 1) statuses.push((await guess(n, "2001:db8:1:2::1")).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    const prepare = vi.spyOn(env.DB, "prepare");
    expect((await guess(9, "2001:db8:1:2:ffff::9")).status).toBe(429);
    expect(prepare).not.toHaveBeenCalled();
    expect((await guess(10, "2001:db8:9::1")).status).toBe(401);
  });

  it("never counts health, readiness and the card", async () => {
    const { call } = isolate([], { RATE_LIMIT_REQUESTS: "1", ...WINDOW });
    for (const path of ["/health", "/ready", "/", "/health", "/ready", "/"]) {
      const reply = await call(path, { key: null });
      expect(reply.status, path).toBe(200);
      expect(reply.headers.get("x-ratelimit-limit")).toBeNull();
    }
  });

  it("admits when the Limits object does not answer", async () => {
    const { call, env } = isolate([], { RATE_LIMIT_REQUESTS: "1", ...WINDOW });
    vi.spyOn(env.LIMITS, "getByName").mockImplementation(() => {
      throw new Error("overloaded");
    });
    expect((await call("/api/v1/keys")).status).toBe(200);
    expect((await call("/api/v1/keys")).status).toBe(200);
  });
});
