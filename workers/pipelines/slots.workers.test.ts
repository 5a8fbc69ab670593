/** Slots of the deployment: who gets one and when, and that none is ever lost. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadConfig } from "../config.ts";
import {
  begin,
  crash,
  create,
  eventually,
  runs,
  SLEEP,
  slotLeases,
  start,
  stepIs,
  stubOf,
  until,
  why,
} from "./test-support-runs.ts";

const KEY = "pipelines";
const LONG_MS = 600_000;
const SLOTS = loadConfig(env).MAX_CONCURRENT_PIPELINES;
const limits = () => env.LIMITS.getByName(KEY);
const approve = { step: null, approved: true, by: "ann", comment: null };
const HOLD = { name: "hold", approval: true };
const QUICK = { name: "quick", script: SLEEP, inputs: 0 };
const LONG = { name: "long", script: SLEEP, inputs: 60_000 };

/** Leaves one slot to the test: the others are held by nobody. */
beforeEach(async () => {
  for (let slot = 1; slot < SLOTS; slot += 1) {
    await limits().acquire(KEY, `other-${slot}`, SLOTS, LONG_MS);
  }
});
afterEach(async () => {
  vi.useRealTimers();
  const { held, waiting } = await slotLeases();
  for (const { holder } of [...held, ...waiting]) await limits().release(KEY, holder);
});

/** Fills the last slot; resolves to what frees it. */
async function fill(): Promise<() => Promise<void>> {
  await limits().acquire(KEY, "last", SLOTS, LONG_MS);
  return async () => limits().release(KEY, "last");
}

const isHeld = async (id: string) =>
  (await slotLeases()).held.some(({ holder }) => holder === `${id}/1`);
const isQueued = (id: string) =>
  eventually(async () => {
    const { waiting } = await slotLeases();
    expect(waiting.map(({ holder }) => holder)).toContain(`${id}/1`);
  });

describe("slots", () => {
  it("is not kept by a run that only waits from its beginning", async () => {
    const id = await begin([HOLD]);
    await stepIs(id, "hold", "waiting");
    expect(await isHeld(id)).toBe(false);
    await runs.approve(id, null, approve);
    await until(id, "completed");
  });

  it("are given by priority, then by age, and the place is told", async () => {
    const release = await fill();
    const order: string[] = [];
    const ids: Record<string, string> = {};
    for (const [name, priority] of [
      ["first", 0],
      ["second", 0],
      ["urgent", 10],
    ] as const) {
      const id = await begin([{ ...LONG, name }], { priority });
      ids[name] = id;
      await isQueued(id);
    }
    const { first = "", second = "", urgent = "" } = ids;
    for (const [id, place] of [
      [urgent, 1],
      [first, 2],
      [second, 3],
    ] as const) {
      await eventually(async () => {
        const { reason, state, waiting } = await why(id);
        expect(reason).toContain(`number ${place} in the queue`);
        expect({ state, waiting }).toEqual({ state: "queued", waiting: { pipeline_slot: 1 } });
      });
    }
    await release();
    for (let turn = 0; turn < 3; turn += 1) {
      const id = await eventually(async () => {
        const { held } = await slotLeases();
        const found = Object.values(ids).find((one) =>
          held.some(({ holder }) => holder === `${one}/1`),
        );
        if (!found) throw new Error("no run has the slot yet");
        return found;
      });
      order.push(id);
      await until(id, "running");
      await runs.cancel(id);
      await eventually(async () => expect(await isHeld(id)).toBe(false));
    }
    expect(order).toEqual([urgent, first, second]);
  });

  it("are given back at a gate, and asked for again behind it", async () => {
    const id = await begin([QUICK, { ...HOLD, needs: ["quick"] }, { ...LONG, needs: ["hold"] }]);
    await stepIs(id, "hold", "waiting");
    await eventually(async () => expect(await isHeld(id)).toBe(false));
    expect((await runs.read(id)).run?.status).toBe("running");
    const release = await fill();
    await runs.approve(id, null, approve);
    await isQueued(id);
    expect((await runs.read(id)).run?.status).toBe("queued");
    await release();
    await stepIs(id, "long", "running");
    await runs.cancel(id);
  });

  it("are held through a wait beside work, and through the delay of a retry", async () => {
    const id = await begin([HOLD, LONG]);
    await stepIs(id, "long", "running");
    expect(await isHeld(id)).toBe(true);
    await runs.cancel(id);
    const flaky = await begin([
      {
        name: "flaky",
        script: "export default () => { throw new Error('no') }",
        retry: { max_attempts: 2, initial_seconds: 60 },
      },
    ]);
    await stepIs(flaky, "flaky", "waiting");
    expect(await isHeld(flaky)).toBe(true);
    await runs.cancel(flaky);
    await eventually(async () => expect(await isHeld(flaky)).toBe(false));
  });

  it("are given back by a pause, also in the queue, and queued for by resume", async () => {
    const id = await begin([LONG]);
    await stepIs(id, "long", "running");
    await runs.pause(id, null, "now");
    await until(id, "paused");
    await eventually(async () => expect(await isHeld(id)).toBe(false));
    const release = await fill();
    await runs.resume(id, null);
    await isQueued(id);
    await runs.pause(id, null, "boundary");
    await eventually(async () => expect((await slotLeases()).waiting).toEqual([]));
    await runs.resume(id, null);
    await release();
    await stepIs(id, "long", "running");
    await runs.cancel(id);
  });

  it("are given back by whoever is cancelled in the queue", async () => {
    const release = await fill();
    const id = await begin([QUICK]);
    await isQueued(id);
    expect((await runs.cancel(id)).run?.status).toBe("cancelled");
    await eventually(async () => expect((await slotLeases()).waiting).toEqual([]));
    await release();
  });

  it("are taken back by a run whose object died, and freed by one that does not return", async () => {
    const id = await begin([{ ...LONG, inputs: 300 }]);
    await stepIs(id, "long", "running");
    await crash(id);
    await until(id, "completed");
    await eventually(async () => expect((await slotLeases()).held).toHaveLength(SLOTS - 1));
    await limits().acquire(KEY, "gone", SLOTS, 50);
    const next = await create([QUICK]);
    await start(next);
    await until(next, "completed");
  });

  it("that ran out while nobody renewed them are asked for again, and nothing starts meanwhile", async () => {
    const id = await begin([
      { ...LONG, name: "slow", inputs: 500 },
      { ...QUICK, needs: ["slow"] },
    ]);
    await stepIs(id, "slow", "running");
    await limits().release(KEY, `${id}/1`);
    const release = await fill();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 5_000 });
    await runDurableObjectAlarm(stubOf(id));
    vi.useRealTimers();
    await isQueued(id);
    await stepIs(id, "slow", "completed");
    expect((await runs.step(id, null, "quick")).state.status).toBe("pending");
    await release();
    await until(id, "completed");
  });
});
