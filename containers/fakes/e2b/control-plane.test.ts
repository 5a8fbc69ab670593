/** The control plane, by requests and answers written from the wire facts. */
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { control, create, enter, eventually, fakeFor } from "./fixture.ts";
import { type FakeE2B, startFakeE2B } from "./server.ts";

let fake: FakeE2B;
beforeAll(async () => {
  fake = await startFakeE2B({ templates: ["base", "python"] });
});
afterAll(() => fake.stop());

const ERROR = (code: number) => ({ code, message: expect.any(String) });
const json = (response: Response): Promise<unknown> => response.json();
const idsOf = async (response: Response) =>
  (await response.json<{ sandboxID: string }[]>()).map(({ sandboxID }) => sandboxID);

describe("the key", () => {
  it("is asked for and checked, in the service's shape of error", async () => {
    for (const headers of [{}, { "x-api-key": "e2b_ffff" }]) {
      const response = await fetch(`${fake.apiUrl}/v2/sandboxes`, { headers });
      expect(response.status).toBe(401);
      expect(await response.json()).toEqual(ERROR(401));
    }
  });
});

describe("create", () => {
  it("answers with what it takes to reach a secured sandbox", async () => {
    const response = await control(fake, "POST", "/v2/sandboxes", {
      templateID: "base",
      timeout: 60,
      metadata: { pipelzr_attempt: "1" },
      envVars: { A: "b" },
    });
    expect(response.status).toBe(201);
    expect(await response.json()).toEqual({
      sandboxID: expect.stringMatching(/^i[a-z0-9]{20}$/),
      templateID: expect.stringMatching(/^[a-z0-9]{20}$/),
      alias: "base",
      clientID: expect.any(String),
      envdVersion: "0.6.13",
      envdAccessToken: expect.stringMatching(/^[0-9a-f]{64}$/),
      trafficAccessToken: null,
      domain: null,
    });
  });

  it("by the older path secures only who asks for it", async () => {
    const open = await control(fake, "POST", "/sandboxes", { templateID: "base" });
    expect(open.status).toBe(201);
    expect(await open.json()).not.toHaveProperty("envdAccessToken");
    const secured = await control(fake, "POST", "/sandboxes", { templateID: "base", secure: true });
    expect(await secured.json()).toHaveProperty("envdAccessToken");
  });

  it.each([
    [400, {}],
    [400, { templateID: "base", timeout: -1 }],
    [400, { templateID: "base", timeout: 24 * 3_600 + 1 }],
    [400, { templateID: "base", metadata: { a: 1 } }],
    [400, { templateID: "base", autoPauseMemory: false, autoResume: { enabled: true } }],
    [404, { templateID: "nope" }],
  ])("answers %i to %j", async (status, body) => {
    const response = await control(fake, "POST", "/v2/sandboxes", body);
    expect(response.status).toBe(status);
    expect(await json(response)).toEqual(ERROR(status));
  });
});

describe("one sandbox", () => {
  it("can be looked at", async () => {
    const { sandboxID, envdAccessToken } = await create(fake, { metadata: { a: "b" } });
    const response = await control(fake, "GET", `/sandboxes/${sandboxID}`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      sandboxID,
      envdAccessToken,
      state: "running",
      metadata: { a: "b" },
      startedAt: expect.stringMatching(/Z$/),
      endAt: expect.stringMatching(/Z$/),
      cpuCount: expect.any(Number),
      memoryMB: expect.any(Number),
      diskSizeMB: expect.any(Number),
    });
  });

  it("is killed once, and is then not there to anybody", async () => {
    const handle = await create(fake);
    const path = `/sandboxes/${handle.sandboxID}`;
    expect((await control(fake, "DELETE", path)).status).toBe(204);
    const again = await control(fake, "DELETE", path);
    expect(again.status).toBe(404);
    expect(await again.json()).toEqual(ERROR(404));
    for (const [method, rest] of [
      ["GET", ""],
      ["POST", "/pause"],
      ["POST", "/resume"],
      ["POST", "/timeout"],
      ["POST", "/connect"],
    ] as const) {
      const body = method === "POST" ? { timeout: 1 } : undefined;
      expect((await control(fake, method, path + rest, body)).status).toBe(404);
    }
    const inside = await enter(fake, handle, "/health");
    expect(inside.status).toBe(502);
    expect(await inside.json()).toMatchObject({ sandboxId: handle.sandboxID, code: 502 });
  });

  it("ends when its time does, counted from the last time it was set", async () => {
    const { sandboxID } = await create(fake, { timeout: 600 });
    const root = fake.inspect().sandboxes.find(({ id }) => id === sandboxID)?.root ?? "";
    expect(existsSync(root)).toBe(true);
    const set = await control(fake, "POST", `/sandboxes/${sandboxID}/timeout`, { timeout: 0 });
    expect(set.status).toBe(204);
    await eventually(
      async () => (await control(fake, "GET", `/sandboxes/${sandboxID}`)).status,
    ).toBe(404);
    await eventually(() => existsSync(root)).toBe(false);
  });

  it("has its time extended by connect, never shortened", async () => {
    const { sandboxID } = await create(fake, { timeout: 600 });
    const endAt = async () => {
      const response = await control(fake, "GET", `/sandboxes/${sandboxID}`);
      return Date.parse((await response.json<{ endAt: string }>()).endAt);
    };
    const before = await endAt();
    for (const version of ["/v2", ""]) {
      const path = `${version}/sandboxes/${sandboxID}/connect`;
      const shorter = await control(fake, "POST", path, { timeout: 1 });
      expect(shorter.status).toBe(200);
      expect(await endAt()).toBe(before);
    }
    await control(fake, "POST", `/v2/sandboxes/${sandboxID}/connect`, { timeout: 1_200 });
    expect(await endAt()).toBeGreaterThan(before + 500_000);
    await control(fake, "POST", `/sandboxes/${sandboxID}/timeout`, { timeout: 30 });
    expect(await endAt()).toBeLessThan(before);
  });
});

describe("pause", () => {
  it("answers 204, then 409, and connect resumes with 201", async () => {
    const handle = await create(fake);
    const path = `/sandboxes/${handle.sandboxID}`;
    expect((await control(fake, "POST", `${path}/pause`)).status).toBe(204);
    const again = await control(fake, "POST", `${path}/pause`);
    expect(again.status).toBe(409);
    expect(await again.json()).toEqual(ERROR(409));
    expect((await enter(fake, handle, "/health")).status).toBe(502);
    expect(await (await control(fake, "GET", path)).json()).toMatchObject({ state: "paused" });
    const resumed = await control(fake, "POST", `/v2${path}/connect`, { timeout: 60 });
    expect(resumed.status).toBe(201);
    expect(await resumed.json()).toMatchObject({
      sandboxID: handle.sandboxID,
      envdAccessToken: handle.envdAccessToken,
    });
    expect((await enter(fake, handle, "/health")).status).toBe(204);
  });

  it("is resumed by the older path, which refuses a running one", async () => {
    const { sandboxID } = await create(fake);
    const path = `/sandboxes/${sandboxID}`;
    expect((await control(fake, "POST", `${path}/resume`, {})).status).toBe(409);
    await control(fake, "POST", `${path}/pause`);
    expect((await control(fake, "POST", `${path}/resume`, { timeout: 60 })).status).toBe(201);
  });

  it("is what the end of time does when asked for, and traffic resumes it when that is", async () => {
    const body = { timeout: 0, autoPause: true, autoResume: { enabled: true } };
    const handle = await create(fake, body);
    const path = `/sandboxes/${handle.sandboxID}`;
    await eventually(async () => (await control(fake, "GET", path)).json()).toMatchObject({
      state: "paused",
    });
    expect((await enter(fake, handle, "/health")).status).toBe(204);
    expect(await (await control(fake, "GET", path)).json()).toMatchObject({ state: "running" });
  });
});

describe("lists", () => {
  it("filter by metadata and state", async () => {
    const one = await create(fake, { metadata: { kind: "l&s t=", n: "1" } });
    const two = await create(fake, { metadata: { kind: "l&s t=", n: "2" } });
    await control(fake, "POST", `/sandboxes/${two.sandboxID}/pause`);
    // As the SDK encodes it: each key and value, then all of it as a query.
    const pairs = { [encodeURIComponent("kind")]: encodeURIComponent("l&s t=") };
    const metadata = encodeURIComponent(new URLSearchParams(pairs).toString());
    const list = async (rest: string) =>
      idsOf(await control(fake, "GET", `/v2/sandboxes?metadata=${metadata}${rest}`));
    expect(await list("")).toEqual([two.sandboxID, one.sandboxID]);
    expect(await list("&order=asc")).toEqual([one.sandboxID, two.sandboxID]);
    expect(await list("&state=running")).toEqual([one.sandboxID]);
    expect(await list("&state=paused")).toEqual([two.sandboxID]);
    expect(await list("&template=python")).toEqual([]);
    expect(await list(`&startedAfter=${new Date(Date.now() + 60_000).toISOString()}`)).toEqual([]);
    expect(await idsOf(await control(fake, "GET", "/v2/sandboxes?metadata=n%3D1"))).toEqual([
      one.sandboxID,
    ]);
    expect(await idsOf(await control(fake, "GET", `/sandboxes?metadata=${metadata}`))).toEqual([
      one.sandboxID,
    ]);
  });

  it("come in pages, by the token in a header", async () => {
    const own = await fakeFor();
    const made = await Promise.all(Array.from({ length: 5 }, () => create(own)));
    const seen: string[] = [];
    let token: string | null = "";
    let pages = 0;
    while (token !== null) {
      const next: string = token === "" ? "" : `&nextToken=${token}`;
      const page = await control(own, "GET", `/v2/sandboxes?limit=2${next}`);
      expect(page.headers.get("x-total-running")).toBe("5");
      seen.push(...(await idsOf(page)));
      token = page.headers.get("x-next-token");
      pages += 1;
    }
    expect(pages).toBe(3);
    expect(seen.toSorted()).toEqual(made.map(({ sandboxID }) => sandboxID).toSorted());
  });

  it.each(["limit=0", "state=gone", "nextToken=abc", "metadata=%25"])(
    "refuse %s",
    async (query) => {
      const response = await control(fake, "GET", `/v2/sandboxes?${query}`);
      expect(response.status).toBe(400);
      expect(await response.json()).toEqual(ERROR(400));
    },
  );
});

describe("limits", () => {
  it("on the rate of creates answer 429 with when to come back", async () => {
    const limited = await fakeFor({ createsPerSecond: 1 });
    const body = { templateID: "base" };
    const both = [1, 2].map(() => control(limited, "POST", "/v2/sandboxes", body));
    const answers = await Promise.all(both);
    const [created, refused] = answers.toSorted((a, b) => a.status - b.status);
    expect(created?.status).toBe(201);
    expect(refused?.status).toBe(429);
    expect(refused?.headers.get("retry-after")).toBe("1");
    expect(await refused?.json()).toEqual(ERROR(429));
    await eventually(
      async () => (await control(limited, "POST", "/v2/sandboxes", body)).status,
    ).toBe(201);
  });

  it("on how many run count those that run, and no paused ones", async () => {
    const limited = await fakeFor({ maxConcurrent: 1 });
    const body = { templateID: "base", timeout: 60 };
    const { sandboxID } = await create(limited);
    const refused = await control(limited, "POST", "/v2/sandboxes", body);
    expect(refused.status).toBe(429);
    // Waiting does not help, so the service does not say for how long.
    expect(refused.headers.get("retry-after")).toBeNull();
    await control(limited, "POST", `/sandboxes/${sandboxID}/pause`);
    expect((await control(limited, "POST", "/v2/sandboxes", body)).status).toBe(201);
  });
});
