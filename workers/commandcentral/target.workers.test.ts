/** What CommandCentral is told, with the real courier, outbox and fake. */

import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { Courier } from "../delivery/courier.ts";
import { Outbox } from "../delivery/outbox.ts";
import { CourierTables } from "../delivery/tables.ts";
import { courierOf, event, write } from "../delivery/test-support.ts";
import { CommandCentralTarget } from "./target.ts";
import { central, tokenOf } from "./test-support.ts";

const AUDIT_PATH = "/api/v1/events/";
const REGISTER = "/api/v1/state-machine/entities/register";
const EXECUTE = "/api/v1/state-machine/transitions/execute";

interface Bench {
  readonly tables: CourierTables;
  /** Takes in what is new, and delivers it. */
  round(): Promise<void>;
}

/** Runs `test` with a courier of its own, from the newest message on. */
async function onBench(test: (bench: Bench) => Promise<void>, audit_path: string | null = null) {
  const outbox = new Outbox(env.DB);
  const from = await outbox.newest();
  await runInDurableObject(courierOf(crypto.randomUUID()), async (_, { storage }) => {
    const tables = new CourierTables(storage.sql);
    const target = new CommandCentralTarget({
      ...{ url: central.url, token: tokenOf("pipelzr", ["admin"]), audit_path },
      tracks_states: true,
    });
    const courier = new Courier(storage, tables, { name: "commandcentral", outbox, target, from });
    const round = async () => {
      await courier.round();
      // The object's own courier has nothing to do with it.
      await storage.deleteAlarm();
    };
    await test({ tables, round });
  });
}

const states = (...types: string[]) => types.map((type, index) => event(index + 1, { type }));
const LIFE = ["resource.created", "run.queued", "run.started", "run.completed"];

async function told(path: string) {
  return (await central.calls()).filter((call) => call.path === path).map(({ body }) => body);
}

beforeEach(async () => {
  await central.clear();
});

describe("the state tracker", () => {
  it("is told of a resource once, and of its states in their order; denials end nothing", async () => {
    await onBench(async ({ tables, round }) => {
      await write("pipeline", [{ resource_id: "p1", events: states(...LIFE) }]);
      await round();
      expect(await told(REGISTER)).toEqual([
        {
          ...{ service: "pipelzr", entity_type: "pipeline", entity_id: "p1" },
          ...{ initial_state: "draft", project_id: "default" },
        },
      ]);
      expect(await told(EXECUTE)).toEqual([
        { to_state: "queued" },
        { to_state: "running" },
        { to_state: "completed" },
      ]);
      expect(
        tables.entries(null, 10).map(({ type, outcome, error }) => [type, outcome, error]),
      ).toEqual([
        ...["completed", "running", "queued"].map((to) => [
          ...["entity.transitioned", "failed"],
          expect.stringContaining(`Transition to ${to} not allowed`),
        ]),
        ["entity.registered", "delivered", null],
      ]);
      expect(tables.counts()).toMatchObject({ pending: 0, parked: 0 });
      // Nothing is told twice, though the message comes again.
      await write("pipeline", [{ resource_id: "p1", events: states("run.completed") }]);
      await round();
      expect(await told(EXECUTE)).toHaveLength(3);
    });
  });

  it("takes one that is registered already for registered", async () => {
    await onBench(async ({ tables, round }) => {
      await write("task", [{ resource_id: "t1", events: states("resource.created") }]);
      await round();
      await central.fault({ kind: "cut", times: 1 });
      await write("task", [{ resource_id: "t2", events: states("resource.created") }]);
      await round();
      expect(tables.state()).toMatchObject({ failures: 1 });
      tables.change({ next_try_at: 0 });
      await round();
      expect(await told(REGISTER)).toHaveLength(3);
      expect(tables.entries(null, 1)).toMatchObject([{ outcome: "delivered", entity: "t2" }]);
    });
  });

  it("is told of agents and tasks, and of nothing else", async () => {
    await onBench(async ({ round }) => {
      const session = states("session.created", "session.ready", "turn.started", "turn.ended");
      await write("agent", [{ resource_id: "a1", events: session }]);
      await write("invocation", [{ resource_id: "i1", events: states(...LIFE) }]);
      await write("audit", [{ resource_id: "x", events: states("audit.recorded") }]);
      await round();
      expect(await told(REGISTER)).toMatchObject([{ entity_id: "a1", initial_state: "idle" }]);
      expect(await told(EXECUTE)).toMatchObject([
        ...[{ to_state: "waiting" }, { to_state: "running" }, { to_state: "waiting" }],
      ]);
    });
  });

  it.each([
    ["down", { kind: "down" }],
    ["asking for patience", { kind: "status", status: 429, retry_after_seconds: 9 }],
    ["failing", { kind: "status", status: 500 }],
    ["answering what is no JSON", { kind: "malformed" }],
  ] as const)("loses nothing while it is %s", async (_, fault) => {
    await onBench(async ({ tables, round }) => {
      await central.fault({ ...fault, times: 1 });
      await write("task", [{ resource_id: "t1", events: states(...LIFE) }]);
      await round();
      expect(tables.state().error).not.toBe(null);
      expect(tables.counts()).toMatchObject({ pending: 1 });
      tables.change({ next_try_at: 0 });
      tables.settle("t1", null);
      await round();
      expect(tables.counts()).toMatchObject({ pending: 0 });
      expect(await told(EXECUTE)).toHaveLength(3);
    });
  });
});

const recorded = (seq: number) =>
  event(seq, {
    type: "audit.recorded",
    data: { action: "createTask", entity_type: "task", outcome: "success", status: 201 },
  });

describe("the path for entries of the audit log", () => {
  it("is told of each entry once, in order, in CommandCentral's own shape", async () => {
    await central.configure({ audit_writable: true });
    await onBench(async ({ tables, round }) => {
      await write("audit", [{ resource_id: "p1", events: [recorded(1), recorded(2)] }]);
      await central.fault({ kind: "down", path: AUDIT_PATH, times: 1 });
      await round();
      tables.change({ next_try_at: 0 });
      await round();
      await write("audit", [{ resource_id: "p1", events: [recorded(2), recorded(3)] }]);
      await round();
      const calls = await told(AUDIT_PATH);
      expect(calls.slice(1)).toMatchObject(
        [1, 2, 3].map((seq) => ({ event_type: "entity_created", extra_data: { seq } })),
      );
      expect(tables.counts()).toMatchObject({ pending: 0, parked: 0 });
    }, AUDIT_PATH);
  });

  it("is asked once when it is not there, which the health tells, and again when it is redriven", async () => {
    await onBench(async ({ tables, round }) => {
      for (const seq of [1, 2, 3]) {
        await write("audit", [{ resource_id: `p${seq}`, events: [recorded(seq)] }]);
        await write("task", [{ resource_id: `t${seq}`, events: states("resource.created") }]);
        await round();
      }
      expect(await told(AUDIT_PATH)).toHaveLength(1);
      expect(tables.state().error).toMatch(/with 405: it takes no entries of the audit log there/);
      expect(tables.counts()).toMatchObject({ parked: 1, pending: 1 });
      // The tracker is told all the same.
      expect(await told(REGISTER)).toHaveLength(3);
      await central.configure({ audit_writable: true });
      tables.redrive("*", null);
      await round();
      await write("audit", [{ resource_id: "p4", events: [recorded(4)] }]);
      await round();
      expect(await told(AUDIT_PATH)).toMatchObject(
        [1, 1, 4].map((seq) => ({ extra_data: { seq } })),
      );
    }, AUDIT_PATH);
  });
});

it("tells nothing without a token, and says so", async () => {
  await runInDurableObject(courierOf(crypto.randomUUID()), async (_, { storage }) => {
    const target = new CommandCentralTarget({
      ...{ url: central.url, token: null, audit_path: null, tracks_states: true },
    });
    const memory = new CourierTables(storage.sql);
    const delivery = { entity: "t", messages: [], attempt: 1, is_repeated: false, failing_ms: 0 };
    expect(await target.deliver({ ...delivery, memory }, AbortSignal.timeout(1_000))).toMatchObject(
      {
        ...{ status: "failed", scope: "target" },
        error: expect.stringContaining("COMMANDCENTRAL_TOKEN is not set"),
      },
    );
  });
  expect(await central.calls()).toEqual([]);
});
