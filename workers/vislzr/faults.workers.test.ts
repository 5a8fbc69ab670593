/** VISLZR has exactly what it is to have, whatever it does meanwhile. */
import { beforeEach, describe, expect, it } from "vitest";
import { call, create, execute, onBench, shown, vislzr } from "./test-support.ts";
import { shownSchema } from "./test-support-graph.ts";

const OK = "export default () => 1";
const STEPS = [
  { name: "list", script: "export default () => [1, 2, 3, 4]" },
  {
    ...{ name: "test", script: OK, needs: ["list"] },
    strategy: { matrix: { shard: "${{ tasks.list.result }}" } },
  },
  { name: "left", script: OK, needs: ["test"] },
  { name: "right", script: OK, needs: ["test", "list"] },
];
const NODES = "/api/v1/nodes";
const FAULTS = [
  ["is down", { kind: "down" }],
  ["cuts the connection after the work is done", { kind: "cut" }],
  ["answers half a JSON text after the work is done", { kind: "malformed" }],
  ["fails", { kind: "status", status: 500 }],
  ["asks for patience", { kind: "status", status: 429, retry_after_seconds: 60 }],
  ["takes a request and never answers", { kind: "half_open" }],
] as const;
const CALLS = [
  ["a node is looked up", "GET", `${NODES}/external`, false],
  ["a node is made", "POST", NODES, true],
  ["steps are made", "POST", `${NODES}/bulk`, true],
  ["relationships are made", "POST", `${NODES}/relationships/bulk`, true],
  ["a node is changed", "PATCH", NODES, false],
  ["a node is deleted", "DELETE", NODES, false],
] as const;

const everything = async () => shownSchema.parse(await vislzr.control("GET", "/__graph"));

beforeEach(async () => {
  await vislzr.clear();
});

describe.each(FAULTS)("the graph is exact though VISLZR %s", (_, fault) => {
  it.each(CALLS)("when %s", async (__, method, path, is_exact) => {
    await onBench(
      async ({ untilExact, round, tables }) => {
        const id = await create(STEPS);
        await round();
        await vislzr.fault({ ...fault, method, path, is_exact, times: 2 });
        await execute(id);
        await untilExact(id);
        await call(`/api/v1/pipelines/${id}`, { method: "DELETE" });
        await expect
          .poll(async () => {
            tables.settle(id, 0);
            await round();
            return (await everything()).nodes;
          })
          .toEqual([]);
      },
      { call_ms: 100, late_ms: 0 },
    );
  });
});

describe("what takes effect after it was given up", () => {
  it.each([
    ["steps", `${NODES}/bulk`],
    ["relationships", `${NODES}/relationships/bulk`],
    ["a single node", NODES],
  ])("is there once in the end: %s", async (_, path) => {
    await onBench(
      async ({ untilExact, round, tables }) => {
        const id = await create(STEPS);
        const slow = { kind: "slow", delay_ms: 400, method: "POST", times: 1 } as const;
        await vislzr.fault({ ...slow, path, is_exact: true });
        await execute(id);
        const wanted = await untilExact(id);
        // What was sent first comes now, beside what was sent after it.
        const count = async () => {
          const { nodes, relationships } = await everything();
          return nodes.length + relationships.length;
        };
        const exact = wanted.nodes.length + wanted.relationships.length;
        await expect.poll(count, { interval: 20 }).toBeGreaterThan(exact);
        tables.settle(id, 0);
        await round();
        await untilExact(id);
        expect(await count()).toBe(exact);
      },
      { call_ms: 100, late_ms: 600 },
    );
  });

  it("is not there when its pipeline is deleted meanwhile", async () => {
    await onBench(
      async ({ round, tables }) => {
        const id = await create(STEPS);
        await execute(id);
        const slow = { kind: "slow", delay_ms: 600, method: "POST", times: 1 } as const;
        await vislzr.fault({ ...slow, path: `${NODES}/bulk`, is_exact: true });
        const sent = async () =>
          (await vislzr.calls()).filter((each) => each.path === `${NODES}/bulk`).length;
        await expect
          .poll(async () => {
            await round();
            return sent();
          })
          .toBeGreaterThan(0);
        await call(`/api/v1/pipelines/${id}`, { method: "DELETE" });
        await expect
          .poll(async () => {
            await round();
            return shown(id);
          })
          .toBe(undefined);
        await expect.poll(async () => (await everything()).nodes.length).toBeGreaterThan(0);
        await expect
          .poll(async () => {
            tables.settle(id, 0);
            await round();
            return (await everything()).nodes;
          })
          .toEqual([]);
      },
      { call_ms: 100, late_ms: 500 },
    );
  });
});

describe("a bulk call that VISLZR made in part", () => {
  it("is completed, and what is there twice taken away", async () => {
    await onBench(async ({ untilExact, round }) => {
      const id = await create(STEPS);
      await vislzr.fault({ kind: "down", method: "POST", path: `${NODES}/bulk`, times: 1 });
      await execute(id);
      await expect
        .poll(async () => {
          await round();
          return (await vislzr.calls()).some(({ path }) => path === `${NODES}/bulk`);
        })
        .toBe(true);
      const sent = (await vislzr.calls()).find(({ path }) => path === `${NODES}/bulk`);
      const [first, second] = Object(sent?.body).nodes;
      await vislzr.control("POST", `${NODES}/bulk`, { nodes: [first, second, second] });
      await untilExact(id);
    });
  });
});

describe("a neighbour that refuses", () => {
  it("parks what it refuses, tells the rest, and is told it when it is redriven", async () => {
    await onBench(async ({ untilExact, tables, round }) => {
      const [refused, other] = [await create(STEPS), await create(STEPS)];
      await vislzr.fault({
        kind: "status",
        status: 422,
        method: "POST",
        is_exact: true,
        path: NODES,
        times: 1,
      });
      await execute(refused);
      await expect
        .poll(async () => {
          await round();
          return tables.counts().parked;
        })
        .toBe(1);
      await execute(other);
      await untilExact(other);
      tables.redrive("*", null);
      await untilExact(refused);
      await untilExact(other);
    });
  });
});
