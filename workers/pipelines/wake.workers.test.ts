/** When a pipeline's object is to be woken, as the sweep reads it in D1. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { loadConfig } from "../config.ts";
import { QUIET_MS, sweep } from "../operations/sweeper.ts";
import { callOnRun } from "../runs/client.ts";
import {
  begin,
  crash,
  create,
  eventually,
  runs,
  SLEEP,
  start,
  stepIs,
  stubOf,
  until,
} from "./test-support-runs.ts";

const HOLD = { name: "hold", approval: true } as const;
const WITHIN_MS = 3_600_000;
const LIMITED = { name: "hold", approval: { timeout_seconds: WITHIN_MS / 1000 } };
const rowSchema = z.object({
  state: z.string(),
  updated_at: z.number(),
  wake_at: z.number().nullable(),
});

/** The row once lists have followed the object to its newest change. */
const rowOf = (id: string) =>
  eventually(async () => {
    const { resource } = await runs.read(id);
    const found = await env.DB.prepare(
      "SELECT state, updated_at, wake_at FROM pipelines WHERE id = ? AND revision = ?",
    )
      .bind(id, resource.changed_seq)
      .first();
    return rowSchema.parse(found);
  });

const stateInLists = (id: string) =>
  env.DB.prepare("SELECT state FROM pipelines WHERE id = ?").bind(id).first("state");

/** Ids that a sweep calls on at a time. */
async function calledOn(at: number): Promise<string[]> {
  const called: string[] = [];
  await sweep(env.DB, async ({ id }) => called.push(id), at);
  return called;
}

describe("a run at rest", () => {
  it("is never called on while it waits without a limit", async () => {
    const id = await begin([HOLD]);
    await stepIs(id, "hold", "waiting");
    expect(await rowOf(id)).toMatchObject({ state: "running", wake_at: null });
    expect(await calledOn(Date.now() + 1_000 * QUIET_MS)).not.toContain(id);
    await runs.cancel(id);
  });

  it("is called on once its deadline is overdue, and not before", async () => {
    const id = await begin([LIMITED]);
    const { state } = await stepIs(id, "hold", "waiting");
    const deadline = state.gate_until ?? 0;
    expect(await rowOf(id)).toMatchObject({ state: "running", wake_at: deadline });
    expect(await calledOn(deadline + QUIET_MS - 1)).not.toContain(id);
    expect(await calledOn(deadline + QUIET_MS)).toContain(id);
    await runs.cancel(id);
  });

  it("is never called on while it is paused with nothing pending", async () => {
    const id = await begin([
      { name: "a", script: SLEEP, inputs: 100 },
      { name: "b", needs: ["a"] },
    ]);
    await runs.pause(id, null, "boundary");
    await until(id, "paused");
    expect(await rowOf(id)).toMatchObject({ state: "paused", wake_at: null });
    await runs.resume(id, null);
    await until(id, "completed");
    expect(await rowOf(id)).toMatchObject({ state: "completed", wake_at: null });
  });

  it("does not hide another run of its pipeline that is under way", async () => {
    const tasks = [
      { name: "quick", wait: { seconds: "${{ inputs.wait }}" } },
      { name: "slow", needs: ["quick"], script: SLEEP, inputs: 20_000 },
    ];
    const members = { inputs: { type: "object" }, concurrency: "allow" };
    const id = await create(tasks, members);
    await start(id, { inputs: { wait: 0 } });
    await stepIs(id, "slow", "running", 1);
    await start(id, { inputs: { wait: 3_600 } });
    await stepIs(id, "quick", "waiting", 2);
    const row = await rowOf(id);
    expect(row.wake_at).toBe(row.updated_at);
    await runs.cancel(id, 1);
    await runs.cancel(id, 2);
  });
});

describe("a run that is under way", () => {
  it("is called on when lists have not seen it change", async () => {
    const id = await begin([{ name: "slow", script: SLEEP, inputs: 20_000 }]);
    await stepIs(id, "slow", "running");
    const row = await rowOf(id);
    expect(row).toMatchObject({ state: "running", wake_at: row.updated_at });
    expect(await calledOn(row.updated_at + QUIET_MS)).toContain(id);
    await runs.cancel(id);
    expect(await rowOf(id)).toMatchObject({ state: "cancelled", wake_at: null });
  });

  it("is called on while it waits for a slot", async () => {
    const limits = env.LIMITS.getByName("pipelines");
    const { MAX_CONCURRENT_PIPELINES: slots } = loadConfig(env);
    const others = Array.from({ length: slots }, (_, slot) => `other-${slot}`);
    for (const other of others) await limits.acquire("pipelines", other, slots, 60_000);
    const id = await begin([{ name: "a" }]);
    const row = await rowOf(id);
    expect(row).toMatchObject({ state: "queued", wake_at: row.updated_at });
    expect(await calledOn(row.updated_at + QUIET_MS)).toContain(id);
    for (const other of others) await limits.release("pipelines", other);
    await until(id, "completed");
  });

  it("goes on by the sweep when its object has lost its alarm, and by nothing else", async () => {
    const short = { name: "short", wait: { seconds: 0.3 } };
    const id = await begin([short, { name: "b", needs: ["short"] }]);
    const { state } = await stepIs(id, "short", "waiting");
    const { wake_at } = await rowOf(id);
    expect(wake_at).toBe(state.gate_until);
    await crash(id);
    await runInDurableObject(stubOf(id), (_, { storage }) => storage.deleteAlarm());
    // Nothing but D1 is asked from here on: a call of the object would be what takes the run up.
    await scheduler.wait(700);
    expect(await stateInLists(id)).toBe("running");
    const at = (wake_at ?? 0) + QUIET_MS;
    await sweep(env.DB, ({ id: quiet }) => callOnRun(env.RUN_COORDINATOR, quiet, "own"), at);
    await eventually(async () => expect(await stateInLists(id)).toBe("completed"));
  });
});
