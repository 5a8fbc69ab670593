/** Runners as people manage them, and who is let in as one. */
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RunnerPoolBase } from "../executors/runner/pool.ts";
import { RUNNER_PATHS } from "../executors/runner/protocol.ts";
import { eventually, FakeOwner, helloFrame } from "../executors/runner/test-support.ts";
import { isolate } from "../test/app.ts";
import { createRunner, newKeys, newNonce, RegisteredRunner, register } from "./test-support.ts";

const isolated = isolate();
const { call } = isolated;
let owner: FakeOwner;
beforeEach(() => {
  owner = new FakeOwner().install();
});
afterEach(() => vi.restoreAllMocks());

async function keyOf(projects: readonly string[] | null, scopes: readonly string[]) {
  const reply = await call("/api/v1/keys", { body: { name: "k", scopes, projects } });
  expect(reply.status, reply.text).toBe(201);
  return String(reply.body.key);
}
const BOTH = ["runners:read", "runners:write"];

describe("a runner", () => {
  it("is created pending, with a token and the command that starts it", async () => {
    const { id, token, command } = await createRunner(isolated, { project_id: "alpha" });
    expect(command).toContain(`--url https://pipelzr.test --token ${token}`);
    expect((await call(`/api/v1/runners/${id}`)).body).toMatchObject({
      state: "pending",
      project_id: "alpha",
      shared: false,
      registered_at: null,
    });
    const { results } = await env.DB.prepare("SELECT * FROM runners").all();
    expect(JSON.stringify(results)).not.toContain(token);
  });

  it.each([
    [{ SUBPROCESS_ENABLED: "true", DAGGER_ENABLED: "true" }, " --allow-subprocess"],
    [{ SUBPROCESS_ENABLED: "true", DAGGER_ENABLED: "false" }, " --allow-subprocess --no-dagger"],
    [{ SUBPROCESS_ENABLED: "false", DAGGER_ENABLED: "true" }, ""],
    [{ SUBPROCESS_ENABLED: "false", DAGGER_ENABLED: "false" }, ""],
  ])("is started for what is enabled: %j", async (variables, flags) => {
    const { token, command } = await createRunner(isolate([], variables), {});
    expect(command).toBe(`npm run runner -- --url https://pipelzr.test --token ${token}${flags}`);
  });

  it("that is asked for twice with one Idempotency-Key is one, whose token is shown once", async () => {
    const headers = { "idempotency-key": crypto.randomUUID() };
    const create = () => call("/api/v1/runners", { body: { name: "same" }, headers });
    const [first, second] = [await create(), await create()];
    expect(first.body.token).toEqual(expect.any(String));
    expect(second.body).toMatchObject({ id: first.body.id, token: null, command: null });
  });

  it("is seen with what it says of itself while it is connected", async () => {
    const registered = await RegisteredRunner.of(isolated, { project_id: "alpha" });
    const state = async () => (await call(`/api/v1/runners/${registered.id}`)).body;
    expect(await state()).toMatchObject({ state: "offline", machine: "host-1", last_seen: null });
    const unavailable = { dagger: "The engine does not answer." };
    const runner = await registered.join({ labels: ["gpu"], slots: 3, unavailable });
    expect(runner.all("welcome")[0]).toMatchObject({
      runner_id: registered.id,
      pool: "project:alpha",
    });
    const dispatch = owner.dispatch({}, { project_id: "alpha" });
    await env.RUNNER_POOL.getByName("project:alpha").offer(dispatch);
    await runner.assigned(dispatch);
    expect(await state()).toMatchObject({
      state: "connected",
      version: "test",
      labels: ["gpu"],
      task_types: ["subprocess"],
      unavailable,
      slots: 3,
      running: 1,
      draining: false,
      last_seen: expect.any(String),
    });
    runner.close();
    await eventually(async () => expect(await state()).toMatchObject({ state: "offline" }));
  });

  it("is refused from the moment that it is revoked, and what it had is lost", async () => {
    const registered = await RegisteredRunner.of(isolated, { project_id: "revoking" });
    const runner = await registered.join();
    const dispatch = owner.dispatch({}, { project_id: "revoking" });
    await env.RUNNER_POOL.getByName("project:revoking").offer(dispatch);
    await runner.assigned(dispatch);
    const path = `/api/v1/runners/${registered.id}`;
    expect((await call(path, { method: "DELETE" })).status).toBe(204);
    expect(await runner.next("refused")).toMatchObject({ code: "revoked" });
    await eventually(() => expect(owner.types(dispatch)).toEqual(["lost"]));
    expect((await registered.open()).status).toBe(403);
    expect((await call(path)).body).toMatchObject({
      state: "revoked",
      revoked_at: expect.any(String),
    });
    expect((await call(path, { method: "DELETE" })).status).toBe(204);
    const fresh = isolate();
    const reply = await fresh.call(RUNNER_PATHS.connect, {
      headers: { authorization: registered.authorization(RUNNER_PATHS.connect, { digest: "-" }) },
      key: null,
    });
    expect(reply).toMatchObject({ status: 403, body: { code: "forbidden" } });
  });

  it("that is shared is for callers of all projects", async () => {
    const shared = await RegisteredRunner.of(isolated, { shared: true });
    const runner = await shared.join();
    expect(runner.all("welcome")[0]?.pool).toBe("shared");
    const some = await keyOf(["alpha"], BOTH);
    const body = { name: "s", shared: true };
    expect((await call("/api/v1/runners", { body, key: some })).status).toBe(403);
    expect((await call(`/api/v1/runners/${shared.id}`, { key: some })).status).toBe(404);
    const remove = { method: "DELETE", key: some };
    expect((await call(`/api/v1/runners/${shared.id}`, remove)).status).toBe(404);
    expect((await call("/api/v1/runners", { key: some })).text).not.toContain(shared.id);
    expect((await call("/api/v1/runners?limit=200")).text).toContain(shared.id);
  });

  it("of another project does not exist", async () => {
    const { id } = await createRunner(isolated, { project_id: "alpha" });
    const [alpha, beta] = [await keyOf(["alpha"], BOTH), await keyOf(["beta"], BOTH)];
    for (const method of ["GET", "DELETE"]) {
      expect((await call(`/api/v1/runners/${id}`, { method, key: beta })).status).toBe(404);
    }
    expect((await call("/api/v1/runners", { key: beta })).text).not.toContain(id);
    expect((await call("/api/v1/runners", { key: alpha })).text).toContain(id);
    const filtered = await call("/api/v1/runners?project_id=alpha", { key: beta });
    expect(filtered.body).toEqual({ items: [], next_cursor: null });
    const body = { name: "x", project_id: "alpha" };
    expect((await call("/api/v1/runners", { body, key: beta })).status).toBe(422);
  });

  it.each([
    {},
    { name: "" },
    { name: "x", shared: "yes" },
    { name: "x", shared: true, project_id: "alpha" },
    { name: "x", project_id: "../etc" },
    { name: "x", token: "mine" },
  ])("cannot be created from %j", async (body) => {
    const reply = await call("/api/v1/runners", { body });
    expect(reply, reply.text).toMatchObject({ status: 422, body: { code: "validation_failed" } });
  });

  it("is listed in pages", async () => {
    for (const name of ["a", "b", "c"]) {
      await createRunner(isolated, { name, project_id: "paging" });
    }
    const first = await call("/api/v1/runners?project_id=paging&limit=2&order=asc");
    expect(first.body).toMatchObject({ items: [{ name: "a" }, { name: "b" }] });
    const next = /^<(.+)>; rel="next"$/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    expect((await call(next)).body).toMatchObject({ items: [{ name: "c" }], next_cursor: null });
  });
});

describe("a pool that was reset", () => {
  const reset = () => {
    throw new Error("The object was reset.");
  };
  const later = { status: 503, body: { code: "unavailable" } };

  it("is asked again for a signed request", async () => {
    const registered = await RegisteredRunner.of(isolated);
    vi.spyOn(RunnerPoolBase.prototype, "admit").mockImplementation(reset);
    const reply = await registered.call(RUNNER_PATHS.blobs);
    expect(reply).toMatchObject(later);
    expect(reply.headers.get("retry-after")).toBe("1");
  });

  it("is asked again to register a runner, and to revoke it", async () => {
    const { token, id } = await createRunner(isolated);
    const { public_key } = newKeys();
    const enrolling = vi.spyOn(RunnerPoolBase.prototype, "enroll").mockImplementation(reset);
    expect(await register(isolated, token, public_key)).toMatchObject(later);
    enrolling.mockRestore();
    expect((await register(isolated, token, public_key)).status).toBe(200);
    const revoking = vi.spyOn(RunnerPoolBase.prototype, "revoke").mockImplementation(reset);
    const revoke = () => call(`/api/v1/runners/${id}`, { method: "DELETE" });
    expect(await revoke()).toMatchObject(later);
    revoking.mockRestore();
    expect((await revoke()).status).toBe(204);
  });
});

describe("a registration token", () => {
  it("registers one key, which may ask again", async () => {
    const { token, id } = await createRunner(isolated, { project_id: "alpha" });
    const [mine, other] = [newKeys().public_key, newKeys().public_key];
    for (const _ of [1, 2]) {
      const reply = await register(isolated, token, mine);
      expect(reply).toMatchObject({ status: 200, body: { runner_id: id, pool: "project:alpha" } });
    }
    expect(await register(isolated, token, other)).toMatchObject({ status: 401 });
  });

  it.each(["unknown", "expired", "revoked"])("that is %s registers nothing", async (kind) => {
    const { token, id } = await createRunner(isolated);
    if (kind === "expired") {
      await env.DB.prepare("UPDATE runners SET token_expires_at = 1 WHERE id = ?").bind(id).run();
    } else if (kind === "revoked") await call(`/api/v1/runners/${id}`, { method: "DELETE" });
    const used = kind === "unknown" ? `${token}x` : token;
    const reply = await register(isolated, used, newKeys().public_key);
    expect(reply).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    expect(reply.text).toContain("POST /api/v1/runners");
  });

  it("takes nothing that is no key", async () => {
    const { token } = await createRunner(isolated);
    const reply = await register(isolated, token, "short");
    expect(reply).toMatchObject({ status: 422, body: { errors: [{ path: "public_key" }] } });
  });
});

describe("a signature", () => {
  const path = RUNNER_PATHS.exchange;
  const body = JSON.stringify({ session: "session-1", frames: [helloFrame()], wait_ms: 0 });
  const exchange = { method: "POST", body, headers: { "content-type": "application/json" } };

  it("is good once", async () => {
    const runner = await RegisteredRunner.of(isolated);
    const nonce = newNonce();
    expect((await runner.call(path, { ...exchange, nonce })).status).toBe(200);
    const again = await runner.call(path, { ...exchange, nonce });
    expect(again).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    expect(again.text).toContain("made before");
    const other = await RegisteredRunner.of(isolated);
    expect((await other.call(path, { ...exchange, nonce })).status).toBe(200);
  });

  it.each([
    ["of a clock far ahead", { skew: 400 }, "ahead"],
    ["of a clock far behind", { skew: -400 }, "behind"],
    ["of another body", { digest: "00".repeat(32) }, "signed"],
    ["of another path", { signedPath: RUNNER_PATHS.blobs }, "signed"],
    ["that leaves the body out", { digest: "-" }, "signed"],
  ] as const)("%s is refused", async (_, init, said) => {
    const runner = await RegisteredRunner.of(isolated);
    const reply = await runner.call(path, { ...exchange, ...init });
    expect(reply).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    expect(reply.text).toContain(said);
  });

  it("of a clock a little off is good", async () => {
    const runner = await RegisteredRunner.of(isolated);
    for (const skew of [-290, 290]) {
      expect((await runner.call(path, { ...exchange, skew })).status).toBe(200);
    }
  });

  it("of a runner that never registered, or of another's key, is refused", async () => {
    const runner = await RegisteredRunner.of(isolated);
    const other = await RegisteredRunner.of(isolated);
    const pending = await createRunner(isolated);
    const init = { ...exchange, key: null };
    for (const id of [other.id, pending.id, crypto.randomUUID()]) {
      const authorization = runner.authorization(path, exchange).replace(runner.id, id);
      const headers = { ...exchange.headers, authorization };
      expect(await call(path, { ...init, headers })).toMatchObject({ status: 401 });
    }
  });

  it("is what the WebSocket needs too, once", async () => {
    const runner = await RegisteredRunner.of(isolated);
    const nonce = newNonce();
    expect((await runner.open({ nonce })).status).toBe(101);
    expect((await runner.open({ nonce })).status).toBe(401);
    expect((await runner.open({ skew: 1_000 })).status).toBe(401);
    const plain = await runner.call(RUNNER_PATHS.connect, { digest: "-" });
    expect(plain).toMatchObject({ status: 400, body: { code: "bad_request" } });
  });
});
