/** What VISLZR has in the end, with the real courier, runs, outbox and fake. */
import { beforeEach, describe, expect, it } from "vitest";
import { agentListSchema } from "../agents/schemas.ts";
import { createAgent } from "../agents/test-support.ts";
import { call, create, execute, onBench, shown, vislzr } from "./test-support.ts";
import { shownSchema } from "./test-support-graph.ts";

const OK = "export default () => 1";
const FAILS_ONCE = "export default (_, ctx) => { if (ctx.run === 1) throw new Error('no'); }";
const DIAMOND = [
  { name: "a", script: OK },
  { name: "b", script: OK, needs: ["a"] },
  { name: "c", script: OK, needs: ["a"] },
  { name: "d", script: OK, needs: ["b", "c"] },
];
const MATRIX = [
  { name: "list", script: "export default () => [1, 2, 3]" },
  {
    ...{ name: "test", script: OK, needs: ["list"] },
    strategy: { matrix: { shard: "${{ tasks.list.result }}" } },
  },
  { name: "report", script: OK, needs: ["test"] },
];

beforeEach(async () => {
  await vislzr.clear();
});

const posts = async () =>
  (await vislzr.calls())
    .filter(({ method, path }) => method === "POST" && path.startsWith("/api/v1/nodes"))
    .map(({ path }) => path);

describe("VISLZR", () => {
  it("has the graph of a pipeline, with what it came to, and is not told it again", async () => {
    await onBench(async ({ round, tables, untilExact }) => {
      const id = await create(DIAMOND, { description: "Four steps." });
      await execute(id);
      await untilExact(id);
      expect(await shown(id)).toMatchObject({
        ...{ label: "graph", node_type: "pipeline" },
        properties: { state: "completed", run: 1, project_id: "default", steps: 4 },
      });
      expect(await shown(`${id}:1`)).toMatchObject({
        ...{ label: "graph #1", node_type: "event" },
        properties: {
          progress: { total: 4, done: 4, percent: 100, by_state: { completed: 4 } },
          duration_ms: expect.any(Number),
          url: `https://pipelzr.test/api/v1/pipelines/${id}/runs/1`,
        },
      });
      expect(await shown(`${id}:1:b`)).toMatchObject({
        ...{ label: "b", node_type: "task" },
        properties: { kind: "step", executor: "local", attempts: 1, state: "completed" },
      });
      const calls = (await vislzr.calls()).length;
      expect(calls).toBeLessThanOrEqual(10);
      await round();
      expect(await vislzr.calls()).toHaveLength(calls);
      expect(tables.counts()).toEqual({ pending: 0, parked: 0, oldest_at: null });
    });
  });

  it("has groups with their items, and each run by itself", async () => {
    await onBench(async ({ untilExact }) => {
      const id = await create([...MATRIX, { name: "flaky", script: FAILS_ONCE }]);
      await execute(id);
      await call(`/api/v1/pipelines/${id}/retry`, { method: "POST" });
      await expect
        .poll(async () => (await call(`/api/v1/pipelines/${id}`)).body)
        .toMatchObject({ run: 2, state: "completed" });
      const { nodes } = await untilExact(id);
      expect(nodes).toContain(`${id}:1:flaky: failed`);
      expect(nodes).toContain(`${id}:2:test[2]: completed`);
      expect(await shown(`${id}:2:test`)).toMatchObject({
        properties: { kind: "group", progress: { total: 3, done: 3 } },
      });
      expect(await shown(`${id}:2`)).toMatchObject({ properties: { retry_of: 1 } });
      expect((await shown(`${id}:1:flaky`))?.properties.error).toMatch(/no/);
    });
  });

  it("shows how far a run is on its node and those of its groups alone", async () => {
    await onBench(async ({ round, tables, untilExact }) => {
      const wait = { name: "wait", needs: ["test"], wait: { signal: "go" } };
      const id = await create([...MATRIX.slice(0, 2), wait]);
      await call(`/api/v1/pipelines/${id}/start`, { method: "POST" });
      await expect
        .poll(async () => {
          await round();
          // It is looked at again before its time.
          tables.settle(id, 0);
          return (await shown(`${id}:1`))?.properties;
        })
        .toMatchObject({ state: "running", progress: { total: 5, done: 4, percent: 80 } });
      expect(await shown(`${id}:1:test`)).toMatchObject({ properties: { state: "completed" } });
      expect(await shown(`${id}:1:list`)).toBe(undefined);
      const before = (await vislzr.calls()).length;
      tables.settle(id, 0);
      await round();
      expect(await vislzr.calls()).toHaveLength(before);
      await call(`/api/v1/pipelines/${id}/signal`, { body: { name: "go" } });
      await expect
        .poll(async () => (await call(`/api/v1/pipelines/${id}`)).body.state)
        .toBe("completed");
      await untilExact(id);
    });
  });

  it("has tasks with what they came to, and the correlation of who asked for them", async () => {
    await onBench(async ({ round }) => {
      const body = { name: "alone", script: OK, execute: true, labels: { team: "core" } };
      const headers = { "x-correlation-id": "order-9" };
      const made = await call("/api/v1/tasks", { body, headers });
      const id = String(made.body.id);
      await expect
        .poll(async () => {
          await round();
          return shown(id);
        })
        .toMatchObject({
          node_type: "task",
          properties: { state: "completed", labels: { team: "core" }, attempts: 1, run: 1 },
        });
      for (const { headers: sent } of await vislzr.calls()) {
        expect(sent["x-correlation-id"]).toBe("order-9");
      }
      await call(`/api/v1/tasks/${id}`, { method: "DELETE" });
      await expect
        .poll(async () => {
          await round();
          return shown(id);
        })
        .toBe(undefined);
    });
  });

  it("has agents, in the run that they are a step of, until they are deleted", async () => {
    await onBench(async ({ round }) => {
      const id = await create([{ name: "ask", agent: { model: "operator", prompt: "/help" } }]);
      await execute(id);
      const { id: alone } = await createAgent(call, {});
      const agents = async () => {
        await round();
        const graph = shownSchema.parse(await vislzr.control("GET", "/__graph"));
        return {
          agents: graph.nodes
            .filter(({ properties }) => properties.kind === "agent")
            .map(({ external_id, properties }) => [external_id, properties.state]),
          related: graph.relationships.filter((each) => !each.includes(`contains ${id}`)),
        };
      };
      let inRun = "";
      await expect
        .poll(async () => {
          const list = agentListSchema.parse((await call(`/api/v1/agents?parent_id=${id}`)).body);
          inRun = list.items[0]?.id ?? "";
          return list.items.length;
        })
        .toBe(1);
      await expect.poll(agents).toEqual({
        agents: expect.arrayContaining([
          [alone, "waiting"],
          [inRun, "terminated"],
        ]),
        related: [`${id}:1 contains ${inRun}`],
      });
      await call(`/api/v1/agents/${alone}/terminate`, { method: "POST" });
      await call(`/api/v1/agents/${alone}`, { method: "DELETE" });
      await expect.poll(async () => (await agents()).agents).toEqual([[inRun, "terminated"]]);
    });
  });

  it("has the run of a pipeline that is a step in the run above it", async () => {
    await onBench(async ({ round }) => {
      const below = await create([{ name: "a", script: OK }]);
      const above = await create([{ name: "child", pipeline: below }]);
      await execute(above);
      const related = async () => {
        await round();
        const graph = shownSchema.parse(await vislzr.control("GET", "/__graph"));
        return graph.relationships.filter((each) => each.endsWith(` contains ${below}:1`));
      };
      await expect
        .poll(related)
        .toEqual([`${above}:1 contains ${below}:1`, `${below} contains ${below}:1`].toSorted());
    });
  });

  it("has what happens after it has lost all that it had", async () => {
    await onBench(async ({ round, untilExact }) => {
      const id = await create(DIAMOND);
      await execute(id);
      await untilExact(id);
      await vislzr.clear();
      await execute(id);
      await expect
        .poll(async () => {
          await round();
          return shownSchema.parse(await vislzr.control("GET", "/__graph"));
        })
        .toMatchObject({
          nodes: [id, `${id}:2`, ...DIAMOND.map(({ name }) => `${id}:2:${name}`)].map(
            (external_id) => ({ external_id }),
          ),
          relationships: expect.arrayContaining([`${id} contains ${id}:2`]),
        });
    });
  });

  it("has nothing of a pipeline that is deleted, nor of its runs", async () => {
    await onBench(async ({ round, untilExact, tables }) => {
      const [kept, id] = [await create(DIAMOND), await create(MATRIX)];
      for (const each of [kept, id, id]) await execute(each);
      await untilExact(id);
      await untilExact(kept);
      await call(`/api/v1/pipelines/${id}`, { method: "DELETE" });
      await expect
        .poll(async () => {
          await round();
          const { nodes } = shownSchema.parse(await vislzr.control("GET", "/__graph"));
          return nodes.filter(({ external_id }) => external_id.startsWith(id));
        })
        .toEqual([]);
      await untilExact(kept);
      expect(tables.keys("").filter((key) => key.includes(id))).toEqual([]);
    });
  });

  it("is told again what a courier has forgotten, and has it once", async () => {
    await onBench(async ({ untilExact, forget }) => {
      const id = await create([...MATRIX, ...DIAMOND]);
      await execute(id);
      await untilExact(id);
      const made = await posts();
      forget();
      await execute(id);
      await untilExact(id);
      forget();
      await untilExact(id);
      // Of the second run alone.
      expect(await posts()).toHaveLength(made.length * 2 - 1);
    });
  });
});
