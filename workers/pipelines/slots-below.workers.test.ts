/** The slot of a run whose sub-pipelines wait: given back, queued for again, and never lost. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { loadConfig } from "../config.ts";
import {
  begin,
  crash,
  create,
  eventsOfType,
  eventually,
  runs,
  SLEEP,
  slotLeases,
  stepIs,
  stubOf,
  until,
  why,
} from "./test-support-runs.ts";

const KEY = "pipelines";
const SLOTS = loadConfig(env).MAX_CONCURRENT_PIPELINES;
const limits = () => env.LIMITS.getByName(KEY);
const approve = { step: null, approved: true, by: "ann", comment: null };
const HOLD = { name: "hold", approval: true } as const;
const QUICK = { name: "quick", script: SLEEP, inputs: 0 };
const LONG = { name: "long", script: SLEEP, inputs: 60_000 };
const GATED = [QUICK, { ...HOLD, needs: ["quick"] }, { ...QUICK, name: "last", needs: ["hold"] }];
const sub = (pipeline: string, name = "sub") => ({ name, pipeline });

/** Leaves one slot to the test: the others are held by nobody. */
beforeEach(async () => {
  for (let slot = 1; slot < SLOTS; slot += 1) {
    await limits().acquire(KEY, `other-${slot}`, SLOTS, 600_000);
  }
});
afterEach(async () => {
  vi.useRealTimers();
  const { held, waiting } = await slotLeases();
  for (const { holder } of [...held, ...waiting]) await limits().release(KEY, holder);
});

/** Fills the last slot as soon as it is free; resolves to what frees it. */
async function fill(): Promise<() => Promise<void>> {
  await eventually(async () => {
    const { granted } = await limits().acquire(KEY, "last", SLOTS, 600_000);
    if (!granted) await limits().release(KEY, "last");
    expect(granted).toBe(true);
  });
  return async () => limits().release(KEY, "last");
}

const holdsSlot = (id: string, holds: boolean) =>
  eventually(async () => {
    const { held } = await slotLeases();
    expect(held.some(({ holder }) => holder === `${id}/1`)).toBe(holds);
  });
const isQueued = (id: string) =>
  eventually(async () => {
    const { waiting } = await slotLeases();
    expect(waiting.map(({ holder }) => holder)).toEqual([`${id}/1`]);
  });

describe("a run whose sub-pipeline waits", () => {
  it("gives its slot back, and queues again before that one goes on", async () => {
    const child = await create(GATED);
    const root = await begin([sub(child), { ...QUICK, name: "after", needs: ["sub"] }]);
    await stepIs(child, "hold", "waiting");
    await holdsSlot(root, false);
    const free = await fill();
    await runs.approve(child, null, approve);
    await isQueued(root);
    expect((await runs.step(child, null, "last")).state).toMatchObject({ epoch: 0 });
    await eventually(async () => expect((await why(child)).reason).toContain("in the queue"));
    await free();
    await until(root, "completed");
    expect(await eventsOfType(root, "step.resting")).toEqual([{ step: "sub" }]);
    expect(await eventsOfType(root, "step.resumed")).toEqual([{ step: "sub" }]);
    await eventually(async () => expect((await slotLeases()).held).toHaveLength(SLOTS - 1));
  });

  it("does so however far below it waits, and when nothing came before", async () => {
    const leaf = await create([HOLD, { ...QUICK, needs: ["hold"] }]);
    const middle = await create([sub(leaf)]);
    const root = await begin([sub(middle)]);
    await stepIs(leaf, "hold", "waiting");
    await holdsSlot(root, false);
    const free = await fill();
    await runs.approve(leaf, null, approve);
    await isQueued(root);
    expect((await runs.step(leaf, null, "quick")).state).toMatchObject({ epoch: 0 });
    await free();
    await until(root, "completed");
  });

  it("does so while that one is paused, and not while another goes on", async () => {
    const child = await create([{ ...LONG, name: "a" }]);
    const busy = await create([LONG]);
    const root = await begin([sub(child), sub(busy, "busy")]);
    await stepIs(child, "a", "running");
    await stepIs(busy, "long", "running");
    await runs.pause(child, null, "now");
    await until(child, "paused");
    await eventually(async () => {
      expect(await eventsOfType(root, "step.resting")).toEqual([{ step: "sub" }]);
    });
    await holdsSlot(root, true);
    expect((await slotLeases()).held).toHaveLength(SLOTS);
    await runs.pause(busy, null, "now");
    await until(busy, "paused");
    await holdsSlot(root, false);
    const free = await fill();
    await runs.resume(child, null);
    await isQueued(root);
    expect((await runs.read(child)).run?.status).toBe("queued");
    await free();
    await stepIs(child, "a", "running");
    expect((await runs.cancel(root)).run?.status).toBe("cancelled");
    await until(busy, "cancelled");
  });

  it("is left alone by its alarm and by the sweep, for as long as the step may take", async () => {
    const child = await create([HOLD]);
    const root = await begin([{ ...sub(child), timeout_seconds: 3_600 }]);
    await holdsSlot(root, false);
    await eventually(async () => {
      const [resting] = await eventsOfType(root, "step.resting");
      expect(resting).toBeDefined();
      const { state } = await runs.step(root, null, "sub");
      expect(state).toMatchObject({ resting: true, lease_until: null });
      const row = await env.DB.prepare("SELECT wake_at FROM pipelines WHERE id = ?")
        .bind(root)
        .first();
      expect(z.object({ wake_at: z.number() }).parse(row).wake_at).toBe(state.deadline_at);
    });
    expect((await runs.cancel(root)).run?.status).toBe("cancelled");
    expect((await runs.read(child)).run?.status).toBe("cancelled");
  });

  it.each(["above", "below", "both"])(
    "loses nothing when objects die at rest: %s",
    async (where) => {
      const child = await create(GATED);
      const root = await begin([sub(child)]);
      await stepIs(child, "hold", "waiting");
      await holdsSlot(root, false);
      if (where !== "below") await crash(root);
      if (where !== "above") await crash(child);
      const free = await fill();
      await runs.approve(child, null, approve);
      await isQueued(root);
      await free();
      await until(root, "completed");
    },
  );

  it.each(["above", "below", "both"])(
    "loses nothing when they die in the queue: %s",
    async (where) => {
      const child = await create(GATED);
      const root = await begin([sub(child)]);
      await stepIs(child, "hold", "waiting");
      const free = await fill();
      await runs.approve(child, null, approve);
      await isQueued(root);
      if (where !== "below") await crash(root);
      if (where !== "above") await crash(child);
      await runs.read(root);
      await runs.read(child);
      await isQueued(root);
      expect((await runs.step(child, null, "last")).state).toMatchObject({ epoch: 0 });
      await free();
      await until(root, "completed");
      await eventually(async () => expect((await slotLeases()).held).toHaveLength(SLOTS - 1));
    },
  );

  it("takes its slot back when the word of a rest came late, and starts nothing meanwhile", async () => {
    const slow = { name: "slow", script: SLEEP, inputs: 1_500 };
    const child = await create([slow, { ...QUICK, needs: ["slow"] }]);
    const root = await begin([sub(child)]);
    await stepIs(child, "slow", "running");
    const { summary } = await runs.inspect(child, null);
    const { parent } = summary;
    if (!parent) throw new Error("the run has no parent");
    await stubOf(root).childReported({ parent, result: null, outputs: null, resting: true });
    const free = await fill();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 5_000 });
    await runDurableObjectAlarm(stubOf(child));
    vi.useRealTimers();
    await isQueued(root);
    await stepIs(child, "slow", "completed");
    expect((await runs.step(child, null, "quick")).state).toMatchObject({ epoch: 0 });
    await free();
    await until(root, "completed");
  });

  it("lets another pipeline have the slot meanwhile", async () => {
    const child = await create(GATED);
    const root = await begin([sub(child)]);
    await stepIs(child, "hold", "waiting");
    const other = await begin([QUICK]);
    await until(other, "completed");
    await runs.approve(child, null, approve);
    await until(root, "completed");
  });
});
