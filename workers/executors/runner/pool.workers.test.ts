/** Dispatches and runners in a real pool object: who gets what, and how each dispatch ends. */
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { poolPorts } from "../../runner-pool.ts";
import { attemptKey } from "../detached.ts";
import { chooseRunnerPool } from "./pools.ts";
import { completion, eventually, FakeOwner, newPool, ScriptedRunner } from "./test-support.ts";

let owner: FakeOwner;
beforeEach(() => {
  owner = new FakeOwner().install();
});
afterEach(() => {
  vi.restoreAllMocks();
  Object.assign(poolPorts, { max_queued: undefined });
});

describe("an offer", () => {
  it("goes to a connected runner, whose end of it reaches the owner", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1");
    const dispatch = owner.dispatch({ timeout_ms: 1_234, work: { command: "echo hi" } });
    expect(await pool.offer(dispatch)).toEqual({ status: "taken" });
    const name = await runner.assigned(dispatch);
    expect(runner.all("assign")[0]).toMatchObject({
      timeout_ms: 1_234,
      project_id: "pool-tests",
      work: { command: "echo hi" },
      ref: { resource_id: dispatch.resource_id, step: "step", epoch: 1 },
    });
    runner.send(
      { type: "started", ...name },
      { type: "log", ...name, from: 0, entries: [["stdout", "hi\n"]] },
      completion(name, 1),
    );
    expect(await runner.next("complete_ack")).toMatchObject(name);
    expect(owner.text(dispatch)).toBe("hi\n");
    expect(owner.types(dispatch).at(0)).toBe("started");
    expect(owner.types(dispatch).at(-1)).toBe("ended");
    expect(owner.claims).toBe(1);
    runner.send(completion(name, 1));
    await runner.next("complete_ack", 1);
    expect(owner.types(dispatch).filter((type) => type === "ended")).toHaveLength(1);
  });

  it("waits for a runner when it is patient, and is refused with the reason when it is not", async () => {
    const pool = newPool("test:waiting");
    const dispatch = owner.dispatch({ runs_on: ["gpu"] });
    expect(await pool.offer({ ...dispatch, patient: false })).toEqual({
      status: "unavailable",
      by: "runners/test:waiting",
      reason: expect.stringContaining("No runner is registered"),
    });
    expect(owner.claims).toBe(0);
    const plain = await ScriptedRunner.join(pool, "plain");
    expect(await pool.offer({ ...dispatch, patient: false })).toEqual({
      status: "unavailable",
      by: "runners/test:waiting",
      reason: expect.stringContaining('"gpu"'),
    });
    expect(await pool.waiting(dispatch)).toBeNull();
    expect(await pool.offer(dispatch)).toEqual({ status: "taken" });
    expect(await pool.waiting(dispatch)).toMatchObject({ position: null });
    const fitting = await ScriptedRunner.join(pool, "gpu", { labels: ["gpu", "linux"] });
    await fitting.assigned(dispatch);
    expect(await pool.waiting(dispatch)).toBeNull();
    expect(plain.all("assign")).toEqual([]);
  });

  it("is for runners of its type alone", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1", {
      task_types: ["dagger"],
      unavailable: { subprocess: "Switched off by its owner." },
    });
    const dispatch = owner.dispatch();
    expect(await pool.offer({ ...dispatch, patient: false })).toEqual({
      status: "unavailable",
      by: `runners/${pool.name}`,
      reason: expect.stringContaining("Switched off by its owner."),
    });
    await pool.offer(dispatch);
    expect(runner.all("assign")).toEqual([]);
    runner.heartbeat();
    await runner.assigned(dispatch);
  });

  it("fills the slots, then queues by priority and age", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1", { slots: 1 });
    const first = owner.dispatch();
    await pool.offer(first);
    const name = await runner.assigned(first);
    const [low, old, young] = [
      owner.dispatch({ priority: -5 }),
      owner.dispatch({ priority: 5 }),
      owner.dispatch({ priority: 5 }),
    ];
    for (const dispatch of [low, old, young]) await pool.offer(dispatch);
    expect((await pool.waiting(old))?.position).toBe(1);
    expect((await pool.waiting(young))?.position).toBe(2);
    expect(await pool.waiting(low)).toMatchObject({
      position: 3,
      reason: expect.stringContaining("taken"),
    });
    let running = name;
    for (const next of [old, young, low]) {
      expect(runner.all("assign").some(({ attempt }) => attempt === attemptKey(next))).toBe(false);
      runner.send(completion(running));
      running = await runner.assigned(next);
    }
  });

  it("is carried out once when two runners could, and spread over them", async () => {
    const pool = newPool();
    const runners = await Promise.all(["a", "b"].map((id) => ScriptedRunner.join(pool, id)));
    const dispatches = Array.from({ length: 4 }, () => owner.dispatch());
    await Promise.all(dispatches.map((dispatch) => pool.offer(dispatch)));
    await eventually(() => {
      expect(runners.map((runner) => runner.all("assign").length)).toEqual([2, 2]);
    });
    const given = runners.flatMap((runner) => runner.all("assign").map(({ attempt }) => attempt));
    expect(new Set(given)).toEqual(new Set(dispatches.map(attemptKey)));
    const [attempt = ""] = given;
    const [, other] = runners;
    other?.send({ type: "started", attempt, epoch: 1 });
    expect(await other?.next("fenced")).toMatchObject({ attempt, epoch: 1 });
  });

  it("that is repeated changes nothing, and tells the owner that it is alive", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1");
    const dispatch = owner.dispatch();
    owner.held = "claim";
    const both = [pool.offer(dispatch), pool.offer(dispatch)];
    await eventually(() => expect(owner.waiting).toBe(1));
    owner.held = null;
    expect(await Promise.all(both)).toEqual([{ status: "taken" }, { status: "taken" }]);
    await runner.assigned(dispatch);
    await pool.offer(dispatch);
    expect(owner.types(dispatch)).toEqual(["alive"]);
    expect(owner.claims).toBe(1);
    expect(runner.all("assign")).toHaveLength(1);
  });

  it("whose claim fails is thrown back at once, and taken when it is offered again", async () => {
    const pool = newPool();
    const dispatch = owner.dispatch();
    owner.isDown = true;
    const failed = await pool.offer(dispatch).catch((error: unknown) => String(error));
    expect(failed).toContain("reset");
    expect(owner.failures).toBe(1);
    owner.isDown = false;
    expect(await pool.offer(dispatch)).toEqual({ status: "taken" });
    expect(await pool.waiting(dispatch)).not.toBeNull();
  });

  it("of an old epoch is nothing; a newer one takes the place of what runs", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1", { slots: 1 });
    const old = owner.dispatch();
    await pool.offer(old);
    const name = await runner.assigned(old);
    const fresh = owner.again(old);
    expect(await pool.offer(fresh)).toEqual({ status: "taken" });
    expect(await runner.next("fenced")).toMatchObject(name);
    expect(await pool.offer(old)).toEqual({ status: "taken" });
    // The old one takes its slot until the runner says that it has it no more.
    expect(runner.all("assign")).toHaveLength(1);
    runner.heartbeat();
    await runner.assigned(fresh);
    runner.send(completion(name));
    await runner.next("fenced", 1);
    expect(owner.types(old)).toEqual([]);
  });

  it("that the owner does not want any more starts nothing", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1");
    const old = owner.dispatch();
    owner.again(old);
    const stopping = owner.dispatch();
    owner.step(stopping).isStopping = true;
    const claimed = owner.dispatch();
    owner.step(claimed).claimed_by = "runners/another";
    for (const dispatch of [old, stopping, claimed]) {
      expect(await pool.offer(dispatch)).toEqual({ status: "taken" });
      expect(await pool.waiting(dispatch)).toBeNull();
    }
    expect(runner.all("assign")).toEqual([]);
  });

  it("is refused when too much is queued", async () => {
    Object.assign(poolPorts, { max_queued: 3 });
    const pool = newPool();
    const offers = Array.from({ length: 3 }, () => pool.offer(owner.dispatch()));
    await Promise.all(offers);
    const answer = await pool.offer(owner.dispatch());
    expect(answer).toEqual({ status: "full", retry_after_seconds: expect.any(Number) });
  });

  it("is offered elsewhere when a runner rejects it, and to that one again later", async () => {
    const pool = newPool();
    const first = await ScriptedRunner.join(pool, "a");
    const dispatch = owner.dispatch();
    await pool.offer(dispatch);
    const name = await first.assigned(dispatch);
    first.send({ type: "rejected", ...name, reason: "The disk is full." });
    await eventually(async () => {
      expect(await pool.waiting(dispatch)).toMatchObject({
        reason: expect.stringContaining("The disk is full."),
      });
    });
    await first.next("assign", 1);
    const second = await ScriptedRunner.join(pool, "b");
    first.send({ type: "rejected", ...name, reason: "The disk is still full." });
    await second.assigned(dispatch);
  });

  it("goes to no runner that drains", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1");
    const heartbeat = { task_types: ["subprocess" as const], unavailable: {}, running: [] };
    runner.send({ type: "heartbeat", ...heartbeat, draining: true });
    await eventually(async () => {
      expect((await pool.status(["r1"]))[0]).toMatchObject({ is_draining: true });
    });
    const answer = await pool.offer({ ...owner.dispatch(), patient: false });
    expect(answer).toMatchObject({
      status: "unavailable",
      reason: expect.stringContaining("draining"),
    });
  });
});

describe("a stop", () => {
  it("of what is queued leaves nothing of it", async () => {
    const pool = newPool();
    const dispatch = owner.dispatch();
    await pool.offer(dispatch);
    expect(await pool.stop(dispatch, "cancel")).toEqual({ status: "unknown" });
    const runner = await ScriptedRunner.join(pool, "r1");
    expect(await pool.waiting(dispatch)).toBeNull();
    expect(runner.all("assign")).toEqual([]);
  });

  it("while the claim is under way keeps it from starting", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1");
    const dispatch = owner.dispatch();
    owner.held = "claim";
    const offered = pool.offer(dispatch);
    await eventually(() => expect(owner.waiting).toBe(1));
    expect(await pool.stop(dispatch, "cancel")).toEqual({ status: "unknown" });
    owner.held = null;
    expect(await offered).toEqual({ status: "taken" });
    expect(await pool.waiting(dispatch)).toBeNull();
    expect(runner.all("assign")).toEqual([]);
  });

  it("while it is being assigned keeps it from being sent", async () => {
    const pool = newPool();
    // More than the pool keeps the requests of: the first is asked for again when it is assigned.
    const dispatches = Array.from({ length: 40 }, () => owner.dispatch());
    for (const dispatch of dispatches) await pool.offer(dispatch);
    const [dispatch] = dispatches;
    if (!dispatch) throw new Error("no dispatch");
    owner.held = "claim";
    const runner = await ScriptedRunner.join(pool, "r1", { slots: 1 });
    await eventually(() => expect(owner.waiting).toBe(1));
    expect(await pool.stop(dispatch, "cancel")).toEqual({ status: "unknown" });
    owner.held = null;
    await runner.next("assign");
    expect(runner.all("assign").map(({ attempt }) => attempt)).not.toContain(attemptKey(dispatch));
  });

  it("reaches the runner, whose end of it reaches the owner", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1");
    const dispatch = owner.dispatch();
    await pool.offer(dispatch);
    const name = await runner.assigned(dispatch);
    expect(await pool.stop(dispatch, "timeout")).toEqual({ status: "stopping" });
    expect(await runner.next("cancel")).toMatchObject({ ...name, reason: "timeout" });
    runner.heartbeat({ ...name, output: 0 });
    await runner.next("cancel", 1);
    runner.send({ type: "complete", ...name, output: 0, outcome: { status: "cancelled" } });
    await runner.next("complete_ack");
    expect(owner.step(dispatch).reports.at(-1)).toEqual({
      type: "ended",
      outcome: { status: "cancelled" },
      runner_id: "r1",
    });
    expect(await pool.stop(dispatch, "cancel")).toEqual({ status: "unknown" });
  });

  it("that the runner never heard of ends what it never got", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1");
    const dispatch = owner.dispatch();
    await pool.offer(dispatch);
    const name = await runner.assigned(dispatch);
    await pool.stop(dispatch, "cancel");
    runner.send({ type: "rejected", ...name, reason: "busy" });
    await eventually(() => {
      expect(owner.step(dispatch).reports).toEqual([
        { type: "ended", outcome: { status: "cancelled" } },
      ]);
    });
  });

  it("of an unknown dispatch, or of an old one, says so", async () => {
    const pool = newPool();
    const runner = await ScriptedRunner.join(pool, "r1");
    expect(await pool.stop(owner.dispatch(), "cancel")).toEqual({ status: "unknown" });
    const dispatch = owner.dispatch();
    await pool.offer(dispatch);
    const name = await runner.assigned(dispatch);
    expect(await pool.stop(owner.again(dispatch), "cancel")).toEqual({ status: "unknown" });
    expect(await runner.next("fenced")).toMatchObject(name);
    expect(await pool.stop(dispatch, "cancel")).toEqual({ status: "unknown" });
  });
});

describe("secrets", () => {
  it("that cannot be read for an operator's fault end the attempt with what to do", async () => {
    const pool = newPool();
    await ScriptedRunner.join(pool, "r1");
    await env.DB.prepare(
      "INSERT INTO secrets (id, project_id, name, key_id, nonce, ciphertext, version, created_by, created_at, updated_at) VALUES ('s', 'pool-tests', 'TOKEN', 'gone', 'bm9uY2U=', 'eA==', 1, 'test', 1, 1)",
    ).run();
    const dispatch = owner.dispatch({ work: { environment: { T: "${{ secrets.TOKEN }}" } } });
    await pool.offer(dispatch);
    await eventually(() => {
      expect(owner.step(dispatch).reports).toEqual([
        {
          type: "ended",
          outcome: expect.objectContaining({ status: "failed", code: "secrets_unreadable" }),
        },
      ]);
    });
  });
});

describe("the choice of the pool", () => {
  it("is the project's own when a runner there is meant for the type, else the shared one", async () => {
    const dispatch = owner.dispatch({}, { project_id: "choosing" });
    const own = newPool("project:choosing");
    const chosen = async () => (await chooseRunnerPool(env, dispatch)).name;
    expect(await chosen()).toBe("shared");
    await ScriptedRunner.join(own, "r1", { task_types: ["dagger"] });
    expect(await chosen()).toBe("shared");
    await own.enroll("r2", "not yet started");
    expect(await chosen()).toBe("project:choosing");
    await own.revoke("r2");
    expect(await chosen()).toBe("shared");
    const down = { subprocess: "no" };
    await ScriptedRunner.join(own, "r3", { task_types: [], unavailable: down });
    expect(await chosen()).toBe("project:choosing");
  });
});
