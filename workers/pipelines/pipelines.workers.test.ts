import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import {
  create,
  FAIL,
  isStep,
  ONE,
  resultOf,
  runs,
  SLEEP,
  states,
  until,
  when,
} from "./test-support-workers.ts";

const again = { wait_ms: 20_000, request_id: null };

describe("conditions", () => {
  const after = (name: string, condition: string) => ({
    name,
    needs: ["bad"],
    if: condition,
    script: ONE,
  });

  it("see what became of the steps before", async () => {
    const tasks = [
      { name: "good", script: ONE },
      { name: "bad", script: FAIL },
      after("on_success", "success()"),
      after("on_failure", "failure()"),
      after("in_any_case", "${{ always() }}"),
      after("if_cancelled", "cancelled()"),
      after("if_value", "tasks.bad.state == 'failed' && always()"),
      { name: "else", needs: ["on_failure"], script: ONE },
    ];
    const { resource, run } = await create(tasks, { stop_on_failure: false });
    expect(run?.status).toBe("failed");
    expect(await states(resource.id)).toEqual({
      good: "completed",
      bad: "failed",
      on_success: "skipped",
      on_failure: "completed",
      in_any_case: "completed",
      if_cancelled: "skipped",
      if_value: "completed",
      else: "completed",
    });
  });

  it("let a failed run start what asks for the status of others, and nothing else", async () => {
    const tasks = [
      { name: "bad", script: FAIL },
      { name: "later", script: SLEEP, inputs: 300 },
      { name: "next", needs: ["later"], script: ONE },
      { name: "tell", needs: ["bad"], if: "failure()", script: ONE },
      { name: "last", needs: ["next"], if: "always()", script: ONE },
    ];
    const { resource } = await create(tasks, { stop_on_failure: true });
    expect(await states(resource.id)).toMatchObject({
      next: "skipped",
      tell: "completed",
      last: "completed",
    });
  });

  it("take a failure that is tolerated for a result", async () => {
    const tasks = [
      { name: "bad", script: FAIL, continue_on_error: true },
      {
        name: "next",
        needs: ["bad"],
        script: "export default (i) => i",
        inputs: "${{ tasks.bad.state }}",
      },
    ];
    const { resource, run } = await create(tasks);
    expect(run?.status).toBe("completed");
    expect(await resultOf(resource.id, "next")).toBe("failed");
  });
});

describe("a matrix", () => {
  const over = (n: number, more: object = {}) => ({
    name: "item",
    needs: ["list"],
    strategy: { matrix: { n: "${{ tasks.list.result }}" }, ...more },
    inputs: { n: "${{ matrix.n }}" },
    script: `export default ({ n }) => { if (n === ${n}) throw new Error('no'); return n; }`,
  });
  const list = { name: "list", script: "export default () => [0, 1, 2, 3, 4]" };
  const gather = {
    name: "gather",
    needs: ["item"],
    inputs: "${{ tasks.item.results }}",
    script: "export default (all) => all.map(({ result }) => result)",
  };

  it("runs an item each, and gathers all of them in order", async () => {
    const { resource } = await create([list, over(-1, { max_parallel: 2 }), gather]);
    expect(await resultOf(resource.id, "gather")).toEqual([0, 1, 2, 3, 4]);
  });

  it("that fails fast stops its other items", async () => {
    const { resource, run } = await create([list, over(1, { max_parallel: 1 }), gather]);
    expect(run?.status).toBe("failed");
    expect(await states(resource.id)).toEqual({
      list: "completed",
      item: "failed",
      gather: "skipped",
      "item[0]": "completed",
      "item[1]": "failed",
      "item[2]": "cancelled",
      "item[3]": "cancelled",
      "item[4]": "cancelled",
    });
  });

  it("without items has no results, and is done", async () => {
    const none = { name: "list", script: "export default () => []" };
    const { resource, run } = await create([none, over(-1), gather]);
    expect(run?.status).toBe("completed");
    expect(await resultOf(resource.id, "gather")).toEqual([]);
  });

  it("hands on results that are too large for the rows", async () => {
    const big = { ...over(-1), script: "export default ({ n }) => String(n).repeat(100_000)" };
    const sizes = {
      ...gather,
      script: "export default (all) => all.map(({ result }) => result.length)",
    };
    const { resource } = await create([list, big, sizes]);
    expect(await resultOf(resource.id, "gather")).toEqual([1e5, 1e5, 1e5, 1e5, 1e5]);
    const item = await runs.step(resource.id, null, "item[3]");
    expect(item.result).toMatchObject({ kind: "stored" });
    expect(item.matrix).toBe('{"n":3}');
  });

  it("gathers as much as may lie in memory, and names the rest", async () => {
    const big = { ...over(-1), script: "export default () => 'x'.repeat(3 << 20)" };
    const kinds = {
      ...gather,
      script: "export default (all) => all.map(({ result }) => typeof result)",
    };
    const { resource } = await create([list, big, kinds]);
    expect(await resultOf(resource.id, "gather")).toEqual([
      "string",
      "string",
      "object",
      "object",
      "object",
    ]);
  });
});

describe("gates", () => {
  it("end by a signal that came before, by time, and by nobody's answer", async () => {
    const tasks = [
      { name: "slow", script: SLEEP, inputs: 200 },
      { name: "wait", needs: ["slow"], wait: { signal: "go" } },
      { name: "nap", wait: { seconds: 0.1 } },
      { name: "ask", approval: { timeout_seconds: 0.2 }, continue_on_error: true },
    ];
    const { resource } = await create(tasks, {}, { wait_ms: 0 });
    const payload = JSON.stringify({ by: "me" });
    await runs.signal(resource.id, null, { name: "go", payload, request_id: "once" });
    await runs.signal(resource.id, null, { name: "go", payload: "2", request_id: "once" });
    await until(resource.id, "completed");
    expect(await resultOf(resource.id, "wait")).toEqual({ by: "me" });
    const ask = await runs.step(resource.id, null, "ask");
    expect(ask.state.error?.code).toBe("approval_timeout");
  });

  it("hold no slot while a run has nothing else to do", async () => {
    const { resource } = await create([{ name: "ask", approval: true }], {}, { wait_ms: 0 });
    await when(resource.id, isStep("ask", "waiting"));
    const { held, waiting } = await env.LIMITS.getByName("pipelines").holders("pipelines");
    const ours = [...held, ...waiting].filter(({ holder }) => holder.startsWith(resource.id));
    expect(ours).toEqual([]);
    await runs.approve(resource.id, null, { step: null, approved: true, by: "me", comment: null });
    await until(resource.id, "completed");
    expect(await resultOf(resource.id, "ask")).toEqual({ approved: true, by: "me", comment: null });
  });
});

describe("slots", () => {
  it("queue runs by priority, say their place, and are free again after a cancel", async () => {
    const sleeper = [{ name: "sleep", script: SLEEP, inputs: 30_000 }];
    const holders = await Promise.all(
      Array.from({ length: 5 }, () => create(sleeper, {}, { wait_ms: 0 })),
    );
    await Promise.all(holders.map(({ resource }) => when(resource.id, isStep("sleep", "running"))));
    const low = await create([{ name: "one", script: ONE }], {}, { wait_ms: 0 });
    await when(low.resource.id, ({ slot_position }) => slot_position === 1);
    const high = await create([{ name: "one", script: ONE }], { priority: 5 }, { wait_ms: 0 });
    await when(high.resource.id, ({ slot_position }) => slot_position === 1);
    await when(low.resource.id, ({ slot_position }) => slot_position === 2);
    await Promise.all(holders.map(({ resource }) => runs.cancel(resource.id)));
    await until(high.resource.id, "completed");
    await until(low.resource.id, "completed");
  });
});

describe("a sub-pipeline", () => {
  const double = [
    { name: "x", script: "export default ({ n }) => n * 2", inputs: { n: "${{ inputs.n }}" } },
  ];
  const child = (tasks: readonly object[], more: object = {}) => create(tasks, more, null);
  const step = (id: string, more: object = {}) => ({
    name: "sub",
    pipeline: id,
    inputs: { n: 21 },
    ...more,
  });

  it("gives its outputs to the step that it is", async () => {
    const { resource } = await child(double, { outputs: { y: "${{ tasks.x.result }}" } });
    const parent = await create([step(resource.id)], {
      outputs: { z: "${{ tasks.sub.result.y }}" },
    });
    expect(parent.run?.status).toBe("completed");
    expect(parent.result).toEqual({ kind: "inline", json: '{"z":42}' });
    expect((await runs.read(resource.id)).run?.parent).toMatchObject({ run: 1, step: 0 });
  });

  it("that fails says so, and one that does not exist too", async () => {
    const failing = await child([{ name: "bad", script: FAIL }]);
    const parent = await create([step(failing.resource.id)]);
    expect(parent.run).toMatchObject({ status: "failed", error: { code: "sub_pipeline_failed" } });
    const nowhere = failing.resource.id.replace(/^.{8}/, "00000000");
    const lost = await create([step(nowhere)]);
    expect(lost.run?.error?.code).toBe("pipeline_not_found");
  });

  it("is cancelled with its parent, and alone cancels its step", async () => {
    const slow = await child([{ name: "sleep", script: SLEEP, inputs: 30_000 }]);
    const first = await create([step(slow.resource.id)], {}, { wait_ms: 0 });
    await when(first.resource.id, isStep("sub", "running"));
    await when(slow.resource.id, isStep("sleep", "running"));
    await runs.cancel(first.resource.id);
    await until(first.resource.id, "cancelled");
    await until(slow.resource.id, "cancelled", 1);

    const after = [
      step(slow.resource.id),
      { name: "tell", needs: ["sub"], if: "cancelled()", script: ONE },
    ];
    const second = await create(after, {}, { wait_ms: 0 });
    await when(second.resource.id, isStep("sub", "running"));
    await when(slow.resource.id, isStep("sleep", "running"));
    await runs.cancel(slow.resource.id);
    await until(second.resource.id, "failed");
    expect(await states(second.resource.id)).toEqual({ sub: "cancelled", tell: "completed" });
  });
});

describe("a retry", () => {
  const flaky = [
    { name: "once", script: "export default () => Math.random()" },
    {
      name: "item",
      strategy: { matrix: { n: [0, 1, 2] }, fail_fast: false },
      inputs: { n: "${{ matrix.n }}" },
      script:
        "export default ({ n }, ctx) => { if (n === 1 && ctx.run === 1) throw new Error('no'); return [n, ctx.run]; }",
    },
    {
      name: "sum",
      needs: ["once", "item"],
      inputs: { all: "${{ tasks.item.results }}", once: "${{ tasks.once.result }}" },
      script: "export default ({ all, once }) => ({ once, all: all.map(({ result }) => result) })",
    },
  ];

  it("runs again what failed and what depends on it, and reuses the rest byte for byte", async () => {
    const { resource } = await create(flaky, { stop_on_failure: false });
    const plan = await runs.planRetry(resource.id, {});
    expect(plan).toEqual({
      run: 2,
      retry_of: 1,
      rerun: ["item", "sum", "item[1]"],
      reuse: ["once", "item[0]", "item[2]"],
    });
    const { run } = await runs.retry(resource.id, again);
    expect(run).toMatchObject({ run: 2, status: "completed", retry_of: 1, reused: 3 });
    const once = await resultOf(resource.id, "once", 1);
    expect(await resultOf(resource.id, "sum")).toEqual({
      once,
      all: [
        [0, 1],
        [1, 2],
        [2, 1],
      ],
    });
    const item = await runs.step(resource.id, null, "item[0]");
    expect(item.state.reused_from).toEqual({ run: 1, epoch: 1 });
  });

  it("from a step takes other inputs for it", async () => {
    const tasks = [
      { name: "make", script: ONE },
      {
        name: "show",
        needs: ["make"],
        inputs: "${{ tasks.make.result }}",
        script: "export default (n) => n",
      },
    ];
    const { resource } = await create(tasks);
    await runs.retry(resource.id, { ...again, from: "show", step_inputs: "7" });
    expect(await resultOf(resource.id, "show")).toBe(7);
    expect((await runs.step(resource.id, null, "make")).state.reused_from?.run).toBe(1);
  });
});

describe("control", () => {
  it("pauses now, and runs what it stopped again as the same try", async () => {
    const tasks = [
      {
        name: "nap",
        script:
          "export default async (_, ctx) => { await new Promise((done) => setTimeout(done, 300)); return [ctx.attempt, ctx.epoch]; }",
      },
    ];
    const { resource } = await create(tasks, {}, { wait_ms: 0 });
    await when(resource.id, isStep("nap", "running"));
    await runs.pause(resource.id, null, "now");
    await until(resource.id, "paused");
    await runs.resume(resource.id, null);
    await until(resource.id, "completed");
    expect(await resultOf(resource.id, "nap")).toEqual([1, 2]);
  });

  it("passes what steps kept on to others, also of items, and through a retry", async () => {
    const tasks = [
      {
        name: "make",
        strategy: { matrix: { n: [1, 2] } },
        inputs: { n: "${{ matrix.n }}" },
        environment: { N: "${{ matrix.n }}" },
        command: "echo made $N > out.txt",
        artifacts: ["out.txt"],
      },
      {
        name: "use",
        needs: ["make"],
        use_artifacts: [{ from: "make", path: "in" }],
        command: "cat in/0/out.txt in/1/out.txt",
      },
    ];
    const { resource, run } = await create(tasks);
    expect(run?.error).toBe(null);
    expect((await runs.step(resource.id, null, "use")).stdout?.text).toBe("made 1\nmade 2\n");
    await runs.retry(resource.id, { ...again, from: "use" });
    expect((await runs.step(resource.id, 2, "use")).stdout?.text).toBe("made 1\nmade 2\n");
  });

  it("takes a result from the cache, says whose it was, and what differs on a miss", async () => {
    const cached = (n: number) => [
      { name: "one", cache: true, inputs: n, script: "export default (n) => n + Math.random()" },
    ];
    const first = await create(cached(1));
    const second = await runs.execute(first.resource.id, again);
    expect(second.run?.status).toBe("completed");
    const value = await resultOf(first.resource.id, "one", 1);
    expect(await resultOf(first.resource.id, "one", 2)).toBe(value);
    const hit = await runs.step(first.resource.id, 2, "one");
    expect(hit.cache).toEqual({
      hit: true,
      from: { resource_id: first.resource.id, run: 1, step: "one" },
    });
    await runs.retry(first.resource.id, { ...again, from: "one", step_inputs: "2" });
    const miss = await runs.step(first.resource.id, 3, "one");
    expect(miss.cache).toEqual({ hit: false, differs: ["inputs"] });
  });
});
