/** What runs take from earlier ones: retries, the step cache, artifacts, old versions. */
import { describe, expect, it } from "vitest";
import { newSeed } from "../http/seed.ts";
import {
  begin,
  crash,
  create,
  ECHO,
  edit,
  eventsOfType,
  execute,
  jsonOf,
  RUN_ONE_FAILS,
  resultOf,
  retry,
  run,
  runs,
  start,
  states,
  stepIs,
  until,
} from "./test-support-runs.ts";

const RANDOM = "export default () => Math.random()";
const WRITE = "export default (n, ctx) => { ctx.files.write('out.txt', `made ${n}`); return n }";
const READ =
  "export default (_, ctx) => Object.fromEntries(ctx.files.list().map((path) => [path, ctx.files.read(path)]))";
const approve = { step: null, approved: true, by: "ann", comment: null };

describe("a retry", () => {
  const FAN = [
    {
      name: "list",
      script: "export default () => [0, 1, 2].map((n) => ({ n, salt: Math.random() }))",
    },
    {
      name: "each",
      needs: ["list"],
      strategy: { matrix: { of: "${{ tasks.list.result }}" }, fail_fast: false },
      script:
        "export default ({ n, salt }, ctx) => { if (n === 1 && ctx.run === 1) throw new Error('no'); return [salt, 'x'.repeat(70_000)] }",
      inputs: "${{ matrix.of }}",
    },
    {
      name: "sum",
      needs: ["each"],
      script: "export default (all) => all.map(({ result }) => result[1].length)",
      inputs: "${{ tasks.each.results }}",
    },
  ];

  it("is the newest run also after a crash right after it began", async () => {
    const id = await create([
      {
        name: "a",
        script:
          "export default async (_, ctx) => { if (ctx.run === 1) throw new Error('no'); await new Promise((done) => setTimeout(done, 200)); return ctx.run }",
      },
    ]);
    expect((await execute(id)).run?.status).toBe("failed");
    await runs.retry(id, { wait_ms: 0, request_id: newSeed() });
    await stepIs(id, "a", "running", 2);
    await crash(id);
    const { resource, run: newest } = await runs.read(id);
    expect(newest?.run).toBe(2);
    expect(resource).toMatchObject({ run: 2, retry_count: 1 });
    await until(id, "completed", 2);
    expect(await resultOf(id, "a")).toBe(2);
  });

  it("from failure runs what failed and what needs it; the rest is reused byte for byte", async () => {
    const { id, run: first } = await run(FAN, { outputs: { sum: "${{ tasks.sum.result }}" } });
    expect(first?.status).toBe("failed");
    const plan = await runs.planRetry(id, {});
    expect(plan).toMatchObject({ run: 2, retry_of: 1 });
    expect([...plan.rerun].sort()).toEqual(["each", "each[1]", "sum"]);
    expect([...plan.reuse].sort()).toEqual(["each[0]", "each[2]", "list"]);
    const { run: second, result } = await retry(id);
    expect(second).toMatchObject({ run: 2, status: "completed", retry_of: 1, reused: 3 });
    expect(await jsonOf(result)).toEqual({ sum: [70_000, 70_000, 70_000] });
    for (const name of ["list", "each[0]", "each[2]"]) {
      const before = await runs.step(id, 1, name);
      const after = await runs.step(id, 2, name);
      expect(after.result, name).toEqual(before.result);
      expect(after.state.reused_from, name).toEqual({ run: 1, epoch: 1 });
    }
    const started = await eventsOfType(id, "attempt.started", 2);
    expect(started.map(({ step }) => step).sort()).toEqual(["each[1]", "sum"]);
    await expect(retry(id)).rejects.toMatchObject({ code: "illegal_transition" });
  });

  it("from a step runs it and what needs it, with other inputs if asked", async () => {
    const { id } = await run([
      { name: "a", script: RANDOM },
      { name: "b", needs: ["a"], script: ECHO, inputs: { n: 1 } },
      { name: "c", needs: ["b"], script: ECHO, inputs: "${{ tasks.b.result.n }}" },
      { name: "d", script: RANDOM },
    ]);
    const kept = [await resultOf(id, "a"), await resultOf(id, "d")];
    const { run: second } = await retry(id, "b", { n: 2 });
    expect(second).toMatchObject({ status: "completed", reused: 2 });
    expect([await resultOf(id, "a"), await resultOf(id, "d")]).toEqual(kept);
    expect(await resultOf(id, "c")).toBe(2);
    expect(await resultOf(id, "c", 1)).toBe(1);
    const again = await retry(id, "c");
    expect(again.run).toMatchObject({ run: 3, status: "completed", reused: 3 });
    expect((await runs.step(id, 3, "a")).state.reused_from?.run).toBe(1);
    expect((await runs.step(id, 3, "b")).state.reused_from?.run).toBe(2);
    await expect(retry(id, "nobody")).rejects.toMatchObject({ code: "validation_failed" });
  });

  it("from an item runs that one alone, and what needs its group", async () => {
    const { id } = await run([
      {
        name: "each",
        strategy: { matrix: { n: [1, 2, 3] } },
        script: "export default (n) => [n, Math.random()]",
        inputs: "${{ matrix.n }}",
      },
      { name: "all", needs: ["each"], script: ECHO, inputs: "${{ tasks.each.results }}" },
    ]);
    const before = await Promise.all([0, 1, 2].map((n) => resultOf(id, `each[${n}]`)));
    expect((await retry(id, "each[1]")).run).toMatchObject({ status: "completed", reused: 2 });
    const after = await Promise.all([0, 1, 2].map((n) => resultOf(id, `each[${n}]`)));
    expect([after[0], after[2]]).toEqual([before[0], before[2]]);
    expect(after[1]).not.toEqual(before[1]);
    expect(await resultOf(id, "all")).toMatchObject([1, 2, 3].map((n) => ({ matrix: { n } })));
  });

  it("of a cancelled run runs what was cancelled and what never ran", async () => {
    const id = await begin([
      { name: "done", script: RANDOM },
      { name: "hold", needs: ["done"], approval: true },
      { name: "last", needs: ["hold"], script: ECHO, inputs: "${{ tasks.done.result }}" },
    ]);
    await stepIs(id, "hold", "waiting");
    await runs.cancel(id);
    await runs.retry(id, { wait_ms: 0, request_id: "again" });
    await stepIs(id, "hold", "waiting", 2);
    await runs.approve(id, null, approve);
    await until(id, "completed");
    expect(await resultOf(id, "last", 2)).toBe(await resultOf(id, "done", 1));
  });

  it("keeps a tolerated failure and a skip that stand, and runs a sub-pipeline again", async () => {
    const child = await create([{ name: "flaky", script: RUN_ONE_FAILS }], {
      outputs: { run: "${{ tasks.flaky.result }}" },
    });
    const { id, run: first } = await run([
      {
        name: "tolerated",
        script: "export default () => { throw new Error('no') }",
        continue_on_error: true,
      },
      { name: "skipped", if: "${{ false }}" },
      { name: "child", needs: ["tolerated"], pipeline: child },
    ]);
    expect(first?.status).toBe("failed");
    expect((await retry(id)).run).toMatchObject({ status: "completed", reused: 2 });
    expect(await states(id)).toEqual({
      tolerated: "failed",
      skipped: "skipped",
      child: "completed",
    });
    expect(await resultOf(id, "child")).toEqual({ run: 2 });
  });

  it("uses the definition that the run was begun with", async () => {
    const { id } = await run([{ name: "flaky", script: RUN_ONE_FAILS }]);
    await edit(id, [{ name: "other", script: ECHO }]);
    expect((await retry(id)).run).toMatchObject({ run: 2, status: "completed", version: 1 });
    expect((await execute(id)).run).toMatchObject({ run: 3, version: 2 });
    expect(await states(id)).toEqual({ other: "completed" });
    expect(await states(id, 2)).toEqual({ flaky: "completed" });
  });
});

describe("a live run", () => {
  it("keeps its definition when that is edited, and refuses to be deleted", async () => {
    const id = await begin([
      { name: "hold", approval: true },
      { name: "old", needs: ["hold"], script: "export default () => 'old'" },
    ]);
    await stepIs(id, "hold", "waiting");
    await edit(id, [{ name: "new", script: "export default () => 'new'" }]);
    await expect(runs.remove(id, null)).rejects.toMatchObject({ code: "illegal_transition" });
    await runs.approve(id, null, approve);
    await until(id, "completed");
    expect(await resultOf(id, "old", 1)).toBe("old");
    await execute(id);
    expect(await resultOf(id, "new", 2)).toBe("new");
    await runs.remove(id, null);
    await expect(runs.read(id)).rejects.toMatchObject({ code: "not_found" });
  });

  it("refuses another one beside it unless concurrency allows it", async () => {
    const hold = [{ name: "hold", approval: true }];
    const id = await begin(hold);
    await stepIs(id, "hold", "waiting");
    await expect(start(id)).rejects.toMatchObject({ code: "illegal_transition" });
    await edit(id, hold, { concurrency: "allow" });
    await start(id);
    await stepIs(id, "hold", "waiting", 2);
    await runs.approve(id, 1, approve);
    await until(id, "completed", 1);
    expect((await runs.read(id)).run?.run).toBe(2);
    expect((await runs.cancel(id)).run).toMatchObject({ run: 2, status: "cancelled" });
  });
});

describe("artifacts", () => {
  const MAKE = { name: "make", script: WRITE, inputs: 7, artifacts: ["out.txt"] };

  it("pass to steps that ask for them, from items into a folder each", async () => {
    const { id, run: ended } = await run([
      MAKE,
      {
        name: "each",
        strategy: { matrix: { n: [1, 2] } },
        script: WRITE,
        inputs: "${{ matrix.n }}",
        artifacts: ["*.txt"],
      },
      {
        name: "use",
        needs: ["make", "each"],
        script: READ,
        use_artifacts: [{ from: "make" }, { from: "each", path: "items" }],
      },
      {
        name: "shell",
        needs: ["make"],
        command: "cat in/out.txt",
        use_artifacts: [{ from: "make", path: "in" }],
      },
    ]);
    expect(ended, JSON.stringify(ended)).toMatchObject({ status: "completed" });
    expect(await resultOf(id, "use")).toEqual({
      "out.txt": "made 7",
      "items/0/out.txt": "made 1",
      "items/1/out.txt": "made 2",
    });
    expect((await runs.step(id, null, "shell")).stdout?.text).toBe("made 7");
  });

  it("of reused steps and items are used by a retry, and shown by it", async () => {
    const { id } = await run(
      [
        MAKE,
        {
          name: "each",
          strategy: { matrix: { n: [1, 2] }, fail_fast: false },
          script:
            "export default (n, ctx) => { if (n === 2 && ctx.run === 1) throw new Error('no'); ctx.files.write('out.txt', `${n} of run ${ctx.run}`) }",
          inputs: "${{ matrix.n }}",
          artifacts: ["out.txt"],
        },
        {
          name: "use",
          needs: ["make", "each"],
          script: READ,
          use_artifacts: [{ from: "make" }, { from: "each", path: "items" }],
        },
      ],
      { stop_on_failure: false },
    );
    expect((await retry(id)).run?.status).toBe("completed");
    expect(await resultOf(id, "use")).toEqual({
      "out.txt": "made 7",
      "items/0/out.txt": "1 of run 1",
      "items/1/out.txt": "2 of run 2",
    });
    expect((await runs.step(id, 2, "make")).artifacts).toMatchObject([{ path: "out.txt" }]);
  });

  it("of a failed try are not those of the step", async () => {
    const { id } = await run([
      {
        name: "make",
        script:
          "export default (_, ctx) => { ctx.files.write(`${ctx.attempt}.txt`, 'x'); if (ctx.attempt === 1) throw new Error('no') }",
        artifacts: ["*.txt"],
        retry: { max_attempts: 2, initial_seconds: 0.01 },
      },
      { name: "use", needs: ["make"], script: READ, use_artifacts: [{ from: "make" }] },
    ]);
    expect(await resultOf(id, "use")).toEqual({ "2.txt": "x" });
  });
});

describe("the step cache", () => {
  const lookups = (id: string, of: number) => eventsOfType(id, "cache.looked_up", of);

  it("gives the same result with the run that made it, and says what differs on a miss", async () => {
    const cached = { name: "cached", script: RANDOM, inputs: "${{ inputs.n }}", cache: true };
    const id = await create([cached], { inputs: { type: "object" } });
    await execute(id, { inputs: { n: 1 } });
    const made = await resultOf(id, "cached", 1);
    await execute(id, { inputs: { n: 1 } });
    expect(await resultOf(id, "cached", 2)).toBe(made);
    const from = { resource_id: id, run: 1, step: "cached" };
    expect(await lookups(id, 2)).toMatchObject([{ step: "cached", hit: true, from }]);
    expect(await eventsOfType(id, "attempt.finished", 2)).toMatchObject([{ cached_from: from }]);
    expect(await runs.attempts(id, 1)).toMatchObject([{ executor: "local", runner_id: null }]);
    expect(await runs.attempts(id, 2)).toMatchObject([{ executor: null, runner_id: null }]);
    await execute(id, { inputs: { n: 2 } });
    expect(await resultOf(id, "cached", 3)).not.toBe(made);
    expect(await lookups(id, 3)).toMatchObject([{ hit: false, differs: ["inputs"] }]);
    await edit(id, [{ ...cached, environment: { MORE: "1" } }], { inputs: { type: "object" } });
    await execute(id, { inputs: { n: 2 } });
    expect(await lookups(id, 4)).toMatchObject([{ hit: false, differs: ["environment"] }]);
  });

  it("goes by a key when one is given, and by age", async () => {
    const step = { name: "cached", script: RANDOM, inputs: "${{ inputs.n }}" };
    const keyed = await create([{ ...step, cache: { key: "k-${{ inputs.key }}" } }]);
    await execute(keyed, { inputs: { n: 1, key: keyed } });
    await execute(keyed, { inputs: { n: 2, key: keyed } });
    expect(await lookups(keyed, 2)).toMatchObject([{ hit: true }]);
    await execute(keyed, { inputs: { n: 2, key: `${keyed} other` } });
    expect(await lookups(keyed, 3)).toMatchObject([{ hit: false, differs: ["key"] }]);
    const aged = await create([{ ...step, inputs: { id: keyed }, cache: { ttl_seconds: 0.001 } }]);
    await execute(aged);
    await execute(aged);
    expect(await lookups(aged, 2)).toMatchObject([{ hit: false, differs: ["age"] }]);
  });

  it("keeps files, large results, and nothing of what failed", async () => {
    const id = await create([
      {
        name: "make",
        script:
          "export default (_, ctx) => { ctx.files.write('out.txt', String(ctx.run)); return [ctx.run, 'x'.repeat(100_000)] }",
        inputs: "${{ run.id }}",
        artifacts: ["out.txt"],
        cache: true,
      },
      { name: "use", needs: ["make"], script: READ, use_artifacts: [{ from: "make" }] },
      {
        name: "bad",
        script: "export default () => { throw new Error('no') }",
        continue_on_error: true,
        inputs: "${{ run.id }}",
        cache: true,
      },
    ]);
    await execute(id);
    const made = await resultOf(id, "make", 1);
    await execute(id);
    expect(await resultOf(id, "make", 2)).toEqual(made);
    expect(await resultOf(id, "use", 2)).toEqual({ "out.txt": "1" });
    const found = await lookups(id, 2);
    expect(found).toContainEqual(expect.objectContaining({ step: "bad", hit: false }));
    expect(found).toContainEqual(expect.objectContaining({ step: "make", hit: true }));
  });

  it("belongs to a project", async () => {
    const step = { name: "cached", script: RANDOM, inputs: "shared", cache: true };
    const ours = await create([step]);
    const theirs = await create([step], {}, "another-cache-project");
    await execute(ours);
    await execute(theirs);
    expect(await resultOf(theirs, "cached")).not.toBe(await resultOf(ours, "cached"));
  });
});
