/** What waits in a project's own pool when that has no runner for it any more. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { attemptKey, type DetachedType, type Dispatch } from "../detached.ts";
import { poolName, SHARED_POOL } from "./pools.ts";
import { eventually, FakeOwner, newPool, ScriptedRunner } from "./test-support.ts";

let owner: FakeOwner;
beforeEach(() => {
  owner = new FakeOwner().install();
});
afterEach(() => vi.restoreAllMocks());

type Pool = ReturnType<typeof newPool>;
const ownPool = () => newPool(poolName(crypto.randomUUID()));

function kept(pool: Pool): Promise<number> {
  return runInDurableObject(pool, (_, { storage }) =>
    Number(storage.sql.exec("SELECT COUNT(*) AS count FROM attempts").one().count),
  );
}

const returned = (pool: Pool, dispatch: Dispatch, type: DetachedType = "subprocess") =>
  [attemptKey(dispatch), type, `runners/${pool.name}`] as const;

/** An own pool with a runner that is registered and not there, and what waits for it. */
async function waiting(count: number, place: Partial<Dispatch> = {}) {
  const pool = ownPool();
  await pool.enroll("r1", "gone");
  const dispatches = Array.from({ length: count }, () => owner.dispatch({}, place));
  for (const dispatch of dispatches) {
    expect(await pool.offer(dispatch)).toEqual({ status: "taken" });
  }
  return { pool, dispatches };
}

describe("what waits in a project's own pool", () => {
  it("goes back to its owners when the last runner is revoked, each once", async () => {
    const { pool, dispatches } = await waiting(120);
    await pool.revoke("r1");
    await eventually(() => expect(owner.returned).toHaveLength(120));
    expect(new Set(owner.returned.map(String))).toEqual(
      new Set(dispatches.map((dispatch) => String(returned(pool, dispatch)))),
    );
    await eventually(async () => expect(await kept(pool)).toBe(0));
  });

  it("stays while another runner is meant for it, connected or not", async () => {
    const { pool, dispatches } = await waiting(1);
    const busy = owner.dispatch({}, { task_type: "dagger" });
    await pool.offer(busy);
    await ScriptedRunner.join(pool, "r2", { task_types: [], unavailable: { subprocess: "no" } });
    await pool.revoke("r1");
    await eventually(() => expect(owner.returned).toEqual([returned(pool, busy, "dagger")]));
    expect(await kept(pool)).toBe(1);
    const runner = await ScriptedRunner.join(pool, "r2");
    for (const dispatch of dispatches) await runner.assigned(dispatch);
  });

  it("goes back when its runner comes without the type, or says so later", async () => {
    const { pool, dispatches } = await waiting(1);
    const runner = await ScriptedRunner.join(pool, "r1", {
      task_types: ["dagger"],
      unavailable: { subprocess: "not now" },
    });
    runner.send({
      type: "heartbeat",
      running: [],
      task_types: ["dagger"],
      unavailable: {},
      draining: false,
    });
    const told = dispatches.map((dispatch) => returned(pool, dispatch));
    await eventually(() => expect(owner.returned).toEqual(told));
    const second = owner.dispatch();
    expect(await pool.offer(second)).toEqual({ status: "returned", by: `runners/${pool.name}` });
    expect(await kept(pool)).toBe(0);
  });

  it("goes back as it is, whether it waits for a runner or not", async () => {
    const { pool, dispatches } = await waiting(1);
    const runner = await ScriptedRunner.join(pool, "r1", { slots: 1 });
    const hasty = owner.dispatch({}, { patient: false });
    for (const dispatch of dispatches) await runner.assigned(dispatch);
    expect(await pool.offer(hasty)).toEqual({ status: "taken" });
    await pool.revoke("r1");
    await eventually(() => expect(owner.returned).toEqual([returned(pool, hasty)]));
    expect(owner.unavailable).toEqual([]);
  });

  it("is told until its owner has heard", async () => {
    const { pool, dispatches } = await waiting(3);
    owner.isDown = true;
    await pool.revoke("r1");
    await eventually(() => expect(owner.failures).toBeGreaterThan(0));
    expect(owner.returned).toEqual([]);
    expect(await kept(pool)).toBe(3);
    owner.isDown = false;
    await eventually(() => expect(owner.returned).toHaveLength(dispatches.length));
    await eventually(async () => expect(await kept(pool)).toBe(0));
  });

  it.each(["before", "after"])("survives a crash %s its owner hears of it", async (moment) => {
    const { pool, dispatches } = await waiting(1);
    if (moment === "before") owner.isDown = true;
    else owner.held = "report";
    await pool.revoke("r1");
    await eventually(() => expect(owner.failures + owner.waiting).toBeGreaterThan(0));
    const crashed = runInDurableObject(pool, (_, state) => state.abort("crash"));
    await crashed.catch(() => undefined);
    owner.held = null;
    owner.isDown = false;
    const again = newPool(pool.name);
    expect(await runDurableObjectAlarm(again)).toBe(true);
    const told = dispatches.map((dispatch) => returned(pool, dispatch));
    await eventually(async () => expect(await kept(again)).toBe(0));
    expect(owner.returned).toEqual(told);
  });

  it("is given to no runner that comes after it was claimed in vain", async () => {
    const { pool } = await waiting(0);
    owner.held = "claim";
    const dispatch = owner.dispatch();
    const offered = pool.offer(dispatch);
    await eventually(() => expect(owner.waiting).toBe(1));
    await pool.revoke("r1");
    owner.held = null;
    expect(await offered).toEqual({ status: "returned", by: `runners/${pool.name}` });
    expect(await kept(pool)).toBe(0);
  });

  it("says that shared runners pass it over, and what to do, when one could run it", async () => {
    const { pool, dispatches } = await waiting(1);
    const [dispatch] = dispatches;
    if (!dispatch) throw new Error("no dispatch");
    const reason = async () => String((await pool.waiting(dispatch))?.reason);
    expect(await reason()).not.toContain("Shared runners");
    const shared = await ScriptedRunner.join(newPool(SHARED_POOL), "s1");
    expect(await reason()).toContain("(1 registered). Start one that runs subprocess. Shared");
    expect(await reason()).toContain("DELETE /api/v1/runners/{id}");
    shared.close();
  });
});
