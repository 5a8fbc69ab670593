/** VISLZR has exactly what it is to have, whatever it does meanwhile. */
import { env } from "cloudflare:workers";
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
/** The fake answers within a few. */
const CALL_MS = 300;
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

const posts = async (path: string) =>
  (await vislzr.calls()).filter((each) => each.method === "POST" && each.path === path);

beforeEach(async () => {
  await vislzr.clear();
});

/** Every call with what leaves it open whether it was done; all with all in full. */
const isTried = ([, { kind }]: (typeof FAULTS)[number], [, , path]: (typeof CALLS)[number]) =>
  env.TEST_ALL_CRASHES === "true" || kind === "cut" || path === `${NODES}/bulk`;
const CASES = FAULTS.flatMap((fault) =>
  CALLS.filter((each) => isTried(fault, each)).map((each) => ({
    ...{ what: fault[0], when: each[0], fault: fault[1] },
    ...{ method: each[1], path: each[2], is_exact: each[3] },
  })),
);

describe("the graph is exact though VISLZR", () => {
  it.each(CASES)("$what when $when", async ({ fault, method, path, is_exact }) => {
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
      { call_ms: CALL_MS, late_ms: 0 },
    );
  });
});

describe("what takes effect after it was given up", () => {
  const held = { kind: "held", method: "POST", is_exact: true, times: 1 } as const;
  const count = async () => {
    const { nodes, relationships } = await everything();
    return nodes.length + relationships.length;
  };

  it.each([
    ["steps", `${NODES}/bulk`],
    ["relationships", `${NODES}/relationships/bulk`],
    ["a single node", NODES],
  ])("is there once in the end: %s", async (_, path) => {
    await onBench(
      async ({ untilExact, late, round }) => {
        const id = await create(STEPS);
        await vislzr.fault({ ...held, path });
        await execute(id);
        const wanted = await untilExact(id);
        const exact = wanted.nodes.length + wanted.relationships.length;
        // What was sent first comes now, beside what was sent after it.
        await vislzr.fault(null);
        await expect.poll(count, { interval: 20 }).toBeGreaterThan(exact);
        late(id);
        await round();
        await untilExact(id);
        expect(await count()).toBe(exact);
      },
      { call_ms: CALL_MS },
    );
  });

  it("is not there when its pipeline is deleted meanwhile", async () => {
    await onBench(
      async ({ round, late, tables }) => {
        const id = await create(STEPS);
        await execute(id);
        await vislzr.fault({ ...held, path: `${NODES}/bulk` });
        await expect
          .poll(async () => {
            await round();
            return (await posts(`${NODES}/bulk`)).length;
          })
          .toBeGreaterThan(0);
        await call(`/api/v1/pipelines/${id}`, { method: "DELETE" });
        await expect
          .poll(async () => {
            await round();
            return shown(id);
          })
          .toBe(undefined);
        await vislzr.fault(null);
        await expect.poll(count).toBeGreaterThan(0);
        late(id);
        await round();
        expect(await count()).toBe(0);
        expect(tables.keys("").filter((key) => key.includes(id))).toEqual([]);
      },
      { call_ms: CALL_MS },
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
          return (await posts(`${NODES}/bulk`)).length;
        })
        .toBeGreaterThan(0);
      const [sent] = await posts(`${NODES}/bulk`);
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
