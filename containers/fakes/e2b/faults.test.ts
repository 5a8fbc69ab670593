/** Each fault: by code, and over HTTP as a test in another process switches it. */
import { existsSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { bash, control, create, enter, eventually, outputOf, stream } from "./fixture.ts";
import { type FakeE2B, startFakeE2B } from "./server.ts";

let fake: FakeE2B;
beforeAll(async () => {
  fake = await startFakeE2B();
});
afterAll(() => fake.stop());
afterEach(() => fake.faults.clear());

const TEMPLATE = { templateID: "base", timeout: 60 };
const tryCreate = () => control(fake, "POST", "/v2/sandboxes", TEMPLATE);
const count = () => fake.inspect().sandboxes.length;
const admin = (method: string, path: string, body?: object) =>
  fetch(fake.apiUrl + path, { method, ...(body && { body: JSON.stringify(body) }) });

describe("creates", () => {
  it.each([
    [429, 2],
    [503, undefined],
    [500, undefined],
  ] as const)("fail with %i so often, and make nothing", async (status, seconds) => {
    const before = count();
    fake.faults.set({ fail_creates: { status, times: 2, retry_after_seconds: seconds } });
    for (const _ of [1, 2]) {
      const response = await tryCreate();
      expect(response.status).toBe(status);
      expect(response.headers.get("retry-after")).toBe(seconds === undefined ? null : "2");
      expect(await response.json()).toEqual({ code: status, message: expect.any(String) });
    }
    expect(count()).toBe(before);
    expect((await tryCreate()).status).toBe(201);
  });

  it("succeed without their reply, which the list shows", async () => {
    fake.faults.set({ lose_create_replies: 1 });
    const metadata = { pipelzr_attempt: "ambiguous" };
    await expect(
      control(fake, "POST", "/v2/sandboxes", { ...TEMPLATE, metadata }),
    ).rejects.toThrow();
    const list = await control(fake, "GET", "/v2/sandboxes?metadata=pipelzr_attempt%3Dambiguous");
    expect(await list.json()).toMatchObject([{ metadata, state: "running" }]);
    expect((await tryCreate()).status).toBe(201);
  });
});

describe("streams", () => {
  it("break after so many bytes, in the middle of a message, and the process goes on", async () => {
    const box = await create(fake);
    fake.faults.set({ drop_streams: { after_bytes: 100, times: 1 } });
    const run = await bash(fake, box, "head -c 5000 /dev/zero; touch ~/after; read _", {
      stdin: true,
    });
    const pid = await run.pid();
    await expect(run.rest()).rejects.toThrow();
    expect(run.stdout.length).toBe(0);
    await eventually(() => outputOf(fake, box, "ls")).toBe("after\n");
    const again = await stream(fake, box, "Connect", { process: { pid } });
    expect(await again.pid()).toBe(pid);
    again.detach();
  });

  it("break after so long", async () => {
    const box = await create(fake);
    fake.faults.set({ drop_streams: { after_ms: 100 } });
    for (const _ of [1, 2]) {
      const began = performance.now();
      const all = bash(fake, box, "sleep 60").then((run) => run.rest());
      await expect(all).rejects.toThrow();
      expect(performance.now() - began).toBeGreaterThanOrEqual(99);
    }
  });
});

describe("sandboxes", () => {
  it("are lost behind the client's back", async () => {
    const box = await create(fake);
    const root = fake.inspect().sandboxes.find(({ id }) => id === box.sandboxID)?.root ?? "";
    const run = await bash(fake, box, "sleep 60");
    await run.pid();
    expect(await fake.loseSandbox(box.sandboxID)).toBe(true);
    await expect(run.rest()).rejects.toThrow();
    expect((await enter(fake, box, "/health")).status).toBe(502);
    expect((await control(fake, "GET", `/sandboxes/${box.sandboxID}`)).status).toBe(404);
    expect(existsSync(root)).toBe(false);
    expect(await fake.loseSandbox(box.sandboxID)).toBe(false);
  });

  it("run out of space for uploads, not for downloads", async () => {
    const box = await create(fake);
    const upload = () =>
      enter(fake, box, "/files?path=/tmp/x", {
        method: "POST",
        headers: { "content-type": "application/octet-stream" },
        body: "x".repeat(1_000_000),
      });
    expect((await upload()).status).toBe(200);
    fake.faults.set({ disk_full: true });
    const response = await upload();
    expect(response.status).toBe(507);
    expect(await response.json()).toEqual({ code: 507, message: expect.any(String) });
    expect((await enter(fake, box, "/files?path=/tmp/x")).status).toBe(200);
  });
});

describe("everything", () => {
  it("answers late", async () => {
    fake.faults.set({ latency_ms: 200 });
    const began = performance.now();
    expect((await control(fake, "GET", "/v2/sandboxes")).status).toBe(200);
    expect(performance.now() - began).toBeGreaterThanOrEqual(199);
  });

  it("is refused, until it is not", async () => {
    const box = await create(fake);
    await admin("POST", "/__faults", { refuse_all: true });
    await expect(tryCreate()).rejects.toThrow();
    await expect(enter(fake, box, "/health")).rejects.toThrow();
    await admin("POST", "/__faults", { refuse_all: false });
    expect((await enter(fake, box, "/health")).status).toBe(204);
  });
});

describe("the interface over HTTP", () => {
  it("changes what is named and leaves the rest", async () => {
    await admin("POST", "/__faults", { latency_ms: 1 });
    const failing = { status: 503, times: 3 };
    const changed = await admin("POST", "/__faults", { fail_creates: failing });
    expect(await changed.json()).toEqual({
      fail_creates: failing,
      lose_create_replies: 0,
      drop_streams: null,
      latency_ms: 1,
      disk_full: false,
      hold_creates: false,
      refuse_all: false,
    });
    await tryCreate();
    expect(fake.faults.settings.fail_creates).toEqual({ status: 503, times: 2 });
    const cleared = await admin("DELETE", "/__faults");
    expect(await cleared.json()).toMatchObject({ fail_creates: null, latency_ms: 0 });
  });

  it.each([{ nope: 1 }, { latency_ms: -1 }, { fail_creates: { status: 404 } }])(
    "refuses %j",
    async (body) => {
      const response = await admin("POST", "/__faults", body);
      expect(response.status).toBe(400);
      expect(await response.json()).toEqual({ code: 400, message: expect.any(String) });
    },
  );

  it("loses sandboxes by id, or all", async () => {
    const [one, two] = [await create(fake), await create(fake)];
    await admin("POST", "/__faults", { lose_sandboxes: [one.sandboxID] });
    expect((await enter(fake, one, "/health")).status).toBe(502);
    expect((await enter(fake, two, "/health")).status).toBe(204);
    await admin("POST", "/__faults", { lose_sandboxes: "all" });
    expect(count()).toBe(0);
  });

  it("shows the state", async () => {
    const box = await create(fake, { metadata: { a: "b" } });
    const run = await bash(fake, box, "sleep 60", { tag: "t" });
    const pid = await run.pid();
    const state = await (await admin("GET", "/__state")).json();
    expect(state).toMatchObject({
      isolation: expect.stringMatching(/^(namespaces|folders)$/),
      create_requests: expect.any(Number),
      faults: { latency_ms: 0 },
    });
    expect(state).toHaveProperty("sandboxes");
    expect(fake.inspect().sandboxes.at(-1)).toEqual({
      id: box.sandboxID,
      state: "running",
      template: "base",
      metadata: { a: "b" },
      ends_at: expect.any(String),
      root: expect.stringContaining(box.sandboxID),
      processes: [{ pid, tag: "t", cmd: "/bin/bash", args: ["-l", "-c", "sleep 60"] }],
      connections: 1,
    });
    run.detach();
  });
});
