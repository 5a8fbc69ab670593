/**
 * Sub-pipelines whose begin and stop meet on the wire, and whose parent is reset in between: after
 * the cancel of the parent nothing of it is left running.
 */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ownObjectName } from "../runs/address.ts";
import type { ChildStart } from "../runs/sub-runs.ts";
import {
  crash,
  create,
  downgrade,
  eventsOfType,
  eventually,
  runs,
  start,
  stepIs,
  stubOf,
  until,
} from "./test-support-runs.ts";

const HOLD = [{ name: "hold", approval: true }];
const DAY_MS = 86_400_000;
const approve = { step: null, approved: true, by: "ann", comment: null };

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A call that the wire holds up: before it arrives, or on its way back. */
interface Held {
  readonly method: "beginChild" | "cancelChild";
  readonly on: "way there" | "way back";
  /** What was asked, by each call that was held up. */
  readonly asked: unknown[];
}

/** Holds up the first such call of a parent to its child for good: only a reset ends it. */
async function holdFirst(
  parent: string,
  child: string,
  method: Held["method"],
  on: Held["on"],
): Promise<Held> {
  const held: Held = { method, on, asked: [] };
  await runInDurableObject(stubOf(parent), (instance) => {
    const { RUN_COORDINATOR }: Env = Reflect.get(instance, "env");
    const getByName = RUN_COORDINATOR.getByName.bind(RUN_COORDINATOR);
    vi.spyOn(RUN_COORDINATOR, "getByName").mockImplementation((name) => {
      const stub = getByName(name);
      return name === ownObjectName(child) ? heldUp(stub, held) : stub;
    });
  });
  return held;
}

function heldUp<T extends object>(stub: T, { method, on, asked }: Held): T {
  return new Proxy(stub, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== "function") return member;
      const call = (given: unknown[]): unknown => Reflect.apply(member, target, given);
      if (key !== method || asked.length > 0) return (...given: unknown[]) => call(given);
      return async (...given: unknown[]) => {
        if (on === "way back") await call(given);
        asked.push(given[0]);
        for (;;) await scheduler.wait(1_000);
      };
    },
  });
}

const arrived = (held: Held) => eventually(() => expect(held.asked).toHaveLength(1));

/** A run whose only step is a sub-pipeline that waits for an approval. */
async function family() {
  const child = await create(HOLD);
  const root = await create([{ name: "child", pipeline: child }]);
  const first: ChildStart = {
    resource_id: child,
    project_id: (await runs.read(root)).resource.project_id,
    made_of: null,
    parent: { resource_id: root, run: 1, step: 0, epoch: 1, depth: 1, placement: "own" },
    inputs: "{}",
    triggered_by: null,
    pins: null,
    trace: null,
  };
  return { child, root, first };
}

/** What the child's object answers to the begin when it comes at last. */
async function deliver(start: ChildStart) {
  const { result } = await stubOf(start.resource_id).beginChild(start);
  return result;
}

const tombstones = (child: string) =>
  runInDurableObject(stubOf(child), (_, { storage }) =>
    storage.sql.exec("SELECT request_id FROM stopped_children").toArray(),
  );

describe("a begin that is still on its way when its parent is cancelled", () => {
  it("begins nothing after the parent has ended and was reset", async () => {
    const { child, root, first } = await family();
    const held = await holdFirst(root, child, "beginChild", "way there");
    await start(root);
    await arrived(held);
    expect(held.asked).toEqual([first]);
    expect((await runs.cancel(root)).run?.status).toBe("cancelled");
    await crash(root);
    expect(await deliver(first)).toEqual({ status: "cancelled" });
    await crash(child);
    expect(await deliver(first)).toEqual({ status: "cancelled" });
    expect((await runs.read(child)).run).toBeNull();
    expect((await runs.read(root)).run?.status).toBe("cancelled");
  });

  it("begins nothing when the parent is reset before it hears of the stop", async () => {
    const { child, root, first } = await family();
    const held = await holdFirst(root, child, "beginChild", "way there");
    await start(root);
    await arrived(held);
    vi.restoreAllMocks();
    const stop = await holdFirst(root, child, "cancelChild", "way back");
    const answer = runs.cancel(root);
    await arrived(stop);
    expect(await deliver(first)).toEqual({ status: "cancelled" });
    await crash(root);
    expect((await answer).run?.status).toBe("cancelled");
    expect(await deliver(first)).toEqual({ status: "cancelled" });
    expect((await runs.read(child)).run).toBeNull();
    const { error } = (await runs.step(root, null, "child")).state;
    expect(error?.code).not.toBe("stop_unconfirmed");
  });

  it("is stopped by the parent's next life when it came before the stop, and its answer was lost", async () => {
    const { child, root, first } = await family();
    await holdFirst(root, child, "beginChild", "way back");
    await start(root);
    await eventually(() => stepIs(child, "hold", "waiting"));
    vi.restoreAllMocks();
    const stop = await holdFirst(root, child, "cancelChild", "way there");
    const answer = runs.cancel(root);
    await arrived(stop);
    expect((await runs.read(child)).run?.status).toBe("running");
    await crash(root);
    expect((await answer).run?.status).toBe("cancelled");
    vi.restoreAllMocks();
    expect((await runs.read(child)).run).toMatchObject({ run: 1, status: "cancelled" });
    expect(await deliver(first)).toBeNull();
    expect(await runs.runs(child, null, 10)).toHaveLength(1);
    expect(await tombstones(child)).toEqual([]);
  });
});

describe("a begin that is still on its way when its parent is paused", () => {
  it("begins nothing beside the run that the parent begins after that", async () => {
    const { child, root, first } = await family();
    const held = await holdFirst(root, child, "beginChild", "way there");
    await start(root);
    await arrived(held);
    await runs.pause(root, null, "now");
    await until(root, "paused");
    await runs.resume(root, null);
    await eventually(() => stepIs(child, "hold", "waiting"));
    expect(await deliver(first)).toEqual({ status: "cancelled" });
    expect(await runs.runs(child, null, 10)).toHaveLength(1);
    await runs.approve(child, null, approve);
    await until(root, "completed");
    expect((await runs.step(root, null, "child")).state.epoch).toBe(2);
    expect(await eventsOfType(child, "run.cancelled")).toEqual([]);
  });
});

describe("a stop that is remembered", () => {
  const { resource_id, run, step, epoch } = { resource_id: "r", run: 3, step: 1, epoch: 2 };
  const parent = { resource_id, run, step, epoch, depth: 1 };

  it("is forgotten after a day, by an alarm of its own", async () => {
    const child = await create(HOLD);
    await stubOf(child).cancelChild(child, parent);
    await stubOf(child).cancelChild(child, { ...parent, epoch: 3 });
    expect(await tombstones(child)).toHaveLength(2);
    const alarmIn = () =>
      runInDurableObject(stubOf(child), async (_, { storage }) => {
        const at = await storage.getAlarm();
        return (at ?? 0) - Date.now();
      });
    await eventually(async () => expect(await alarmIn()).toBeGreaterThan(0.9 * DAY_MS));
    await runDurableObjectAlarm(stubOf(child));
    expect(await tombstones(child)).toHaveLength(2);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + DAY_MS + 60_000 });
    await runDurableObjectAlarm(stubOf(child));
    expect(await tombstones(child)).toEqual([]);
  });

  it("goes with its pipeline, and is not kept for one that there is not", async () => {
    const child = await create(HOLD);
    await stubOf(child).cancelChild(child, parent);
    await runs.remove(child, null);
    expect(await tombstones(child)).toEqual([]);
    await stubOf(child).cancelChild(child, parent);
    expect(await tombstones(child)).toEqual([]);
  });

  it("is kept by an object that an earlier version made", async () => {
    const { child, first } = await family();
    await runInDurableObject(stubOf(child), async (_, { storage }) => {
      downgrade(storage.sql);
      await storage.sync();
    });
    await crash(child);
    await stubOf(child).cancelChild(child, first.parent);
    expect(await deliver(first)).toEqual({ status: "cancelled" });
    expect((await runs.read(child)).run).toBeNull();
  });
});
