/** A pool whose runners drop, whose owners are away, and which is itself reset. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { poolPorts } from "../../runner-pool.ts";
import { attemptKey, type Dispatch } from "../detached.ts";
import { type FromRunner, MAX_LOG_FRAME_CHARS, PROTOCOL_VERSION } from "./protocol.ts";
import {
  completion,
  entriesOf,
  eventually,
  FakeOwner,
  helloFrame,
  newPool,
  ScriptedRunner,
  unsignedHeaders,
} from "./test-support.ts";

let owner: FakeOwner;
beforeEach(() => {
  owner = new FakeOwner().install();
});
afterEach(() => {
  vi.restoreAllMocks();
  setLease(undefined);
});

function setLease(ms: number | undefined): void {
  Object.assign(poolPorts, { lease_ms: ms });
}

interface Options {
  readonly runner?: string;
  readonly isStarted?: boolean;
}

/** A pool with one runner that has one dispatch. */
async function running({ runner: id = "r1", isStarted = true }: Options = {}) {
  const pool = newPool();
  const runner = await ScriptedRunner.join(pool, id);
  const dispatch = owner.dispatch();
  await pool.offer(dispatch);
  const name = await runner.assigned(dispatch);
  if (isStarted) {
    runner.send({ type: "started", ...name });
    await eventually(() => expect(owner.types(dispatch)).toEqual(["started"]));
  }
  return { pool, runner, dispatch, name };
}

const leaseRow = z.object({ lease_until: z.number(), is_graced: z.number() });

/** The lease of a dispatch as the pool keeps it. */
function leaseOf(pool: ReturnType<typeof newPool>, dispatch: Dispatch) {
  return runInDurableObject(pool, (_, { storage }) => {
    const sql = "SELECT lease_until, is_graced FROM attempts WHERE attempt = ?";
    return leaseRow.parse(storage.sql.exec(sql, attemptKey(dispatch)).one());
  });
}

/** Resets the object as a crash would: what it was about to do is cut off. */
async function crash(pool: ReturnType<typeof newPool>): Promise<ReturnType<typeof newPool>> {
  await runInDurableObject(pool, (_, state) => state.abort("crash")).catch(() => undefined);
  return newPool(pool.name);
}

/** Resolves once the owner has been told last what is expected. */
function ended(dispatch: Dispatch, type: "ended" | "lost"): Promise<void> {
  return eventually(() => expect(owner.types(dispatch).at(-1)).toBe(type));
}

describe("output", () => {
  it("is acknowledged once the owner has it, and what piles up goes together", async () => {
    const { runner, dispatch, name } = await running();
    owner.held = "report";
    runner.send({ type: "log", ...name, from: 0, entries: entriesOf("a") });
    await eventually(() => expect(owner.waiting).toBe(1));
    runner.send({ type: "log", ...name, from: 1, entries: entriesOf("b", "c") });
    runner.send({ type: "log", ...name, from: 3, entries: entriesOf("d") });
    runner.socket.send("ping");
    expect(runner.all("log_ack")).toEqual([]);
    owner.held = null;
    await eventually(() => expect(runner.all("log_ack").at(-1)).toMatchObject({ output: 4 }));
    expect(owner.text(dispatch)).toBe("abcd");
    expect(owner.types(dispatch).filter((type) => type === "output").length).toBeLessThan(4);
    const acknowledged = runner.all("log_ack").map(({ output }) => output);
    expect(acknowledged).toEqual([...new Set(acknowledged)]);
  });

  it("that comes twice is taken once, and acknowledged again", async () => {
    const { runner, dispatch, name } = await running();
    const frame = { type: "log", ...name, from: 0, entries: entriesOf("a", "b") } as const;
    runner.send(frame);
    expect(await runner.next("log_ack")).toMatchObject({ output: 2 });
    runner.send(frame, { ...frame, from: 1, entries: entriesOf("b", "c") });
    await eventually(() => expect(runner.all("log_ack").at(-1)).toMatchObject({ output: 3 }));
    expect(runner.all("log_ack")).toHaveLength(3);
    expect(owner.text(dispatch)).toBe("abc");
  });

  it("with a gap is asked for again from what there is", async () => {
    const { runner, dispatch, name } = await running();
    runner.send({ type: "log", ...name, from: 0, entries: entriesOf("a") });
    await runner.next("log_ack");
    runner.send({ type: "log", ...name, from: 2, entries: entriesOf("c") });
    expect(await runner.next("log_ack", 1)).toMatchObject({ output: 1 });
    runner.send({ type: "log", ...name, from: 1, entries: entriesOf("b", "c") });
    expect(await runner.next("log_ack", 2)).toMatchObject({ output: 3 });
    expect(owner.text(dispatch)).toBe("abc");
  });

  it("that is missing at the end is asked for before the end is taken", async () => {
    const { runner, dispatch, name } = await running();
    runner.send(completion(name, 2));
    expect(await runner.next("log_ack")).toMatchObject({ output: 0 });
    expect(runner.all("complete_ack")).toEqual([]);
    runner.send({ type: "log", ...name, from: 0, entries: entriesOf("a", "b") });
    await runner.next("complete_ack");
    expect(owner.types(dispatch)).toEqual(["started", "output", "ended"]);
  });

  it("that two heartbeats in a row say is missing is asked for", async () => {
    const { runner, name } = await running();
    runner.heartbeat({ ...name, output: 3 });
    runner.heartbeat({ ...name, output: 3 });
    expect(await runner.next("log_ack")).toMatchObject({ output: 0 });
  });
});

describe("an owner that is away", () => {
  it("is told when it is back, in order and once", async () => {
    const { runner, dispatch, name } = await running();
    owner.isDown = true;
    runner.send(
      { type: "log", ...name, from: 0, entries: entriesOf("a") },
      { type: "log", ...name, from: 1, entries: entriesOf("b") },
      completion(name, 2),
    );
    await eventually(() => expect(owner.failures).toBeGreaterThan(1));
    expect(runner.all("complete_ack")).toEqual([]);
    owner.isDown = false;
    await runner.next("complete_ack");
    expect(owner.types(dispatch)).toEqual(["started", "output", "ended"]);
    expect(owner.text(dispatch)).toBe("ab");
  });

  it("and fences what it is told has it killed", async () => {
    const { pool, runner, dispatch, name } = await running();
    owner.again(dispatch);
    runner.send({ type: "log", ...name, from: 0, entries: entriesOf("late") });
    expect(await runner.next("fenced")).toMatchObject(name);
    runner.send(completion(name, 1));
    await runner.next("fenced", 1);
    expect(owner.text(dispatch)).toBe("");
    expect(await pool.stop(dispatch, "cancel")).toEqual({ status: "unknown" });
  });
});

describe("a runner that drops", () => {
  it("goes on where the owner is, over a new connection that replaces the old one", async () => {
    const { pool, runner, dispatch, name } = await running();
    runner.send({ type: "log", ...name, from: 0, entries: entriesOf("a", "b") });
    await runner.next("log_ack");
    const again = await ScriptedRunner.join(pool, "r1", {
      running: [{ ...name, output: 5 }],
    });
    expect(again.all("welcome")[0]).toMatchObject({
      protocol: PROTOCOL_VERSION,
      runner_id: "r1",
      resumed: [{ ...name, output: 2 }],
    });
    await eventually(() => expect(runner.isClosed).toBe(true));
    again.send({ type: "log", ...name, from: 2, entries: entriesOf("c") }, completion(name, 3));
    await again.next("complete_ack");
    expect(owner.text(dispatch)).toBe("abc");
  });

  it("is told of a cancel that it missed", async () => {
    const { pool, runner, dispatch, name } = await running();
    runner.close();
    await eventually(async () => {
      expect((await pool.status(["r1"]))[0]).toMatchObject({ is_connected: false, running: 1 });
    });
    expect(await pool.stop(dispatch, "cancel")).toEqual({ status: "stopping" });
    const again = await ScriptedRunner.join(pool, "r1", { running: [{ ...name, output: 0 }] });
    expect(await again.next("cancel")).toMatchObject({ ...name, reason: "cancel" });
  });

  it("gets again what it never got", async () => {
    const { pool, runner, dispatch } = await running({ isStarted: false });
    runner.close();
    const again = await ScriptedRunner.join(pool, "r1");
    await again.assigned(dispatch);
    expect(owner.types(dispatch)).toEqual([]);
  });

  it("has lost what its process before had", async () => {
    const { pool, runner, dispatch } = await running({ isStarted: false });
    runner.close();
    const reborn = await ScriptedRunner.join(pool, "r1", { boot_id: "boot-2" });
    await ended(dispatch, "lost");
    expect(reborn.all("assign")).toEqual([]);
  });

  it("is not told to go on with what the owner has dispatched anew", async () => {
    const { pool, runner, dispatch, name } = await running();
    runner.close();
    owner.again(dispatch);
    const again = await ScriptedRunner.join(pool, "r1", {
      running: [
        { ...name, output: 0 },
        { attempt: "unknown/1/0", epoch: 1, output: 0 },
      ],
    });
    expect(again.all("welcome")[0]?.resumed).toEqual([]);
  });

  it("is welcomed by a pool whose owners do not answer, and goes on where they last were", async () => {
    const { pool, runner, name } = await running();
    runner.send({ type: "log", ...name, from: 0, entries: entriesOf("a") });
    await runner.next("log_ack");
    owner.isDown = true;
    const again = await ScriptedRunner.join(pool, "r1", { running: [{ ...name, output: 1 }] });
    expect(again.all("welcome")[0]?.resumed).toEqual([{ ...name, output: 1 }]);
  });
});

describe("a lease", () => {
  it("that ends makes the attempt lost, and a late runner is fenced", async () => {
    setLease(250);
    const { pool, runner, dispatch, name } = await running();
    runner.close();
    await ended(dispatch, "lost");
    const fresh = owner.again(dispatch);
    await pool.offer(fresh);
    const late = await ScriptedRunner.join(pool, "r1", { running: [{ ...name, output: 0 }] });
    expect(late.all("welcome")[0]?.resumed).toEqual([]);
    late.send(completion(name));
    expect(await late.next("fenced")).toMatchObject(name);
    expect(owner.types(dispatch)).not.toContain("ended");
  });

  it("is renewed by heartbeats that name the attempt", async () => {
    const { pool, runner, dispatch, name } = await running();
    const before = await leaseOf(pool, dispatch);
    await eventually(async () => {
      runner.heartbeat({ ...name, output: 0 });
      const { lease_until } = await leaseOf(pool, dispatch);
      expect(lease_until).toBeGreaterThan(before.lease_until);
    });
    expect(owner.types(dispatch)).toEqual(["started"]);
  });

  it("ends at once when the runner says that it has no more what it had started", async () => {
    const { runner, dispatch, name } = await running();
    runner.heartbeat();
    await ended(dispatch, "lost");
    expect(await runner.next("fenced")).toMatchObject(name);
  });

  it("runs on for what the runner may not have got yet", async () => {
    setLease(600);
    const { pool, runner, dispatch } = await running({ isStarted: false });
    runner.heartbeat();
    expect((await pool.status(["r1"]))[0]).toMatchObject({ running: 1 });
    expect(owner.types(dispatch)).toEqual([]);
    await ended(dispatch, "lost");
  });

  it("that ends while the owner is away is reported when it is back", async () => {
    setLease(100);
    const { pool, runner, dispatch } = await running();
    owner.isDown = true;
    runner.close();
    await runDurableObjectAlarm(pool);
    await eventually(async () => {
      expect(await pool.stop(dispatch, "cancel")).toEqual({ status: "stopping" });
      expect((await pool.status(["r1"]))[0]).toMatchObject({ running: 0 });
    });
    owner.isDown = false;
    await ended(dispatch, "lost");
  });
});

describe("a reset of the pool", () => {
  it("keeps the queue, and the answer to what is offered again", async () => {
    const pool = newPool();
    const dispatches = [owner.dispatch({ priority: 1 }), owner.dispatch({ priority: 2 })];
    for (const dispatch of dispatches) await pool.offer(dispatch);
    await evictDurableObject(pool);
    for (const dispatch of dispatches) {
      expect(await pool.offer(dispatch)).toEqual({ status: "taken" });
    }
    const runner = await ScriptedRunner.join(pool, "r1", { slots: 1 });
    await eventually(() => expect(runner.all("assign")).toHaveLength(1));
    expect(runner.all("assign")[0]?.attempt).toBe(attemptKey(dispatches[1] ?? owner.dispatch()));
  });

  it.each(["close", "hibernate"] as const)(
    "with sockets: %s, goes on with what runs",
    async (webSockets) => {
      const { pool, runner, dispatch, name } = await running();
      runner.send({ type: "log", ...name, from: 0, entries: entriesOf("a") });
      await runner.next("log_ack");
      await evictDurableObject(pool, { webSockets });
      const next =
        webSockets === "hibernate"
          ? runner
          : await ScriptedRunner.join(pool, "r1", { running: [{ ...name, output: 2 }] });
      next.send({ type: "log", ...name, from: 1, entries: entriesOf("b") }, completion(name, 2));
      await next.next("complete_ack");
      expect(owner.text(dispatch)).toBe("ab");
      expect(owner.types(dispatch).filter((type) => type === "started")).toHaveLength(1);
    },
  );

  it("that loses output on its way has the runner send it again", async () => {
    const { pool, runner, dispatch, name } = await running();
    owner.isDown = true;
    runner.send({ type: "log", ...name, from: 0, entries: entriesOf("a", "b") });
    await eventually(() => expect(owner.failures).toBeGreaterThan(0));
    const reset = await crash(pool);
    owner.isDown = false;
    const again = await ScriptedRunner.join(reset, "r1", { running: [{ ...name, output: 2 }] });
    expect(again.all("welcome")[0]?.resumed).toEqual([{ ...name, output: 0 }]);
    again.send(completion(name, 2));
    expect(await again.next("log_ack")).toMatchObject({ output: 0 });
    again.send({ type: "log", ...name, from: 0, entries: entriesOf("a", "b") });
    await again.next("complete_ack");
    expect(owner.text(dispatch)).toBe("ab");
  });

  it("gives a runner a whole lease to come back, and once", async () => {
    setLease(1_500);
    const { pool, dispatch, name } = await running();
    await evictDurableObject(pool, { webSockets: "close" });
    const before = Date.now();
    await pool.stop(owner.dispatch(), "cancel");
    const graced = await leaseOf(pool, dispatch);
    expect(graced.is_graced).toBe(1);
    expect(graced.lease_until).toBeGreaterThanOrEqual(before + 1_500);
    await evictDurableObject(pool, { webSockets: "close" });
    await pool.stop(owner.dispatch(), "cancel");
    expect(await leaseOf(pool, dispatch)).toEqual(graced);
    await ended(dispatch, "lost");
    const late = await ScriptedRunner.join(pool, "r1", { running: [{ ...name, output: 0 }] });
    expect(late.all("welcome")[0]?.resumed).toEqual([]);
  });

  it("reports what it had decided, by its alarm", async () => {
    setLease(200);
    const { pool, runner, dispatch } = await running();
    owner.isDown = true;
    runner.close();
    await runDurableObjectAlarm(pool);
    await eventually(async () => {
      expect((await pool.status(["r1"]))[0]).toMatchObject({ running: 0 });
    });
    await crash(pool);
    owner.isDown = false;
    await ended(dispatch, "lost");
  });

  it("forgets no revocation", async () => {
    const { pool, runner, dispatch } = await running();
    await pool.revoke("r1");
    expect(await runner.next("refused")).toMatchObject({ code: "revoked" });
    await eventually(() => expect(runner.isClosed).toBe(true));
    await ended(dispatch, "lost");
    await evictDurableObject(pool);
    const refused = await pool.fetch("https://pool/", { headers: unsignedHeaders("r1") });
    expect(refused.status).toBe(403);
    expect(await pool.admit("r1", "n", Date.now() + 1_000)).toBe("revoked");
  });

  it("forgets no nonce", async () => {
    const pool = newPool();
    const until = Date.now() + 60_000;
    expect(await pool.admit("r1", "n", until)).toBe("admitted");
    expect(await pool.admit("r2", "n", until)).toBe("admitted");
    await evictDurableObject(pool);
    expect(await pool.admit("r1", "n", until)).toBe("replayed");
  });
});

describe("a connection that does not keep to the protocol", () => {
  async function connect() {
    const response = await newPool().fetch("https://pool/", { headers: unsignedHeaders("r1") });
    return ScriptedRunner.of(response);
  }

  it.each([
    ["another version", helloFrame({ protocol: 99 }), "protocol_unsupported"],
    ["a label that no task can name", helloFrame({ labels: ["gpu", "a b"] }), "labels_invalid"],
    ["too large a frame", null, "frame_invalid"],
    ["no hello", { type: "started", attempt: "a/1/0", epoch: 1 } as const, "hello_missing"],
  ])("by %s is refused with the reason", async (_, frame, code) => {
    const runner = await connect();
    if (frame === null) {
      await runner.greet();
      const entries = entriesOf("x".repeat(MAX_LOG_FRAME_CHARS * 3));
      runner.send({ type: "log", attempt: "a/1/0", epoch: 1, from: 0, entries });
    } else runner.send(frame);
    expect(await runner.next("refused")).toMatchObject({ code });
    await eventually(() => expect(runner.isClosed).toBe(true));
  });

  it("is told which labels are of no use, and what one is made of", async () => {
    const runner = await connect();
    runner.send(helloFrame({ labels: ["gpu", "a b", ""] }));
    const { message } = await runner.next("refused");
    expect(message).toContain('"a b", ""');
    expect(message).not.toContain("gpu");
    expect(message).toMatch(/underscores.*--labels/);
  });

  it.each(["", "{", "null", '{"type":"other"}', '{"type":"log","attempt":"a"}'])(
    "by %j is refused with the reason",
    async (text) => {
      const runner = await connect();
      runner.socket.send(text);
      expect(await runner.next("refused")).toMatchObject({ code: "frame_invalid" });
    },
  );
});

function exchangeOf(session: string, frames: readonly FromRunner[], wait_ms = 0): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ session, frames, wait_ms }));
}

describe("the long-poll", () => {
  it("carries the same frames, and answers as soon as there are some", async () => {
    const pool = newPool();
    const exchange = (frames: readonly FromRunner[], wait_ms = 0) =>
      pool.exchange("r1", exchangeOf("session-1", frames, wait_ms));
    expect(await exchange([])).toEqual({ status: "unknown" });
    const welcome = await exchange([helloFrame()]);
    expect(JSON.stringify(welcome)).toContain("welcome");
    const dispatch = owner.dispatch();
    const waiting = exchange([], 8_000);
    await pool.offer(dispatch);
    const name = { attempt: attemptKey(dispatch), epoch: 1 };
    expect(JSON.stringify(await waiting)).toContain("assign");
    const answers = await exchange(
      [
        { type: "started", ...name },
        { type: "log", ...name, from: 0, entries: entriesOf("a") },
        completion(name, 1),
      ],
      8_000,
    );
    const more = await exchange([], JSON.stringify(answers).includes("complete_ack") ? 0 : 8_000);
    expect(JSON.stringify([answers, more])).toContain("complete_ack");
    expect(owner.text(dispatch)).toBe("a");
    await evictDurableObject(pool);
    expect(await exchange([])).toEqual({ status: "unknown" });
  });

  it("gives way to a WebSocket of the same runner, and the other way round", async () => {
    const pool = newPool();
    await pool.exchange("r1", exchangeOf("session-1", [helloFrame()]));
    const runner = await ScriptedRunner.join(pool, "r1");
    const gone = await pool.exchange("r1", exchangeOf("session-1", []));
    expect(gone).toEqual({ status: "unknown" });
    await pool.exchange("r1", exchangeOf("session-2", [helloFrame()]));
    await eventually(() => expect(runner.isClosed).toBe(true));
  });
});
