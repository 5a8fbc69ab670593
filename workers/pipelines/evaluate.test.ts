import { describe, expect, it } from "vitest";
import type { Json } from "../http/json.ts";
import { ResultNotLoaded, StepNotReady, type StepWork } from "../runs/ports.ts";
import { approvalMessage, conclude, decide, work } from "./evaluate.ts";
import { definitionOf, type RunParts, runOf, type TaskInput } from "./test-support.ts";

type Code = Extract<StepWork, { type: "work" }>;

/** The work of the last task, or of `step`. */
function workOf(
  tasks: readonly TaskInput[],
  parts: RunParts = {},
  members = {},
  step?: number,
): Code {
  const { view } = runOf(definitionOf(tasks, members), parts);
  const made = work(view, step ?? tasks.length - 1, 1);
  if (made.type !== "work") throw new Error("the step runs another resource");
  return made;
}

const inputsOf = (...args: Parameters<typeof workOf>) => workOf(...args).work.inputs;

describe("the inputs of a step", () => {
  it("come from the run's inputs, results upstream and the run itself", () => {
    const inputs = {
      name: "${{ inputs.name }}",
      list: "${{ tasks.A.result.list }}",
      state: "${{ tasks.a.state }} with ${{ tasks.a.exit_code }}",
      error: "${{ tasks.a.error }}",
      run: "${{ run.id }}#${{ run.number }}.${{ run.attempt }} ${{ run.pipeline }}",
    };
    const parts = {
      inputs: { name: "n" },
      results: { a: { list: [1] } },
      states: { a: { exit_code: 0 }, b: { attempt: 3 } },
    };
    expect(inputsOf([{ name: "a" }, { name: "b", needs: "a", inputs }], parts)).toEqual({
      name: "n",
      list: [1],
      state: "completed with 0",
      error: null,
      run: "pipeline-1#2.3 p",
    });
  });

  it("are replaced for the one step that a run was begun with others for", () => {
    const tasks = [
      { name: "a", inputs: 1 },
      { name: "b", inputs: 2 },
    ];
    const parts = { step_inputs: { step: 1, json: '{"x":"${{ inputs.y }}"}' } };
    expect(inputsOf(tasks, parts, {}, 0)).toBe(1);
    expect(inputsOf(tasks, parts, {}, 1)).toEqual({ x: "${{ inputs.y }}" });
  });

  it("take the values of the item", () => {
    const matrix = { shard: [1, 2] };
    const tasks = [
      {
        name: "m",
        strategy: { matrix },
        inputs: "${{ matrix.shard }}",
        command: "x ${{ matrix.shard }}/2",
      },
    ];
    const items = { m: [1, 2].map((shard) => ({ matrix: { shard }, result: null })) };
    const { view } = runOf(definitionOf(tasks), { items });
    expect(work(view, 2, 1)).toMatchObject({ work: { inputs: 2, command: "x 2/2" } });
  });

  it("gather a group in the order of its items", () => {
    const tasks = [
      { name: "m", strategy: { matrix: { v: [1, 2] } } },
      {
        name: "all",
        needs: "m",
        inputs: ["${{ tasks.m.results }}", "${{ tasks.m.results.*.result }}"],
      },
    ];
    const items = { m: [1, 2].map((v) => ({ matrix: { v }, result: { twice: v * 2 } })) };
    expect(inputsOf(tasks, { items })).toEqual([
      [
        { matrix: { v: 1 }, state: "completed", result: { twice: 2 } },
        { matrix: { v: 2 }, state: "completed", result: { twice: 4 } },
      ],
      [{ twice: 2 }, { twice: 4 }],
    ]);
  });

  it("hold references for what a fan-in has no room for", () => {
    const tasks = [
      { name: "m", strategy: { matrix: { v: [1, 2, 3] } } },
      { name: "all", needs: "m", inputs: "${{ tasks.m.results.*.result }}" },
    ];
    const big = "x".repeat(5 * 1024 * 1024);
    const items = { m: [big, big, "small"].map((result, v) => ({ matrix: { v }, result })) };
    expect(inputsOf(tasks, { items })).toEqual([
      big,
      { $result: { step: "m[1]", run: 2, bytes: big.length + 2 } },
      "small",
    ]);
  });

  it("mean the direct needs by tasks.*", () => {
    const tasks = [
      { name: "a" },
      { name: "b", needs: "a" },
      { name: "c", needs: "b", inputs: ["${{ tasks.*.result }}", "${{ tasks.a.result }}"] },
    ];
    expect(inputsOf(tasks, { results: { a: 1, b: 2 } })).toEqual([[2], 1]);
  });

  it("are asked for one result at a time until all are loaded, and read none twice", () => {
    const tasks = [
      { name: "a" },
      { name: "b", needs: "a", inputs: ["${{ tasks.a.result.x }}", "${{ tasks.a.result.y }}"] },
    ];
    const definition = definitionOf(tasks);
    const stored = runOf(definition, { results: { a: {} }, stored: new Set([0]) });
    expect(() => work(stored.view, 1, 1)).toThrow(new ResultNotLoaded(0));
    const loaded = runOf(definition, { results: { a: { x: 1, y: 2 } } });
    expect(work(loaded.view, 1, 1)).toMatchObject({ work: { inputs: [1, 2] } });
    expect(loaded.reads.get(0)).toBe(1);
  });
});

describe("the environment of a step", () => {
  const members = {
    environment: { BASE: "${{ inputs.base }}", TOKEN: "${{ secrets.T }}", SAME: "pipeline" },
  };
  const environment = { SAME: "own ${{ env.SAME }}", MORE: "${{ env.BASE }}/x", N: "${{ 1 }}" };
  const task = { name: "a", environment, inputs: ["${{ env.MORE }}", "${{ env.SAME }}"] };

  it("lies over the pipeline's, and leaves secrets to the executor", () => {
    const { work } = workOf([task], { inputs: { base: "/b" } }, members);
    expect(work.environment).toEqual({
      BASE: "/b",
      TOKEN: "${{ secrets.T }}",
      SAME: "own pipeline",
      MORE: "/b/x",
      N: "1",
    });
    expect(work.inputs).toEqual(["/b/x", "own pipeline"]);
  });

  it.each([
    [{ base: {} }, /environment\.BASE: It comes to an object; .*toJSON/],
    [{ base: "a\0b" }, /NUL/],
  ])("is refused when a value is no text: %j", (inputs, message) => {
    const error = (() => {
      try {
        return workOf([task], { inputs }, members);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(StepNotReady);
    expect(error).toMatchObject({
      code: "expression_invalid",
      message: expect.stringMatching(message),
    });
  });
});

describe("the rest of a step's work", () => {
  it("names whose files it uses, each item of a group in a folder", () => {
    const tasks = [
      { name: "a", artifacts: ["*"] },
      { name: "m", artifacts: ["*"], strategy: { matrix: { v: [1, 2] } } },
      { name: "u", needs: ["a", "m"], use_artifacts: [{ from: "a" }, { from: "m", path: "in/" }] },
    ];
    const items = { m: [1, 2].map((v) => ({ matrix: { v }, result: null })) };
    expect(workOf(tasks, { items }).artifacts_from).toEqual([
      { step: 0, path: "" },
      { step: 3, path: "in/0" },
      { step: 4, path: "in/1" },
    ]);
  });

  it("is a run of another pipeline", () => {
    const tasks = [{ name: "sub", pipeline: "other", inputs: { x: "${{ inputs.x }}" } }];
    const { view } = runOf(definitionOf(tasks), { inputs: { x: [1] } });
    expect(work(view, 0, 1)).toEqual({
      type: "run",
      child: { resource_id: "other", placement: "own" },
      inputs: '{"x":[1]}',
    });
  });

  it.each([
    ["working_directory", "${{ inputs.x }}", /^working_directory: Give a path relative/],
    ["image", "${{ inputs.none }}", /^image: It comes to an empty text/],
    ["image", "${{ inputs.x }}", /^image: It is no reference of an image/],
    ["artifacts", ["a.txt", "${{ inputs.x }}"], /^artifacts\[1\]: It is absolute/],
  ])("refuses what comes to nothing usable: %s, %j", (member, value, message) => {
    const task = { name: "a", task_type: "dagger", [member]: value };
    const begin = () => workOf([task], { inputs: { x: "/etc" } });
    expect(begin).toThrow(StepNotReady);
    expect(begin).toThrow(message);
  });

  it("refuses a template that comes to none", () => {
    const task = { name: "a", executors: ["e2b", "dagger"], template: "${{ inputs.x }}" };
    expect(() => workOf([task], { inputs: { x: "a b" } })).toThrow(
      /^template: It is neither an id/,
    );
  });

  const cached = (more: Record<string, unknown>, inputs = { x: 1 }) =>
    workOf([{ name: "a", cache: true, inputs: "${{ inputs.x }}", ...more }], { inputs }).cache
      ?.parts;

  it("is cached by all that its result depends on", () => {
    const base = cached({});
    expect(cached({})).toEqual(base);
    for (const change of [
      { command: "false" },
      { files: { a: "b" } },
      { environment: { A: "1" } },
      { secrets: ["S"] },
      { outputs: { type: "object" } },
      { inputs: 5 },
    ]) {
      expect(cached(change)).not.toEqual(base);
    }
    expect(workOf([{ name: "a" }]).cache).toBeNull();
    expect(workOf([{ name: "a", cache: false }]).cache).toBeNull();
  });

  it("is cached by a key of the user's own in the place of its data, beside its code", () => {
    const keyed = (more: Record<string, unknown>, inputs = { x: 1 }) =>
      cached({ cache: { key: "k-${{ inputs.x }}", ttl_seconds: 60 }, ...more }, inputs);
    expect(keyed({ environment: { A: "1" } })).toEqual(keyed({ files: { a: "b" } }));
    expect(keyed({}, { x: 2 })).not.toEqual(keyed({}));
    expect(keyed({ command: "false" })).not.toEqual(keyed({}));
  });
});

describe("whether a step runs", () => {
  const decided = (task: TaskInput, parts: RunParts = {}) => {
    const { view } = runOf(definitionOf([{ name: "up" }, { needs: "up", ...task }]), parts);
    return decide(view, 1);
  };

  it.each<[string, object, string]>([
    ["inputs.go", {}, "skip"],
    ["${{ !inputs.go }}", {}, "run"],
    ["success()", {}, "run"],
    ["success()", { blocked: true }, "skip"],
    ["failure()", { failed_above: true }, "run"],
    ["failure()", { cancelled_above: true }, "skip"],
    ["cancelled()", { cancelled_above: true }, "run"],
    ["always()", { blocked: true, failed_above: true }, "run"],
    ["always() && tasks.up.state == 'failed'", {}, "skip"],
  ])("%s %j → %s", (condition, state, verdict) => {
    expect(decided({ name: "s", if: condition }, { states: { s: state } }).verdict.do).toBe(
      verdict,
    );
  });

  it("expands a matrix, also one that an expression gives", () => {
    const dynamic = { name: "s", strategy: { matrix: { v: "${{ tasks.up.result }}" } } };
    const decision = decided(dynamic, { results: { up: [1, 2] } });
    expect(decision).toEqual({ verdict: { do: "expand", items: 2 }, items: [{ v: 1 }, { v: 2 }] });
    const whole = { name: "s", strategy: { matrix: "${{ tasks.up.result }}" } };
    expect(decided(whole, { results: { up: [{ v: 1 }] } }).items).toEqual([{ v: 1 }]);
    expect(decided(dynamic, { results: { up: [] } }).verdict).toEqual({ do: "expand", items: 0 });
  });

  it.each([
    [{ up: "x" }, "matrix_invalid", /strategy\.matrix\.v: An axis is an array/],
    [{ up: Array(1_001).fill(0) }, "matrix_invalid", /at most 1000/],
  ])("fails for a matrix that cannot be", (results, code, message) => {
    const { verdict } = decided(
      { name: "s", strategy: { matrix: { v: "${{ tasks.up.result }}" } } },
      { results },
    );
    expect(verdict).toMatchObject({
      do: "fail",
      error: { code, message: expect.stringMatching(message) },
    });
  });

  it.each<[Json, object]>([
    [1.5, { do: "run", wait_ms: 1500 }],
    ["2", { do: "run", wait_ms: 2000 }],
    [-1, { do: "fail" }],
    ["soon", { do: "fail" }],
    [null, { do: "fail" }],
  ])("waits for %j seconds", (seconds, verdict) => {
    const task = { name: "s", wait: { seconds: "${{ inputs.s }}" } };
    expect(decided(task, { inputs: { s: seconds } }).verdict).toMatchObject(verdict);
  });

  it("leaves to the engine a result that is not loaded", () => {
    const task = { name: "s", if: "tasks.up.result" };
    expect(() => decided(task, { results: { up: 1 }, stored: new Set([0]) })).toThrow(
      ResultNotLoaded,
    );
  });
});

describe("the end of a run", () => {
  const outputs = { a: "${{ tasks.a.result }}", all: "${{ tasks.*.state }}" };

  it("gives outputs from any task", () => {
    const { view } = runOf(definitionOf([{ name: "a" }, { name: "b" }], { outputs }), {
      results: { a: { x: 1 } },
      states: { b: { status: "failed" } },
    });
    expect(conclude(view)).toEqual({
      result: { a: { x: 1 }, all: ["completed", "failed"] },
      error: null,
    });
  });

  it("fails with the place of what cannot be evaluated", () => {
    const broken = { outputs: { deep: ["${{ fromJSON(tasks.a.result) }}"] } };
    const { view } = runOf(definitionOf([{ name: "a" }], broken), { results: { a: "{" } });
    expect(conclude(view).error).toMatchObject({
      code: "expression_invalid",
      message: expect.stringMatching(/^outputs\.deep\[0\]: .*not JSON/),
    });
  });

  it("asks for approval in words that may hold expressions", () => {
    const approval = { message: "Deploy ${{ inputs.v }}?" };
    const { view } = runOf(definitionOf([{ name: "ok", approval }]), { inputs: { v: "1.2" } });
    expect(approvalMessage(view, 0)).toBe("Deploy 1.2?");
  });
});
