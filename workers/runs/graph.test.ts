import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { graphOf } from "./graph.ts";
import { type FixtureRun, inspection, ran } from "./inspection-fixture.ts";

const NOW = 1_000;
const pathOf = (run: FixtureRun) => {
  const { critical_path, nodes } = graphOf(inspection(run), NOW);
  return { ms: critical_path.duration_ms, names: critical_path.steps.map((i) => nodes[i]?.name) };
};

describe("the graph of a run", () => {
  it("has a node a step and an edge a need", () => {
    const { nodes, edges } = graphOf(
      inspection({ steps: [ran("a", [], 0, 10), ran("b", [0], 10, 15), { name: "c" }] }),
      NOW,
    );
    expect(nodes.map(({ name, duration_ms, critical }) => [name, duration_ms, critical])).toEqual([
      ["a", 10, true],
      ["b", 5, true],
      ["c", null, false],
    ]);
    expect(edges).toEqual([{ from: 0, to: 1 }]);
  });

  it("finds the chain that took longest, not the one with most steps", () => {
    const steps = [
      ran("end", [2, 3], 110, 115),
      ran("short", [], 0, 10),
      ran("short-2", [1], 10, 20),
      ran("long", [], 0, 100),
    ];
    expect(pathOf({ steps })).toEqual({ ms: 105, names: ["long", "end"] });
  });

  it("goes through a group by its longest item", () => {
    const group = {
      name: "test",
      plan: { needs: [0], matrix: { max_parallel: 1, fail_fast: true } },
      state: {
        status: "completed",
        started_at: 10,
        completed_at: 60,
        items: { first: 3, count: 2, open: 0, active: 0, next: 2, failed: 0, cancelled: 0 },
      },
    } as const;
    const items = [ran("test[0]", [], 10, 20), ran("test[1]", [], 20, 60)].map((item, index) => ({
      ...item,
      state: { ...item.state, group: 1, item: index },
    }));
    const steps = [ran("list", [], 0, 10), group, ran("report", [1], 60, 61)];
    expect(pathOf({ steps, items })).toEqual({
      ms: 51,
      names: ["list", "test", "test[1]", "report"],
    });
  });

  it("counts a step that is running up to now, and passes over what did not run here", () => {
    const steps = [
      ran("a", [], 0, 10),
      { name: "skipped", plan: { needs: [0] }, state: { status: "skipped" as const } },
      {
        name: "reused",
        plan: { needs: [1] },
        state: {
          status: "completed" as const,
          started_at: 0,
          completed_at: 900,
          reused_from: { run: 1, epoch: 1 },
        },
      },
      {
        name: "live",
        plan: { needs: [2] },
        state: { status: "running" as const, started_at: 400 },
      },
    ];
    expect(pathOf({ steps })).toEqual({ ms: 610, names: ["a", "live"] });
  });

  it("is empty for a run that has not begun", () => {
    expect(pathOf({ steps: [{ name: "a" }] })).toEqual({ ms: 0, names: [] });
  });

  it("agrees with a search through all chains", () => {
    const durations = fc.array(fc.nat(100), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(durations, fc.infiniteStream(fc.nat(3)), (times, dice) => {
        const steps = times.map((time, index) => {
          const needs = [...times.keys()].slice(0, index).filter(() => dice.next().value === 0);
          return ran(`s${index}`, needs, 0, time);
        });
        const longest = (index: number): number =>
          (times[index] ?? 0) + Math.max(0, ...(steps[index]?.plan?.needs ?? []).map(longest));
        expect(pathOf({ steps }).ms).toBe(Math.max(...[...times.keys()].map(longest)));
      }),
    );
  });

  it("costs what the graph is large", () => {
    const layers = Array.from({ length: 10_000 }, (_, index) => {
      const before = Math.floor(index / 100) * 100 - 100;
      const needs = index < 100 ? [] : [0, 1, 2].map((shift) => before + ((index + shift) % 100));
      return ran(`s${index}`, needs, 0, 1 + (index % 7));
    });
    const large = inspection({ steps: layers });
    const began = performance.now();
    expect(graphOf(large, NOW).critical_path.steps).toHaveLength(100);
    expect(performance.now() - began).toBeLessThan(500);
  });
});
