import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StepGraph } from "./check-graph.ts";
import { parseDefinition } from "./definition.ts";
import { config, definitionOf } from "./test-support.ts";

/** A graph of steps `s0…`, each needing those that are given for it. */
function graphOf(needs: readonly (readonly number[])[]): StepGraph {
  const { tasks: _, ...shell } = definitionOf([{ name: "x" }]);
  const steps = needs.map((list, index) => ({
    name: `s${index}`,
    needs: list.map((need) => ({ name: `s${need}`, path: `tasks[${index}].needs` })),
    step: null,
  }));
  return new StepGraph({ shell, steps });
}

/** What a step depends on, by following its needs. */
function reach(needs: readonly (readonly number[])[], step: number): Set<number> {
  const found = new Set<number>();
  const visit = (at: number) => {
    for (const need of needs[at] ?? []) {
      if (found.has(need)) continue;
      found.add(need);
      visit(need);
    }
  };
  visit(step);
  return found;
}

const graphs = fc.integer({ min: 2, max: 70 }).chain((size) =>
  fc.array(fc.uniqueArray(fc.nat(size - 1), { maxLength: 3 }), {
    minLength: size,
    maxLength: size,
  }),
);

describe("the graph of steps", () => {
  it("knows what lies upstream as following the needs tells it", () => {
    const acyclic = graphs.map((lists) =>
      lists.map((list, step) => list.filter((need) => need < step)),
    );
    fc.assert(
      fc.property(acyclic, (needs) => {
        const graph = graphOf(needs);
        expect(graph.issues).toEqual([]);
        for (let step = 0; step < needs.length; step += 1) {
          const upstream = reach(needs, step);
          for (let other = 0; other < needs.length; other += 1) {
            expect(graph.isUpstream(other, step)).toBe(upstream.has(other));
          }
        }
      }),
    );
  });

  it("names a circle if and only if there is one", () => {
    fc.assert(
      fc.property(graphs, (lists) => {
        const needs = lists.map((list, step) => list.filter((need) => need !== step));
        const isCyclic = needs.some((_, step) => reach(needs, step).has(step));
        const { issues } = graphOf(needs);
        expect(issues.length > 0).toBe(isCyclic);
        for (const { message } of issues) {
          const circle = /circle: (.*)\. Remove/.exec(message)?.[1]?.split(" → ") ?? [];
          expect(circle.at(0)).toBe(circle.at(-1));
          if (circle.includes("…")) continue;
          circle.slice(1).forEach((name, at) => {
            expect(needs[Number(circle[at]?.slice(1))]).toContain(Number(name.slice(1)));
          });
        }
      }),
    );
  });

  it("is checked in well under a second at its largest, also for references far upstream", () => {
    const tasks = Array.from({ length: 10_000 }, (_, index) => {
      const layer = Math.floor(index / 100) - 1;
      const needs = [0, 7, 13].map((offset) => `s${layer * 100 + ((index + offset) % 100)}`);
      return {
        name: `s${index}`,
        script: "export default () => null",
        needs: layer < 0 ? [] : needs,
        inputs: layer < 1 ? null : `\${{ tasks.s${index - 200}.result }}`,
      };
    });
    const began = performance.now();
    const { issues } = parseDefinition({ name: "large", tasks }, { config });
    expect(issues).toEqual([]);
    expect(performance.now() - began).toBeLessThan(3_000);
  });
});
