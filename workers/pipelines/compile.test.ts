import { describe, expect, it } from "vitest";
import { compile } from "./compile.ts";
import { definitionOf, type TaskInput } from "./test-support.ts";

const planOf = (tasks: readonly TaskInput[], members = {}, default_timeout_ms: number | null = 7) =>
  compile(definitionOf(tasks, members), { default_timeout_ms });
const stepOf = (task: object) => planOf([{ name: "a", ...task }]).steps[0];

describe("a plan", () => {
  it("holds needs as indexes, those of `dependencies` included, each once", () => {
    const tasks = [{ name: "c", needs: ["a", "b"] }, { name: "a" }, { name: "b", needs: "a" }];
    const plan = planOf(tasks, { dependencies: { c: ["a"], b: ["a"], a: [] } });
    expect(plan.steps.map(({ needs }) => needs)).toEqual([[1, 2], [], [1]]);
  });

  it.each<[object, object]>([
    [
      {},
      {
        condition: null,
        matrix: null,
        gate: null,
        attached: true,
        durable: false,
        timeout_ms: 300_000,
        retry: { max_attempts: 1 },
        continue_on_error: false,
      },
    ],
    [{ if: "inputs.x" }, { condition: { calls_status: false } }],
    [{ if: "${{ inputs.x && FAILURE() }}" }, { condition: { calls_status: true } }],
    [{ if: false }, { condition: { calls_status: false } }],
    [{ strategy: { matrix: { a: [1] } } }, { matrix: { max_parallel: null, fail_fast: true } }],
    [
      { strategy: { matrix: "${{ inputs.m }}", max_parallel: 2, fail_fast: false } },
      { matrix: { max_parallel: 2, fail_fast: false } },
    ],
    [{ approval: true }, { gate: { type: "approval", signal: null, ms: null } }],
    [{ approval: { timeout_seconds: 2 } }, { gate: { type: "approval", signal: null, ms: 2000 } }],
    [{ wait: { seconds: 0.5 } }, { gate: { type: "duration", signal: null, ms: 500 } }],
    [{ wait: { seconds: "${{ 1 }}" } }, { gate: { type: "duration", signal: null, ms: null } }],
    [
      { wait: { signal: "go", timeout_seconds: 1 } },
      { gate: { type: "signal", signal: "go", ms: 1000 } },
    ],
    [{ pipeline: "p2" }, { attached: false, durable: true, timeout_ms: 7, gate: null }],
    [
      { retry: { max_attempts: 2 }, timeout_seconds: 1.5 },
      { timeout_ms: 1500, retry: { max_attempts: 2, initial_ms: 1000, max_ms: 60_000 } },
    ],
  ])("has for %j", (task, expected) => {
    expect(stepOf(task)).toMatchObject(expected);
  });

  it("keeps no more attempts of this process in flight than can run", () => {
    const local = { name: "a" };
    expect(planOf([local], { max_parallel: 40 }).max_parallel).toBe(10);
    expect(planOf([local], { max_parallel: 4 }).max_parallel).toBe(4);
    expect(planOf([local, { name: "b", pipeline: "x" }], { max_parallel: 40 }).max_parallel).toBe(
      40,
    );
  });

  it("has the run's own time, or the service's", () => {
    expect(planOf([{ name: "a" }], { timeout_seconds: 3 }).timeout_ms).toBe(3000);
    expect(planOf([{ name: "a" }]).timeout_ms).toBe(7);
    expect(planOf([{ name: "a" }], {}, null).timeout_ms).toBeNull();
  });

  it("concludes when there are outputs, and needs a slot unless it is a child's", () => {
    const definition = definitionOf([{ name: "a" }], { outputs: {} });
    expect(compile(definition, { default_timeout_ms: null, slotted: false })).toMatchObject({
      concludes: true,
      slotted: false,
    });
    expect(planOf([{ name: "a" }])).toMatchObject({ concludes: false, slotted: true });
  });
});
