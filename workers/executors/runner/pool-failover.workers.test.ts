/** Dispatches that go to another executor, or to another runner, than they were first given to. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { poolPorts } from "../../runner-pool.ts";
import { attemptKey, type Dispatch } from "../detached.ts";
import { CLOSE_ENDED } from "./protocol.ts";
import { eventually, FakeOwner, newPool, ScriptedRunner } from "./test-support.ts";

let owner: FakeOwner;
beforeEach(() => {
  owner = new FakeOwner().install();
});
afterEach(() => {
  vi.restoreAllMocks();
  Object.assign(poolPorts, { lease_ms: undefined });
});

type Pool = ReturnType<typeof newPool>;
const both = { task_types: ["subprocess" as const, "dagger" as const] };

/** What the pool keeps of a dispatch. */
function kept(pool: Pool, dispatch: Dispatch) {
  return runInDurableObject(pool, (_, { storage }) => {
    const sql = "SELECT task_type, patient, state FROM attempts WHERE attempt = ?";
    return storage.sql.exec(sql, attemptKey(dispatch)).toArray()[0] ?? null;
  });
}

/** A pool whose only runner is busy, and what waits behind. */
async function waiting(place: Partial<Dispatch> = {}) {
  const pool = newPool();
  const runner = await ScriptedRunner.join(pool, "r1", { slots: 1 });
  const busy = owner.dispatch();
  await pool.offer(busy);
  const name = await runner.assigned(busy);
  const dispatch = owner.dispatch({}, place);
  expect(await pool.offer(dispatch)).toEqual({ status: "taken" });
  return { pool, runner, busy, name, dispatch };
}

describe("a dispatch that does not wait for a runner", () => {
  it("goes elsewhere when none that fits has been connected for a lease", async () => {
    Object.assign(poolPorts, { lease_ms: 150 });
    const { pool, runner, dispatch } = await waiting({ patient: false });
    runner.close();
    const told = [attemptKey(dispatch), "subprocess", `runners/${pool.name}`];
    await eventually(() => expect(owner.unavailable).toEqual([told]));
    expect(await kept(pool, dispatch)).toBeNull();
  });

  it("waits from when it is offered so, as its owner has no other executor", async () => {
    const { pool, dispatch } = await waiting({ patient: false });
    expect(await kept(pool, dispatch)).toMatchObject({ patient: 0, state: "queued" });
    await pool.offer({ ...dispatch, patient: true });
    expect(await kept(pool, dispatch)).toMatchObject({ patient: 1 });
    await pool.offer(dispatch);
    expect(await kept(pool, dispatch)).toMatchObject({ patient: 1 });
  });

  it("of a pool of an earlier version waits as it was to", async () => {
    const { pool, dispatch } = await waiting({ patient: false });
    await runInDurableObject(pool, (_, { storage }) => {
      storage.sql.exec("ALTER TABLE attempts DROP COLUMN patient");
    });
    await evictDurableObject(pool);
    expect(await pool.waiting(dispatch)).not.toBeNull();
    expect(await kept(pool, dispatch)).toMatchObject({ patient: 1, state: "queued" });
  });
});

describe("a dispatch that went to another type", () => {
  it("takes the place of what waits, and is not taken for it", async () => {
    const { pool, runner, name, dispatch } = await waiting();
    const moved = owner.elsewhere(dispatch, "dagger");
    expect(await pool.offer(moved)).toEqual({ status: "taken" });
    expect(await kept(pool, dispatch)).toMatchObject({ task_type: "dagger", state: "queued" });
    expect(owner.step(dispatch).claimed_by).toBe(`runners/${pool.name}`);
    expect(await pool.offer(dispatch)).toEqual({ status: "taken" });
    expect(await kept(pool, dispatch)).toMatchObject({ task_type: "dagger" });
    runner.heartbeat({ ...name, output: 0 });
    const second = await ScriptedRunner.join(pool, "r2", both);
    await second.assigned(moved);
  });

  it("is refused by itself, though the other type waits", async () => {
    const { pool, dispatch } = await waiting();
    const moved = owner.elsewhere({ ...dispatch, patient: false }, "dagger");
    expect(await pool.offer(moved)).toMatchObject({
      status: "unavailable",
      reason: expect.stringContaining("dagger"),
    });
  });

  it("is not given out while it is being prepared for the type of before", async () => {
    const pool = newPool();
    // More than the pool keeps the requests of: the first is asked for again when it is assigned.
    const dispatches = Array.from({ length: 40 }, () => owner.dispatch());
    for (const dispatch of dispatches) await pool.offer(dispatch);
    const [dispatch] = dispatches;
    if (!dispatch) throw new Error("no dispatch");
    owner.held = "claim";
    const runner = await ScriptedRunner.join(pool, "r1", { slots: 1 });
    await eventually(() => expect(owner.waiting).toBe(1));
    const offered = pool.offer(owner.elsewhere(dispatch, "dagger"));
    await eventually(() => expect(owner.waiting).toBeGreaterThanOrEqual(2));
    owner.held = null;
    expect(await offered).toEqual({ status: "taken" });
    await runner.next("assign");
    expect(runner.all("assign").map(({ attempt }) => attempt)).not.toContain(attemptKey(dispatch));
    expect(await kept(pool, dispatch)).toMatchObject({ task_type: "dagger", state: "queued" });
  });

  it("after a runner may have begun it is lost, so that it is dispatched anew", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1", both);
    const dispatch = owner.dispatch();
    await pool.offer(dispatch);
    const name = await runner.assigned(dispatch);
    const moved = owner.elsewhere(dispatch, "dagger");
    expect(await pool.offer(moved)).toEqual({ status: "taken" });
    await eventually(() => expect(owner.types(dispatch)).toEqual(["lost"]));
    expect(await runner.next("fenced")).toMatchObject(name);
    const fresh = owner.again(moved);
    await pool.offer(fresh);
    runner.heartbeat();
    await runner.assigned(fresh);
  });
});

describe("a runner that is revoked", () => {
  it("leaves to others what it never got", async () => {
    const pool = newPool();
    const dispatches = Array.from({ length: 40 }, () => owner.dispatch());
    for (const dispatch of dispatches) await pool.offer(dispatch);
    const [dispatch] = dispatches;
    if (!dispatch) throw new Error("no dispatch");
    owner.held = "claim";
    const revoked = await ScriptedRunner.join(pool, "r1", { slots: 1 });
    await eventually(() => expect(owner.waiting).toBe(1));
    await pool.revoke("r1");
    owner.held = null;
    const other = await ScriptedRunner.join(pool, "r2", { slots: 1 });
    await other.assigned(dispatch);
    expect(owner.types(dispatch)).toEqual([]);
    expect(revoked.all("assign")).toEqual([]);
  });
});

describe("a connection that is closed", () => {
  it("is not heard any more, so that what the next one has is not lost", async () => {
    const { pool, runner, busy, name } = await waiting();
    runner.send({ type: "started", ...name });
    await eventually(() => expect(owner.types(busy)).toEqual(["started"]));
    const sockets: WebSocket[] = [];
    await runInDurableObject(pool, (_, state) => {
      sockets.push(...state.getWebSockets("r1"));
    });
    const running = [{ ...name, output: 0 }];
    const next = await ScriptedRunner.join(pool, "r1", { slots: 1, running });
    const heartbeat = { type: "heartbeat", running: [], unavailable: {}, draining: false };
    const late = JSON.stringify({ ...heartbeat, task_types: ["subprocess"] });
    await runInDurableObject(pool, async (object) => {
      for (const socket of sockets) await object.webSocketMessage(socket, late);
    });
    expect((await pool.status(["r1"]))[0]).toMatchObject({ running: 1 });
    expect(owner.types(busy)).not.toContain("lost");
    expect(next.all("fenced")).toEqual([]);
  });

  it("is given nothing, and what was meant for it waits for the next", async () => {
    const pool = newPool();
    await ScriptedRunner.join(pool, "r1");
    const dispatch = owner.dispatch();
    await runInDurableObject(pool, async (object, state) => {
      // Closed below the pool, which learns of it by what it cannot send.
      for (const socket of state.getWebSockets("r1")) socket.close(1011, "test");
      await object.offer(dispatch);
    });
    await eventually(async () => {
      expect(await pool.waiting(dispatch)).toMatchObject({
        reason: expect.stringContaining("connected"),
      });
    });
    expect(owner.claims).toBe(1);
    const next = await ScriptedRunner.join(pool, "r1");
    await next.assigned(dispatch);
  });
});

describe("a runner that ends", () => {
  it("leaves to others at once what it never began, and loses the rest", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1");
    const [begun, unbegun] = [owner.dispatch(), owner.dispatch()];
    await pool.offer(begun);
    runner.send({ type: "started", ...(await runner.assigned(begun)) });
    await eventually(() => expect(owner.types(begun)).toEqual(["started"]));
    await pool.offer(unbegun);
    await runner.assigned(unbegun);
    const other = await ScriptedRunner.join(pool, "r2");
    runner.socket.close(CLOSE_ENDED, "ended");
    await other.assigned(unbegun);
    await eventually(() => expect(owner.types(begun)).toEqual(["started", "lost"]));
    expect(owner.types(unbegun)).toEqual([]);
    expect(await pool.status(["r1"])).toMatchObject([{ is_connected: false, running: 0 }]);
  });
});

describe("a nonce", () => {
  it("that has expired is forgotten with the next", async () => {
    const pool = newPool();
    const count = () =>
      runInDurableObject(
        pool,
        (_, { storage }) => storage.sql.exec("SELECT COUNT(*) AS count FROM nonces").one().count,
      );
    expect(await pool.admit("r1", "old", Date.now() - 1)).toBe("admitted");
    expect(await pool.admit("r1", "new", Date.now() + 60_000)).toBe("admitted");
    expect(await count()).toBe(1);
  });
});
