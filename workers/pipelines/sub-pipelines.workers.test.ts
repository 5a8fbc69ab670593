/** Steps that are runs of other pipelines, each on an object of its own. */
import { describe, expect, it } from "vitest";
import { MAX_DEPTH } from "../runs/sub-runs.ts";
import {
  begin,
  crash,
  create,
  ECHO,
  edit,
  eventually,
  execute,
  FAIL,
  jsonOf,
  resultOf,
  run,
  runs,
  slotLeases,
  start,
  states,
  stepIs,
  until,
} from "./test-support-runs.ts";

const HOLD = [{ name: "hold", approval: true }];
const child = (pipeline: string, more = {}) => ({ name: "child", pipeline, ...more });

describe("a sub-pipeline", () => {
  it("takes inputs and gives outputs, large ones too", async () => {
    const id = await create(
      [{ name: "a", script: "export default (n) => 'x'.repeat(n)", inputs: "${{ inputs.n }}" }],
      {
        inputs: { type: "object" },
        outputs: { text: "${{ tasks.a.result }}" },
      },
    );
    const { result, run: ended } = await run(
      [
        child(id, { inputs: { n: 100_000 } }),
        { name: "small", pipeline: id, inputs: { n: 2 } },
        {
          name: "length",
          needs: ["child"],
          script: "export default ({ text }) => text.length",
          inputs: "${{ tasks.child.result }}",
        },
      ],
      {
        outputs: { length: "${{ tasks.length.result }}", small: "${{ tasks.small.result.text }}" },
      },
    );
    expect(ended, JSON.stringify(ended)).toMatchObject({ status: "completed" });
    expect(await jsonOf(result)).toEqual({ length: 100_000, small: "xx" });
    const [second, first] = await runs.runs(id, null, 10);
    expect([first?.trigger, second?.trigger]).toEqual(["parent", "parent"]);
    expect(first?.parent).toMatchObject({ depth: 1 });
  });

  it("does not begin with inputs that its definition refuses", async () => {
    const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
    const id = await create([{ name: "a", script: ECHO }], { inputs: schema });
    const { run: ended } = await run([child(id, { inputs: { n: "two" } })]);
    expect(ended).toMatchObject({ status: "failed", error: { code: "inputs_invalid" } });
    expect(ended?.error?.message).toContain("inputs.n");
    expect((await runs.read(id)).run).toBeNull();
  });

  it("that fails fails its step, and says why", async () => {
    const id = await create([{ name: "bad", script: FAIL }]);
    const { run: ended } = await run([child(id)]);
    expect(ended).toMatchObject({ status: "failed", error: { code: "sub_pipeline_failed" } });
    expect(ended?.error?.message).toContain(id);
  });

  it("is cancelled with its parent, and its own sub-pipelines too", async () => {
    const leaf = await create(HOLD);
    const middle = await create([child(leaf)]);
    const root = await begin([child(middle)]);
    await eventually(() => stepIs(leaf, "hold", "waiting"));
    expect((await runs.cancel(root)).run?.status).toBe("cancelled");
    for (const id of [leaf, middle]) {
      expect((await runs.read(id)).run?.status).toBe("cancelled");
    }
  });

  it("cancelled by itself is told from a failure by cancelled()", async () => {
    const id = await create(HOLD);
    const root = await begin(
      [
        child(id),
        {
          name: "told",
          needs: ["child"],
          if: "${{ cancelled() }}",
          script: ECHO,
          inputs: "${{ tasks.child.state }}",
        },
        { name: "plain", needs: ["child"] },
      ],
      { stop_on_failure: false },
    );
    await eventually(() => stepIs(id, "hold", "waiting"));
    await runs.cancel(id);
    const { run: ended } = await until(root, "failed");
    expect(ended?.error).toMatchObject({ code: "step_cancelled" });
    expect(await states(root)).toEqual({ child: "cancelled", told: "completed", plain: "skipped" });
    expect(await resultOf(root, "told")).toBe("cancelled");
  });

  it("that is not there, or is another project's, fails its step", async () => {
    const foreign = await create(HOLD, {}, "another-project");
    for (const id of [foreign, "00000000-0000-7000-8000-000000000000"]) {
      const { run: ended } = await run([child(id)]);
      expect(ended?.error).toMatchObject({ code: "pipeline_not_found" });
    }
    expect((await runs.read(foreign)).run).toBeNull();
  });

  it("that begins itself ends at the deepest level allowed", async () => {
    const id = await create(HOLD, { concurrency: "allow" });
    await edit(id, [child(id)], { concurrency: "allow" });
    const { run: ended } = await execute(id);
    expect(ended?.status).toBe("failed");
    const all = await runs.runs(id, null, 50);
    expect(all).toHaveLength(MAX_DEPTH + 1);
    expect(all[0]?.error).toMatchObject({ code: "too_deep" });
    expect(all.every(({ status }) => status === "failed")).toBe(true);
  });

  it("goes on through crashes of both objects, and is begun once", async () => {
    const id = await create(HOLD);
    const root = await begin([child(id)]);
    await eventually(() => stepIs(id, "hold", "waiting"));
    await crash(root);
    await crash(id);
    await runs.approve(id, null, { step: null, approved: true, by: "ann", comment: null });
    await until(root, "completed");
    expect(await runs.runs(id, null, 10)).toHaveLength(1);
  });

  it("that ended while its parent was down is told to it later", async () => {
    const id = await create(HOLD);
    const root = await begin([child(id)]);
    await eventually(() => stepIs(id, "hold", "waiting"));
    await runs.approve(id, null, { step: null, approved: true, by: "ann", comment: null });
    await crash(root);
    await until(root, "completed");
    expect((await runs.step(root, null, "child")).state.epoch).toBe(1);
  });

  it("is paused with nothing, and begun anew when its parent is paused now", async () => {
    const id = await create(HOLD);
    const root = await begin([child(id)]);
    await eventually(() => stepIs(id, "hold", "waiting"));
    await runs.pause(root, null, "now");
    await until(root, "paused");
    expect((await runs.read(id)).run?.status).toBe("cancelled");
    await runs.resume(root, null);
    await eventually(async () => expect((await runs.read(id)).run).toMatchObject({ run: 2 }));
    await eventually(() => stepIs(id, "hold", "waiting", 2));
    await runs.approve(id, 2, { step: null, approved: true, by: "ann", comment: null });
    await until(root, "completed");
  });

  it("of a matrix runs once for each item, and takes no slot of its own", async () => {
    const id = await create([{ name: "hold", approval: true }], {
      inputs: { type: "object" },
      outputs: { n: "${{ inputs.n }}" },
      concurrency: "allow",
    });
    const root = await create([
      {
        name: "each",
        pipeline: id,
        strategy: { matrix: { n: [1, 2, 3] } },
        inputs: { n: "${{ matrix.n }}" },
      },
      {
        name: "sum",
        needs: ["each"],
        script: "export default (all) => all.map(({ result }) => result.n)",
        inputs: "${{ tasks.each.results }}",
      },
    ]);
    await start(root);
    for (const number of [1, 2, 3]) {
      await eventually(() => stepIs(id, "hold", "waiting", number));
    }
    await eventually(async () => {
      const held = (await slotLeases()).held.map(({ holder }) => holder);
      expect(held.filter((holder) => holder.startsWith(id) || holder.startsWith(root))).toEqual([]);
    });
    for (const number of [1, 2, 3]) {
      await runs.approve(id, number, { step: null, approved: true, by: "ann", comment: null });
    }
    await until(root, "completed");
    expect(await resultOf(root, "sum")).toEqual([1, 2, 3]);
  });
});
