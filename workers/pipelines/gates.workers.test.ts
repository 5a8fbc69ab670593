/** Steps that wait for people, signals and time, and runs that are held, on the real object. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { Outbox } from "../delivery/outbox.ts";
import {
  begin,
  crash,
  ECHO,
  eventsOfType,
  eventually,
  jsonOf,
  resultOf,
  run,
  runs,
  SLEEP,
  start,
  states,
  stepIs,
  until,
  why,
} from "./test-support-runs.ts";

const AFTER = { name: "after", script: ECHO };
const approval = (
  approved: boolean,
  step: string | null = null,
  comment: string | null = null,
) => ({
  step,
  approved,
  by: "user:ann",
  comment,
});
const signal = (name: string, payload: unknown, request: string | null = null) => ({
  name,
  payload: JSON.stringify(payload),
  request_id: request,
});

describe("an approval", () => {
  const GATE = { name: "gate", approval: true };

  it("lets the run go on, and its result says who", async () => {
    const id = await begin([
      GATE,
      { ...AFTER, needs: ["gate"], inputs: "${{ tasks.gate.result }}" },
    ]);
    await stepIs(id, "gate", "waiting");
    await runs.approve(id, null, approval(true, null, "fine"));
    await until(id, "completed");
    const answer = { approved: true, by: "user:ann", comment: "fine" };
    expect(await resultOf(id, "after")).toEqual(answer);
    expect(await eventsOfType(id, "gate.approved")).toMatchObject([
      { step: "gate", by: "user:ann" },
    ]);
  });

  it("is told to those who follow the outbox, with what it asks of whom", async () => {
    const id = await begin([GATE]);
    await stepIs(id, "gate", "waiting");
    await runs.approve(id, null, approval(true));
    await until(id, "completed");
    const told = async () =>
      (await new Outbox(env.DB).after(0, 1_000))
        .filter(({ resource_id }) => resource_id === id)
        .flatMap(({ events }) => events);
    await expect
      .poll(told)
      .toEqual(expect.arrayContaining([expect.objectContaining({ type: "run.completed" })]));
    const gates = (await told()).filter(({ type }) => type.startsWith("gate."));
    expect(gates).toMatchObject([
      { type: "gate.opened", data: { step: "gate", gate: "approval" } },
      { type: "gate.approved", data: { step: "gate", by: "user:ann" } },
    ]);
  });

  it("that is refused fails, and says by whom and why", async () => {
    const id = await begin([GATE, { ...AFTER, needs: ["gate"] }]);
    await stepIs(id, "gate", "waiting");
    await runs.approve(id, null, approval(false, "gate", "not today"));
    const { run: ended } = await until(id, "failed");
    expect(ended?.error).toMatchObject({ code: "refused" });
    expect(ended?.error?.message).toMatch(/user:ann.*not today/);
    expect((await states(id)).after).toBe("skipped");
  });

  it("that nobody gives in time fails", async () => {
    const { run: ended } = await run([{ name: "gate", approval: { timeout_seconds: 0.1 } }]);
    expect(ended).toMatchObject({ status: "failed", error: { code: "approval_timeout" } });
  });

  it("is asked by name when several are open, and only once", async () => {
    const id = await begin([GATE, { name: "other", approval: true }]);
    await stepIs(id, "other", "waiting");
    await expect(runs.approve(id, null, approval(true))).rejects.toThrow("Name the step");
    await runs.approve(id, null, approval(true, "other"));
    const again = runs.approve(id, null, approval(false, "other"));
    await expect(again).rejects.toMatchObject({ code: "illegal_transition" });
    await runs.approve(id, 1, approval(true));
    await until(id, "completed");
  });

  it("outlives a crash of the object", async () => {
    const id = await begin([GATE]);
    await stepIs(id, "gate", "waiting");
    await crash(id);
    await runs.approve(id, null, approval(true));
    await until(id, "completed");
  });
});

describe("a wait", () => {
  it("lasts as long as an expression says", async () => {
    const { run: ended } = await run([
      { name: "n", script: "export default () => 0.2" },
      { name: "wait", needs: ["n"], wait: { seconds: "${{ tasks.n.result }}" } },
    ]);
    expect(ended?.status).toBe("completed");
    expect((ended?.completed_at ?? 0) - (ended?.started_at ?? 0)).toBeGreaterThanOrEqual(200);
  });

  it("for a signal takes one that comes, and its payload", async () => {
    const id = await begin([{ name: "go", wait: { signal: "go" } }], {
      outputs: { by: "${{ tasks.go.result.by }}" },
    });
    await stepIs(id, "go", "waiting");
    await runs.signal(id, null, signal("other", 1));
    await runs.signal(id, null, signal("go", { by: "me" }));
    expect(await jsonOf((await until(id, "completed")).result)).toEqual({ by: "me" });
  });

  it("takes signals that came before it, oldest first, each once however often it is sent", async () => {
    const id = await begin([
      { name: "hold", approval: true },
      { name: "one", needs: ["hold"], wait: { signal: "go" } },
      { name: "two", needs: ["one"], wait: { signal: "go" } },
    ]);
    await stepIs(id, "hold", "waiting");
    await runs.signal(id, null, signal("go", 1, "first"));
    await runs.signal(id, null, signal("go", 1, "first"));
    await crash(id);
    await runs.approve(id, null, approval(true));
    await stepIs(id, "two", "waiting");
    await runs.signal(id, null, signal("go", 2, "second"));
    await until(id, "completed");
    expect([await resultOf(id, "one"), await resultOf(id, "two")]).toEqual([1, 2]);
  });

  it("for a signal that does not come fails, and both leave no alarm loop behind", async () => {
    const { run: ended } = await run([
      { name: "go", wait: { signal: "go", timeout_seconds: 0.1 } },
    ]);
    expect(ended).toMatchObject({ status: "failed", error: { code: "signal_timeout" } });
  });
});

describe("a pause", () => {
  const CHAIN = [
    { name: "slow", script: SLEEP, inputs: 1_500 },
    { name: "next", needs: ["slow"], script: SLEEP, inputs: 0 },
  ];

  it("lets what runs end, starts nothing, and resume goes on", async () => {
    const id = await begin(CHAIN);
    await stepIs(id, "slow", "running");
    await runs.pause(id, null, "boundary");
    await until(id, "paused");
    expect(await states(id)).toEqual({ slow: "completed", next: "pending" });
    expect((await why(id)).waiting).toMatchObject({ resume: 1 });
    await expect(start(id)).rejects.toMatchObject({ code: "illegal_transition" });
    await runs.resume(id, null);
    await until(id, "completed");
    expect(await runs.attempts(id, null)).toHaveLength(2);
  });

  it("now stops what runs, which runs again as the same try", async () => {
    const id = await begin([{ ...CHAIN[0], name: "slow" }]);
    await stepIs(id, "slow", "running");
    await runs.pause(id, null, "now");
    await until(id, "paused");
    await crash(id);
    await runs.resume(id, null);
    await until(id, "completed");
    const attempts = await runs.attempts(id, null);
    expect(attempts.map(({ state }) => state)).toEqual(["cancelled", "completed"]);
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 1]);
  });

  it("holds what a gate releases meanwhile", async () => {
    const id = await begin([
      { name: "go", wait: { signal: "go" } },
      { ...AFTER, needs: ["go"] },
    ]);
    await stepIs(id, "go", "waiting");
    await runs.pause(id, null, "boundary");
    await runs.signal(id, null, signal("go", null));
    await eventually(async () =>
      expect(await states(id)).toEqual({ go: "completed", after: "pending" }),
    );
    expect((await runs.read(id)).run?.status).toBe("paused");
    await runs.resume(id, null);
    await until(id, "completed");
  });

  it("can be cancelled, and resume is refused to what is not paused", async () => {
    const id = await begin([{ name: "hold", approval: true }]);
    await stepIs(id, "hold", "waiting");
    await expect(runs.resume(id, null)).rejects.toMatchObject({ code: "illegal_transition" });
    await runs.pause(id, null, "now");
    expect((await runs.cancel(id)).run?.status).toBe("cancelled");
    expect(await states(id)).toEqual({ hold: "cancelled" });
  });
});

describe("a cancel", () => {
  it("stops what runs and waits, starts nothing, not even what always runs", async () => {
    const id = await begin([
      { name: "long", script: SLEEP, inputs: 60_000 },
      { name: "hold", approval: true },
      { ...AFTER, needs: ["long"], if: "${{ always() }}" },
    ]);
    await stepIs(id, "long", "running");
    expect((await runs.cancel(id)).run?.status).toBe("cancelled");
    expect(await states(id)).toEqual({ long: "cancelled", hold: "cancelled", after: "cancelled" });
    await expect(runs.cancel(id)).rejects.toMatchObject({ code: "illegal_transition" });
  });
});
