/** The graph of a run, for any run. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inspection, ran } from "../runs/inspection-fixture.ts";
import type { RunInspection } from "../runs/store-types.ts";
import { STEP_STATUSES, type StepStatus } from "../runs/types.ts";
import { digestOf } from "./digest.ts";
import { runGraph } from "./graph.ts";
import { edgeName } from "./wanted.ts";

const URL = "https://pipelzr.test/";

/** As it is told, with a definition of steps of the same names. */
function told(found: RunInspection, summary: Partial<RunInspection["summary"]>): RunInspection {
  const tasks = found.plan.steps.map(({ name }) => ({ name, command: "true" }));
  const document = JSON.stringify({ definition: { name: "any", tasks } });
  const { plan, state } = found;
  const names = state.steps.map(({ group, item }, index) =>
    group === null ? (plan.steps[index]?.name ?? "") : `${plan.steps[group]?.name}[${item}]`,
  );
  return { ...found, document, names, summary: { ...found.summary, ...summary } };
}

interface Shape {
  readonly needs: readonly number[];
  readonly items: number | null;
  readonly status: StepStatus;
}

const shapes: fc.Arbitrary<readonly Shape[]> = fc
  .array(
    fc.record({
      needs: fc.array(fc.nat(20), { maxLength: 3 }),
      items: fc.option(fc.nat(4)),
      status: fc.constantFrom(...STEP_STATUSES),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((steps) =>
    steps.map(({ needs, ...step }, index) => ({
      ...step,
      needs: [...new Set(needs.filter((need) => need < index))],
    })),
  );

function runOf(steps: readonly Shape[], isOver: boolean): RunInspection {
  let first = steps.length;
  const items = steps.flatMap(({ items: count, status }, group) =>
    Array.from({ length: count ?? 0 }, (_, item) => ({ name: "", state: { group, item, status } })),
  );
  const planned = steps.map(({ needs, items: count, status }, index) => {
    const matrix = { max_parallel: null, fail_fast: true };
    const group = {
      first,
      count: count ?? 0,
      open: 0,
      active: 0,
      next: 0,
      failed: 0,
      cancelled: 0,
    };
    first += count ?? 0;
    return {
      name: `s${index}`,
      plan: { needs, ...(count !== null && { matrix }) },
      state: { status, ...(count !== null && { items: group }) },
    };
  });
  const state = { completed_at: isOver ? 9 : null };
  return told(inspection({ steps: planned, items, state }), state);
}

describe("the graph of a run", () => {
  it("has every step once, contained once, and every need, of nodes that are there", () => {
    fc.assert(
      fc.property(shapes, (steps) => {
        const run = runOf(steps, true);
        const { run: top, steps: nodes, edges } = runGraph(run, URL);
        const ids = nodes.map(({ external_id }) => external_id);
        expect(new Set(ids).size).toBe(run.state.steps.length);
        expect(ids).toHaveLength(run.state.steps.length);
        const contained = edges.flatMap(({ type, target }) =>
          type === "contains" ? [target] : [],
        );
        expect(contained).toEqual(ids);
        const needed = edges.filter(({ type }) => type === "depends_on");
        expect(needed).toHaveLength(steps.reduce((sum, { needs }) => sum + needs.length, 0));
        const there = new Set([...ids, top.external_id]);
        for (const edge of edges) {
          expect(there.has(edge.source) && there.has(edge.target), edgeName(edge)).toBe(true);
        }
        expect(new Set(edges.map(edgeName)).size).toBe(edges.length);
        for (const { label, properties } of [top, ...nodes]) {
          expect(label.length).toBeGreaterThan(0);
          expect(label.length).toBeLessThanOrEqual(255);
          expect(Object.values(properties)).not.toContain(null);
        }
      }),
    );
  });

  it("is the run and its groups while it lives, with how far they are", () => {
    fc.assert(
      fc.property(shapes, (steps) => {
        const graph = runGraph(runOf(steps, false), URL);
        expect(graph).toMatchObject({ is_over: false, steps: [], edges: [] });
        const groups = steps.filter(({ items }) => items !== null);
        expect(graph.groups.map(({ properties }) => properties.progress)).toEqual(
          groups.map(({ items, status }) => {
            const total = items ?? 0;
            const isDone = ["completed", "failed", "cancelled", "skipped"].includes(status);
            return {
              ...{ total, done: isDone ? total : 0, percent: isDone || total === 0 ? 100 : 0 },
              by_state: total === 0 ? {} : { [status]: total },
            };
          }),
        );
      }),
    );
  });

  it("names runs and steps after the pipeline, and leads to them", () => {
    const parent = { resource_id: "above", run: 3, step: 0, epoch: 1, depth: 0 };
    const run = told(inspection({ steps: [ran("a", [], 10, 30)] }), { completed_at: 40, parent });
    const graph = runGraph(run, URL);
    expect(graph.container).toBe("above:3");
    expect(graph.run).toMatchObject({ external_id: "p:2", label: "any #2", node_type: "event" });
    expect(graph.steps).toMatchObject([
      {
        external_id: "p:2:a",
        properties: {
          ...{ kind: "step", does: "work", executor: "local", state: "completed", attempts: 1 },
          ...{ duration_ms: 20, started_at: "1970-01-01T00:00:00.010Z" },
          url: "https://pipelzr.test/api/v1/pipelines/p/runs/2/steps/a",
        },
      },
    ]);
  });

  it("changes with what it shows, and not with its revision alone", () => {
    const { run } = runGraph(told(inspection({ steps: [ran("a", [], 1, 2)] }), {}), URL);
    const withRevision = (revision: number) => ({
      ...run,
      properties: { ...run.properties, revision },
    });
    expect(digestOf(withRevision(1))).toBe(digestOf(withRevision(2)));
    const changed = { ...run, properties: { ...run.properties, state: "paused" } };
    expect(digestOf(changed)).not.toBe(digestOf(run));
  });
});
