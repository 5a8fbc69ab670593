/** Attempts that live elsewhere, as the coordinator sees them: the test is their backend. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type {
  DetachedRef,
  DetachedReport,
  DetachedType,
  OutputEntry,
} from "../executors/detached.ts";
import {
  begin,
  crash,
  create,
  eventsOfType,
  resultOf,
  runs,
  start,
  states,
  stepIs,
  stubOf,
  until,
} from "../pipelines/test-support-runs.ts";
import { ownerOf } from "./attempt-owner.ts";
import { KILL_GRACE_MS } from "./state.ts";

const CODE = { name: "far", task_type: "dagger", command: "make" };

/** A run whose only step is elsewhere. */
async function dispatched(more: object = {}) {
  const id = await begin([{ ...CODE, ...more }]);
  await stepIs(id, "far", "queued");
  return { id, ref: refOf(id, 1) };
}

const refOf = (id: string, epoch: number): DetachedRef => ({
  resource_id: id,
  run: 1,
  step: 0,
  epoch,
});

const owner = (ref: DetachedRef) => ownerOf(env.RUN_COORDINATOR, "own", ref.resource_id);
const claim = (ref: DetachedRef, by = "here", type: DetachedType = "dagger") =>
  owner(ref).claimAttempt(ref, by, type);
const report = (ref: DetachedRef, ...reports: DetachedReport[]) =>
  owner(ref).reportAttempt(ref, reports);

const out = (text: string): OutputEntry => ["stdout", text];
const done = { type: "ended", outcome: { status: "completed", exit_code: 0, result: 7 } } as const;

async function logOf(id: string): Promise<string> {
  const events = await eventsOfType(id, "log");
  return events.map(({ text }) => String(text)).join("");
}

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("a detached attempt", () => {
  it("is had by the backend that claims it first", async () => {
    const { ref } = await dispatched({ runs_on: ["gpu"], timeout_seconds: 7 });
    expect(await claim(ref)).toMatchObject({
      status: "wanted",
      request: { ref: { step: "far", attempt: 1, epoch: 1 }, work: { command: "make" } },
      timeout_ms: 7_000,
      runs_on: ["gpu"],
    });
    expect(await claim(ref, "elsewhere")).toEqual({ status: "fenced", epoch: 1 });
    await crash(ref.resource_id);
    expect(await claim(ref, "elsewhere")).toEqual({ status: "fenced", epoch: 1 });
    expect(await claim(ref)).toMatchObject({ status: "wanted" });
  });

  it("reports its start, its output and its end", async () => {
    const { id, ref } = await dispatched();
    await claim(ref);
    await report(ref, { type: "started" });
    await stepIs(id, "far", "running");
    const answer = await report(ref, { type: "output", from: 0, entries: [out("a"), out("b")] });
    expect(answer).toEqual({ status: "accepted", output: 2 });
    await report(ref, done);
    await until(id, "completed", 1);
    expect(await resultOf(id, "far")).toBe(7);
    expect(await logOf(id)).toBe("ab");
  });

  it("tells what it used with its end, and with its loss", async () => {
    const { id, ref } = await dispatched();
    await claim(ref);
    const lost = { sandbox_seconds: 1.5, usd: 0.00005 };
    await report(ref, { type: "started" }, { type: "lost", usage: lost });
    await stepIs(id, "far", "queued");
    const again = refOf(id, 2);
    await expect.poll(() => claim(again)).toMatchObject({ status: "wanted" });
    const used = { sandbox_seconds: 9, usd: 0.0003 };
    await report(again, { type: "started" }, { ...done, usage: used });
    await until(id, "completed", 1);
    expect(await eventsOfType(id, "attempt.lost")).toMatchObject([{ usage: lost }]);
    expect(await eventsOfType(id, "attempt.finished")).toMatchObject([{ usage: used }]);
    const views = await stubOf(id).attempts(id, 1);
    expect(views).toMatchObject([
      { epoch: 1, state: "lost", usage: lost },
      { epoch: 2, state: "completed", usage: used },
    ]);
  });

  it("tells by which executor and runner each try was carried out", async () => {
    const { id, ref } = await dispatched();
    await claim(ref);
    await report(ref, { type: "started", runner_id: "r1" }, { type: "lost" });
    await stepIs(id, "far", "queued");
    const again = refOf(id, 2);
    await expect.poll(() => claim(again)).toMatchObject({ status: "wanted" });
    // Its start was not heard of.
    await report(again, { ...done, runner_id: "r2" });
    await until(id, "completed", 1);
    const [first, second] = [
      { epoch: 1, executor: "dagger", runner_id: "r1" },
      { epoch: 2, executor: "dagger", runner_id: "r2" },
    ];
    expect(await eventsOfType(id, "attempt.started")).toMatchObject([first, second]);
    expect(await eventsOfType(id, "attempt.lost")).toMatchObject([first]);
    expect(await eventsOfType(id, "attempt.finished")).toMatchObject([second]);
    expect(await stubOf(id).attempts(id, 1)).toMatchObject([first, second]);
  });

  it("tells what it used also after its stop was given up, once", async () => {
    const { id, ref } = await dispatched();
    await claim(ref);
    await report(ref, { type: "started" });
    await runs.cancel(id);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + KILL_GRACE_MS + 1_000 });
    await runDurableObjectAlarm(stubOf(id));
    await until(id, "cancelled", 1);
    const usage = { sandbox_seconds: 12, usd: 0.0004 };
    expect(await report(ref, { type: "spent", usage })).toMatchObject({ status: "fenced" });
    const more = { sandbox_seconds: 13, usd: 0.0005 };
    await report(ref, { type: "spent", usage: more });
    await report({ ...ref, step: 7 }, { type: "spent", usage: more });
    expect(await eventsOfType(id, "attempt.spent")).toMatchObject([{ step: "far", usage }]);
    expect(await stubOf(id).attempts(id, 1)).toMatchObject([{ state: "cancelled", usage }]);
  });

  it("has each entry of its output once, whatever is sent again or lost", async () => {
    const { id, ref } = await dispatched();
    await claim(ref);
    const send = (from: number, ...texts: string[]) =>
      report(ref, { type: "output", from, entries: texts.map(out) });
    await report(ref, { type: "started" });
    expect(await send(0, "a", "b")).toMatchObject({ output: 2 });
    expect(await send(0, "a", "b", "c")).toMatchObject({ output: 3 });
    expect(await send(5, "f")).toMatchObject({ output: 3 });
    await crash(id);
    expect(await send(1, "b", "c", "d", "e")).toMatchObject({ output: 5 });
    expect(await send(5, "f")).toMatchObject({ output: 6 });
    await report(ref, done);
    expect(await logOf(id)).toBe("abcdef");
  });

  it("that is lost is dispatched again, and the lost one is fenced from then on", async () => {
    const { id, ref } = await dispatched();
    await claim(ref);
    await report(ref, { type: "started" });
    await report(ref, { type: "lost" });
    await stepIs(id, "far", "queued");
    expect(await report(ref, { type: "started" })).toEqual({ status: "fenced", epoch: 2 });
    expect(await report(ref, done)).toEqual({ status: "fenced", epoch: 2 });
    expect(await eventsOfType(id, "attempt.refused")).toMatchObject([
      { step: "far", epoch: 1, current_epoch: 2 },
    ]);
    const again = refOf(id, 2);
    await expect.poll(() => claim(again)).toMatchObject({ status: "wanted" });
    await report(again, { type: "started" }, done);
    await until(id, "completed", 1);
  });

  it("keeps its place through a crash of the coordinator", async () => {
    const { id, ref } = await dispatched();
    await claim(ref);
    await report(ref, { type: "started" });
    await crash(id);
    expect(await states(id)).toEqual({ far: "running" });
    expect(await report(ref, { type: "alive" })).toMatchObject({ status: "accepted" });
    await report(ref, done);
    await until(id, "completed", 1);
    expect(await eventsOfType(id, "attempt.started")).toHaveLength(1);
  });

  it("is cancelled at once while nobody has it, and can be claimed no more", async () => {
    const { id, ref } = await dispatched();
    expect((await runs.cancel(id)).run?.status).toBe("cancelled");
    expect(await claim(ref)).toMatchObject({ status: "fenced" });
  });

  it("says what it waits for, as its backend sees it", async () => {
    const { id } = await dispatched();
    await expect
      .poll(async () => (await runs.inspect(id, 1)).queued[0]?.reason)
      .toContain("Register one with POST /api/v1/runners");
  });

  it("fails when what it needs cannot be read, and does not wait for that", async () => {
    const made = { name: "made", command: "echo x > f", artifacts: ["f"] };
    const id = await create([
      made,
      { ...CODE, needs: ["made"], use_artifacts: [{ from: "made" }] },
    ]);
    await runInDurableObject(stubOf(id), (instance) => {
      const { BLOBS }: Env = Reflect.get(instance, "env");
      vi.spyOn(BLOBS, "list").mockRejectedValue(new Error("the blob store is down"));
    });
    await start(id);
    await until(id, "failed", 1);
    expect(await eventsOfType(id, "attempt.finished")).toMatchObject([
      { step: "made" },
      { step: "far", code: "attempt_not_prepared" },
    ]);
  });

  it("says a second time that it has ended without harm", async () => {
    const { id, ref } = await dispatched();
    await claim(ref);
    await report(ref, { type: "started" }, done);
    expect(await report(ref, done)).toMatchObject({ status: "fenced" });
    expect(await eventsOfType(id, "attempt.finished")).toHaveLength(1);
    expect(await eventsOfType(id, "attempt.refused")).toHaveLength(0);
  });

  it("fails with the reason when its dispatch cannot be delivered", async () => {
    const { id, ref } = await dispatched();
    await owner(ref).attemptUndeliverable(ref, "No way through.");
    await until(id, "failed", 1);
    expect(await eventsOfType(id, "attempt.finished")).toMatchObject([
      { code: "dispatch_undeliverable", message: "No way through." },
    ]);
  });

  it("is dispatched anew, as it was, when its backend serves its type no more", async () => {
    const { id, ref } = await dispatched();
    expect(await claim(ref)).toMatchObject({ status: "wanted" });
    const giveBack = (given: DetachedRef, by = "here") =>
      owner(given).attemptReturned(given, "dagger", by);
    await giveBack(ref, "elsewhere");
    expect(await claim(ref)).toMatchObject({ status: "wanted" });
    await giveBack(ref);
    await giveBack(ref);
    expect(await report(ref, { type: "started" })).toEqual({ status: "fenced", epoch: 2 });
    const moved = refOf(id, 2);
    expect(await claim(moved, "elsewhere")).toMatchObject({
      request: { ref: { attempt: 1, epoch: 2 }, work: { task_type: "dagger" } },
    });
    await report(moved, { type: "started" });
    await giveBack(moved, "elsewhere");
    await report(moved, done);
    await until(id, "completed", 1);
    expect(await eventsOfType(id, "attempt.started")).toMatchObject([{ attempt: 1, epoch: 2 }]);
  });

  it("goes over to the next of its executors while none of the first is connected", async () => {
    const { ref } = await dispatched({ task_type: null, executors: ["dagger", "subprocess"] });
    await expect
      .poll(() => claim(ref))
      .toMatchObject({ request: { work: { task_type: "dagger" } } });
    const other = await dispatched({ task_type: null, executors: ["dagger", "subprocess"] });
    await owner(other.ref).attemptUnavailable(other.ref, "dagger", "here");
    expect(await claim(other.ref)).toEqual({ status: "fenced", epoch: 2 });
    const moved = refOf(other.id, 2);
    expect(await claim(moved)).toMatchObject({ status: "fenced" });
    expect(await claim(moved, "here", "subprocess")).toMatchObject({
      request: { work: { task_type: "subprocess" } },
    });
    // Whoever took the first one up after all is told that it is not wanted.
    expect(await report(other.ref, { type: "started" })).toMatchObject({ status: "fenced" });
    // Code that has begun goes over to nothing.
    await report(ref, { type: "started" });
    await owner(ref).attemptUnavailable(ref, "dagger", "here");
    expect(await claim(ref)).toMatchObject({ request: { work: { task_type: "dagger" } } });
  });

  it("skips executors that are not enabled, as if they were not in the list", async () => {
    const { ref } = await dispatched({ task_type: null, executors: ["e2b", "subprocess"] });
    await expect
      .poll(() => claim(ref, "here", "subprocess"))
      .toMatchObject({ request: { work: { task_type: "subprocess" } } });
  });
});
