/** What IDEALZR is told, with the real courier, runs, outbox and fake. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { createAgent } from "../agents/test-support.ts";
import { connected, idealzr } from "../commandcentral/test-support.ts";
import { Courier } from "../delivery/courier.ts";
import { Outbox } from "../delivery/outbox.ts";
import { CourierTables } from "../delivery/tables.ts";
import { courierOf } from "../delivery/test-support.ts";
import { subjectsOf } from "../subjects.ts";
import { IdealzrTarget } from "./target.ts";

const { call } = connected();
const URL = "https://pipelzr.test";
const SCORED = "export default () => ({ score: 0.93 })";

interface Bench {
  readonly tables: CourierTables;
  /** Takes in what is new, and delivers it. */
  round(): Promise<void>;
}

async function onBench(test: (bench: Bench) => Promise<void>): Promise<void> {
  const outbox = new Outbox(env.DB);
  const from = await outbox.newest();
  const target = new IdealzrTarget({
    ...{ url: idealzr.url, public_url: URL, subject: subjectsOf(env) },
  });
  await runInDurableObject(courierOf(crypto.randomUUID()), async (_, { storage }) => {
    const tables = new CourierTables(storage.sql);
    const courier = new Courier(storage, tables, { name: "idealzr", outbox, target, from });
    const round = async () => {
      tables.change({ next_try_at: 0 });
      await courier.round();
      // The object's own courier has nothing to do with it.
      await storage.deleteAlarm();
    };
    await test({ tables, round });
  });
}

async function posted() {
  const calls = await idealzr.calls();
  return calls.filter(({ method }) => method === "POST").map(({ body }) => body);
}

/** Rounds until so much was posted. */
async function untilPosted(round: () => Promise<void>, count: number) {
  await expect
    .poll(async () => {
      await round();
      return (await posted()).length;
    })
    .toBe(count);
  return posted();
}

async function evidence() {
  const list = await idealzr.control("GET", "/api/v1/evidence");
  return Array.isArray(list) ? list : [];
}

const task = (more: object) =>
  call("/api/v1/tasks", { body: { name: "train", script: SCORED, execute: true, ...more } });
const EVIDENCE = { hypothesis_id: "h1", on: { completed: { data_value: "score" } } };
const THROWS = "export default () => { throw new Error('no luck') }";

beforeEach(async () => {
  await idealzr.clear();
});

describe("IDEALZR", () => {
  it("is sent what the preview shows, once a run, with the run's correlation", async () => {
    await onBench(async ({ round }) => {
      const { body } = await call("/api/v1/tasks", {
        body: { name: "train", script: SCORED, execute: true, evidence: EVIDENCE },
        headers: { "x-correlation-id": "order-8" },
      });
      expect(body.state).toBe("completed");
      const preview = await call("/api/v1/integrations/idealzr/preview", {
        body: { kind: "task", id: body.id },
      });
      const shown = { ...Object(preview.body.body), source_url: `${URL}/api/v1/tasks/${body.id}` };
      expect(await untilPosted(round, 1)).toEqual([shown]);
      expect(shown).toMatchObject({ hypothesis_id: "h1", data_value: 0.93 });
      expect((await idealzr.calls())[0]?.headers["x-correlation-id"]).toBe("order-8");
      await call(`/api/v1/tasks/${body.id}/execute`, { method: "POST" });
      const all = await untilPosted(round, 2);
      expect(all.map((each) => Object(each).extra_data.run)).toEqual([1, 2]);
    });
  });

  it("is told of pipelines that fail, and of no run whose definition says nothing", async () => {
    await onBench(async ({ round }) => {
      await task({});
      const tasks = [{ name: "a", script: THROWS }];
      const definition = { name: "p", tasks, evidence: { idea_id: "i1" }, execute: true };
      const { body } = await call("/api/v1/pipelines", { body: definition });
      expect(body.state).toBe("failed");
      expect(await untilPosted(round, 1)).toMatchObject([
        {
          ...{ supports_hypothesis: false, confidence_impact: -0.1, hypothesis_id: null },
          source_url: `${URL}/api/v1/pipelines/${body.id}/runs/1`,
          tags: ["pipelzr", `pipelzr:${body.id}:1`, "idea:i1"],
        },
      ]);
    });
  });

  it("is told of an agent when it is terminated", async () => {
    await onBench(async ({ round }) => {
      const { id } = await createAgent(call, { evidence: { hypothesis_id: "h2" } });
      await call(`/api/v1/agents/${id}/message`, { body: { content: "/help" } });
      await call(`/api/v1/agents/${id}/terminate`, { method: "POST" });
      expect(await untilPosted(round, 1)).toMatchObject([
        { hypothesis_id: "h2", supports_hypothesis: true, extra_data: { kind: "agent", id } },
      ]);
    });
  });

  it.each([
    ["cuts the connection after it has taken it", { kind: "cut" }],
    ["answers half a JSON text after it has taken it", { kind: "malformed" }],
    ["is down", { kind: "down" }],
    ["fails", { kind: "status", status: 500 }],
    ["asks for patience", { kind: "status", status: 429, retry_after_seconds: 60 }],
  ] as const)("has the evidence once, though it %s", async (_, fault) => {
    await onBench(async ({ tables, round }) => {
      await idealzr.fault({ ...fault, method: "POST", times: 1 });
      const { body } = await task({ evidence: EVIDENCE });
      const id = String(body.id);
      await expect
        .poll(async () => {
          await round();
          return tables.state().error;
        })
        .not.toBe(null);
      expect(tables.counts()).toMatchObject({ parked: 0 });
      // The pause of a failure about one entity is over at some time.
      await expect
        .poll(async () => {
          await round();
          return tables.messages(id, 10).length;
        })
        .toBe(0);
      expect(await evidence()).toHaveLength(1);
    });
  });

  it("is not asked again for what it refuses, which is parked", async () => {
    await onBench(async ({ tables, round }) => {
      await idealzr.fault({ kind: "status", status: 422, method: "POST" });
      await task({ evidence: EVIDENCE });
      await untilPosted(round, 1);
      await round();
      expect(await posted()).toHaveLength(1);
      expect(tables.counts()).toMatchObject({ parked: 1 });
      await idealzr.fault(null);
      tables.redrive("*", null);
      await round();
      expect(await evidence()).toHaveLength(1);
    });
  });
});

describe("the preview", () => {
  const preview = (body: object) => call("/api/v1/integrations/idealzr/preview", { body });

  it("shows any outcome, and says why nothing is sent", async () => {
    const made = await call("/api/v1/tasks", {
      body: { name: "later", script: SCORED, evidence: EVIDENCE },
    });
    const about = { kind: "task", id: made.body.id };
    expect((await preview(about)).body).toMatchObject({
      ...{ outcome: null, body: null },
      reason: expect.stringContaining("has not come to an outcome yet"),
    });
    expect((await preview({ ...about, outcome: "failed" })).body).toMatchObject({
      ...{ method: "POST", path: "/api/v1/evidence", reason: null },
      body: {
        ...{ supports_hypothesis: false, hypothesis_id: "h1", data_value: null },
        description: 'Run 1 of the task "later" failed.',
      },
    });
    expect((await preview({ ...about, outcome: "cancelled" })).body.body).toBe(null);
    const none = await call("/api/v1/tasks", { body: { name: "none", script: SCORED } });
    const silent = await preview({ kind: "task", id: none.body.id, outcome: "completed" });
    expect(silent.body.reason).toMatch(/says nothing of `evidence`/);
  });

  it("knows nothing of what is not there, and of no other kind", async () => {
    const made = await call("/api/v1/tasks", { body: { name: "x", script: SCORED } });
    expect((await preview({ kind: "pipeline", id: made.body.id })).status).toBe(404);
    expect((await preview({ kind: "task", id: "nonsense" })).status).toBe(404);
    expect((await preview({ kind: "task", id: made.body.id, run: 9 })).status).toBe(404);
    expect((await preview({ kind: "skill", id: made.body.id })).status).toBe(422);
  });

  it("belongs to definitions that are checked", async () => {
    const bad = { name: "x", script: SCORED, evidence: { on: {} } };
    expect(await call("/api/v1/tasks", { body: bad })).toMatchObject({
      ...{ status: 422, body: { errors: [{ path: "evidence" }] } },
    });
    const tasks = [{ name: "a", command: "true" }];
    const pipeline = { name: "x", tasks, evidence: { hypothesis_id: "h", when: {} } };
    expect((await call("/api/v1/pipelines", { body: pipeline })).status).toBe(422);
  });
});
