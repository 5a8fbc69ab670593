/** What the steps of a run do, on the real object: conditions, failures, matrices, data. */
import { describe, expect, it } from "vitest";
import {
  create,
  ECHO,
  eventsOfType,
  execute,
  FAIL,
  jsonOf,
  resultOf,
  run,
  runs,
  SLEEP,
  states,
} from "./test-support-runs.ts";

const ONE = "export default () => 1";
const LIST = "export default () => [1, 2, 3, 4]";
const EACH = { matrix: { n: "${{ tasks.list.result }}" } };

describe("a condition", () => {
  it("is about the steps above, and makes a step run or be skipped", async () => {
    const { id, run: ended } = await run(
      [
        { name: "bad", script: FAIL },
        { name: "plain", needs: ["bad"] },
        { name: "ok", needs: ["bad"], if: "${{ success() }}" },
        { name: "failed", needs: ["bad"], if: "${{ failure() }}", script: ONE },
        { name: "always", needs: ["plain"], if: "${{ always() }}", script: ONE },
        { name: "far", needs: ["plain"], if: "${{ failure() }}", script: ONE },
        { name: "cancelled", needs: ["bad"], if: "${{ cancelled() }}" },
        {
          name: "asks",
          needs: ["bad"],
          if: "${{ !success() && tasks.bad.error.code }}",
          script: ONE,
        },
      ],
      { stop_on_failure: false },
    );
    expect(ended).toMatchObject({ status: "failed", failed_steps: ["bad"] });
    expect(await states(id)).toEqual({
      bad: "failed",
      plain: "skipped",
      ok: "skipped",
      failed: "completed",
      always: "completed",
      far: "completed",
      cancelled: "skipped",
      asks: "completed",
    });
  });

  it("reads values, and what is skipped skips what needs it", async () => {
    const { id, run: ended } = await run(
      [
        { name: "a", script: "export default () => ({ go: false })" },
        { name: "b", needs: ["a"], if: "${{ tasks.a.result.go }}" },
        { name: "c", needs: ["b"] },
        { name: "d", if: "inputs.n > 2", script: ONE },
      ],
      {},
      { n: 3 },
    );
    expect(ended?.status).toBe("completed");
    expect(await states(id)).toEqual({
      a: "completed",
      b: "skipped",
      c: "skipped",
      d: "completed",
    });
  });

  it("that cannot be evaluated fails its step, and says where", async () => {
    const { run: ended } = await run([
      { name: "a", script: "export default () => 'x'" },
      { name: "b", needs: ["a"], if: "${{ fromJSON(tasks.a.result) }}" },
    ]);
    expect(ended).toMatchObject({ status: "failed", failed_steps: ["b"] });
    expect(ended?.error).toMatchObject({ code: "expression_invalid" });
    expect(ended?.error?.message).toContain("if");
  });
});

describe("a failure", () => {
  it("stops the start of what does not ask for the status of others", async () => {
    const { id, run: ended } = await run(
      [
        { name: "bad", script: FAIL },
        { name: "slow", script: SLEEP, inputs: 300 },
        { name: "next", needs: ["slow"] },
        { name: "clean", needs: ["slow"], if: "${{ always() }}", script: ONE },
      ],
      { stop_on_failure: true },
    );
    expect(ended?.status).toBe("failed");
    expect(await states(id)).toEqual({
      bad: "failed",
      slow: "completed",
      next: "skipped",
      clean: "completed",
    });
  });

  it("that is tolerated satisfies what needs it, and fails no run", async () => {
    const {
      id,
      run: ended,
      result,
    } = await run(
      [
        { name: "bad", script: FAIL, continue_on_error: true },
        { name: "next", needs: ["bad"], script: ECHO, inputs: "${{ tasks.bad.state }}" },
      ],
      { outputs: { state: "${{ tasks.next.result }}", code: "${{ tasks.bad.error.code }}" } },
    );
    expect(ended?.status).toBe("completed");
    expect(await jsonOf(result)).toMatchObject({ state: "failed", code: expect.any(String) });
    expect(await states(id)).toEqual({ bad: "failed", next: "completed" });
  });

  it("is tried again as the policy says, and the results of failed tries are dropped", async () => {
    const { id, run: ended } = await run([
      {
        name: "flaky",
        script:
          "export default (_, ctx) => { if (ctx.attempt < 3) throw new Error('no'); return ctx.attempt }",
        retry: { max_attempts: 3, initial_seconds: 0.01 },
      },
    ]);
    expect(ended?.status).toBe("completed");
    expect(await resultOf(id, "flaky")).toBe(3);
    expect((await runs.attempts(id, null)).map(({ state }) => state)).toEqual([
      "failed",
      "failed",
      "completed",
    ]);
  });

  it("of the run's time ends what runs, and skips the rest", async () => {
    const { id, run: ended } = await run(
      [
        { name: "long", script: SLEEP, inputs: 60_000 },
        { name: "next", needs: ["long"] },
      ],
      { timeout_seconds: 0.3 },
    );
    expect(ended).toMatchObject({ status: "failed", error: { code: "run_timeout" } });
    expect(await states(id)).toEqual({ long: "failed", next: "skipped" });
  });
});

describe("a matrix", () => {
  it("from an upstream result fans out and in, in the order of its values", async () => {
    const { id, result } = await run(
      [
        { name: "list", script: LIST },
        {
          name: "each",
          needs: ["list"],
          strategy: { ...EACH, max_parallel: 3 },
          script:
            "export default async (n) => { await new Promise((done) => setTimeout(done, 50 - n * 10)); return n * n }",
          inputs: "${{ matrix.n }}",
        },
        { name: "sum", needs: ["each"], script: ECHO, inputs: "${{ tasks.each.results }}" },
      ],
      { outputs: { all: "${{ tasks.sum.result }}", list: "${{ tasks.each.results }}" } },
    );
    const items = [1, 2, 3, 4].map((n) => ({ matrix: { n }, state: "completed", result: n * n }));
    expect(await jsonOf(result)).toEqual({ all: items, list: items });
    expect((await runs.step(id, null, "each[2]")).matrix).toBe('{"n":3}');
  });

  it("has no more items at work than its max_parallel", async () => {
    const { id } = await run([
      { name: "list", script: LIST },
      {
        name: "each",
        needs: ["list"],
        strategy: { ...EACH, max_parallel: 2 },
        script: SLEEP,
        inputs: 30,
      },
    ]);
    let atWork = 0;
    let most = 0;
    const { events } = await runs.events(id, 1, 0);
    for (const { type, data } of events) {
      if (!data.includes("each[")) continue;
      if (type === "attempt.started") atWork += 1;
      if (type === "attempt.finished") atWork -= 1;
      most = Math.max(most, atWork);
    }
    expect(most).toBe(2);
  });

  it("that fails fast cancels its other items; one that does not lets them end", async () => {
    const each = {
      needs: ["list"],
      script:
        "export default async (n) => { if (n === 1) throw new Error('one'); await new Promise((done) => setTimeout(done, n === 2 ? 60_000 : 5)); return n }",
      inputs: "${{ matrix.n }}",
    };
    const fast = await run([
      { name: "list", script: LIST },
      { name: "each", ...each, strategy: { ...EACH, max_parallel: 2, fail_fast: true } },
    ]);
    expect(await states(fast.id)).toEqual({
      list: "completed",
      each: "failed",
      "each[0]": "failed",
      "each[1]": "cancelled",
      "each[2]": "cancelled",
      "each[3]": "cancelled",
    });
    const slow = await run(
      [
        { name: "list", script: "export default () => [1, 3, 4]" },
        { name: "each", ...each, strategy: { ...EACH, fail_fast: false } },
        {
          name: "after",
          needs: ["each"],
          if: "${{ failure() }}",
          script: ECHO,
          inputs: "${{ tasks.each.results }}",
        },
      ],
      { stop_on_failure: false },
    );
    expect(slow.run).toMatchObject({ status: "failed", failed_steps: ["each[0]"] });
    expect(await resultOf(slow.id, "after")).toEqual([
      { matrix: { n: 1 }, state: "failed", result: null },
      { matrix: { n: 3 }, state: "completed", result: 3 },
      { matrix: { n: 4 }, state: "completed", result: 4 },
    ]);
  });

  it("without items completes, and one that cannot be expanded fails", async () => {
    const empty = await run([
      { name: "list", script: "export default () => []" },
      { name: "each", needs: ["list"], strategy: EACH },
      { name: "after", needs: ["each"], script: ECHO, inputs: "${{ tasks.each.results }}" },
    ]);
    expect(empty.run?.status).toBe("completed");
    expect(await resultOf(empty.id, "after")).toEqual([]);
    const wrong = await run([
      { name: "list", script: "export default () => 'three'" },
      { name: "each", needs: ["list"], strategy: EACH },
    ]);
    expect(wrong.run).toMatchObject({ status: "failed", failed_steps: ["each"] });
    expect(wrong.run?.error?.message).toContain("strategy.matrix");
  });

  it("of large values is kept in the blob store, and each item finds its own", async () => {
    const { id, run: ended } = await run([
      {
        name: "list",
        script: "export default () => [1, 2, 3].map((n) => ({ n, text: 'x'.repeat(40_000) }))",
      },
      {
        name: "each",
        needs: ["list"],
        strategy: EACH,
        script: "export default ({ n, text }) => n + text.length",
        inputs: "${{ matrix.n }}",
      },
    ]);
    expect(ended?.status).toBe("completed");
    expect(await resultOf(id, "each[2]")).toBe(40_003);
    expect((await runs.step(id, null, "each[1]")).matrix).toContain('"n":2');
  });
});

describe("data", () => {
  it("passes from inputs through steps to outputs, as it is", async () => {
    const value = { deep: [1, null, "ä\u2028", 2 ** 53], empty: {} };
    const { result } = await run(
      [
        {
          name: "a",
          script: ECHO,
          inputs: { given: "${{ inputs.value }}", n: "n=${{ inputs.n }}" },
        },
        {
          name: "b",
          needs: ["a"],
          script: "export default (input, ctx) => ({ input, env: ctx.env.WHO })",
          inputs: "${{ tasks.a.result }}",
          environment: { WHO: "${{ env.BASE }}-${{ tasks.a.result.n }}" },
        },
      ],
      {
        inputs: { type: "object" },
        environment: { BASE: "base" },
        outputs: { whole: "${{ tasks.b.result }}" },
      },
      { value, n: 7 },
    );
    expect(await jsonOf(result)).toEqual({
      whole: { input: { given: value, n: "n=7" }, env: "base-n=7" },
    });
  });

  it("over 64 KiB lies in the blob store, also of fan-ins and outputs, byte for byte", async () => {
    const {
      id,
      result,
      run: ended,
    } = await run(
      [
        { name: "list", script: LIST },
        {
          name: "each",
          needs: ["list"],
          strategy: EACH,
          script: "export default (n) => String(n).repeat(100_000)",
          inputs: "${{ matrix.n }}",
        },
        {
          name: "lengths",
          needs: ["each"],
          script: "export default (all) => all.map(({ result }) => [result[0], result.length])",
          inputs: "${{ tasks.each.results }}",
        },
      ],
      {
        outputs: {
          first: "${{ tasks.each.results[0].result }}",
          all: "${{ tasks.lengths.result }}",
        },
      },
    );
    expect(ended?.status).toBe("completed");
    expect((await runs.step(id, null, "each[3]")).result?.kind).toBe("stored");
    expect(result?.kind).toBe("stored");
    expect(await jsonOf(result)).toEqual({
      first: "1".repeat(100_000),
      all: ["1", "2", "3", "4"].map((digit) => [digit, 100_000]),
    });
  });

  it("past 8 MiB of a fan-in is handed on by reference", async () => {
    const { id, run: ended } = await run([
      { name: "list", script: "export default () => [1, 2, 3]" },
      {
        name: "each",
        needs: ["list"],
        strategy: EACH,
        script: "export default () => 'x'.repeat(3 * 1024 * 1024)",
      },
      {
        name: "kinds",
        needs: ["each"],
        script:
          "export default (all) => all.map(({ result }) => typeof result === 'string' ? result.length : result)",
        inputs: "${{ tasks.each.results }}",
      },
    ]);
    expect(ended, JSON.stringify(ended)).toMatchObject({ status: "completed" });
    const bytes = 3 * 1024 * 1024;
    expect(await resultOf(id, "kinds")).toEqual([
      bytes,
      bytes,
      { $result: { step: "each[2]", run: 1, bytes: bytes + 2 } },
    ]);
  });

  it("that outputs cannot be made of fails the run, and its steps stand", async () => {
    const { id, run: ended } = await run([{ name: "a", script: "export default () => 'x'" }], {
      outputs: { bad: "${{ fromJSON(tasks.a.result) }}" },
    });
    expect(ended).toMatchObject({ status: "failed", error: { code: "expression_invalid" } });
    expect(await states(id)).toEqual({ a: "completed" });
  });

  it("of a run begun twice is each run's own", async () => {
    const id = await create([{ name: "a", script: ECHO, inputs: "${{ inputs.n }}" }]);
    await execute(id, { inputs: { n: 1 } });
    await execute(id, { inputs: { n: 2 } });
    expect(await resultOf(id, "a", 1)).toBe(1);
    expect(await resultOf(id, "a", 2)).toBe(2);
    expect(await eventsOfType(id, "run.completed", 2)).toHaveLength(1);
  });
});
