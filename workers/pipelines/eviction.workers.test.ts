/** A run whose objects are reset at each of its commits: it always comes to the same, each step once. */
import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it } from "vitest";
import type { TaskInput } from "./test-support.ts";
import {
  crash,
  create,
  ECHO,
  events,
  eventually,
  jsonOf,
  runs,
  start,
  states,
  stubOf,
} from "./test-support-runs.ts";

const CHILD: readonly TaskInput[] = [
  { name: "double", script: "export default (n) => n * 2", inputs: "${{ inputs.n }}" },
];
const ROOT = (child: string): readonly TaskInput[] => [
  { name: "list", script: "export default () => [1, 2, 3]" },
  { name: "never", needs: ["list"], if: "${{ failure() }}" },
  {
    name: "maybe",
    needs: ["list"],
    if: "${{ tasks.list.result[0] == 1 }}",
    script: ECHO,
    inputs: 1,
  },
  {
    name: "each",
    needs: ["list"],
    strategy: { matrix: { n: "${{ tasks.list.result }}" }, max_parallel: 2 },
    script: "export default (n) => n * n",
    inputs: "${{ matrix.n }}",
  },
  {
    name: "flaky",
    needs: ["maybe"],
    script:
      "export default (_, ctx) => { if (ctx.attempt < 2) throw new Error('no'); return ctx.attempt }",
    retry: { max_attempts: 2, initial_seconds: 0.001 },
  },
  { name: "gate", needs: ["each"], approval: true },
  {
    name: "child",
    needs: ["gate", "flaky"],
    pipeline: child,
    inputs: { n: "${{ tasks.flaky.result }}" },
  },
  {
    name: "last",
    needs: ["child", "each", "never"],
    if: "${{ always() }}",
    script: ECHO,
    inputs: "${{ tasks.each.results[2].result }}",
  },
];
const OUTPUTS = {
  squares: "${{ tasks.each.results.*.result }}",
  child: "${{ tasks.child.result.doubled }}",
  last: "${{ tasks.last.result }}",
  by: "${{ tasks.gate.result.by }}",
};

/** What a commit does beside: a reset of its object before it is durable, or soon after. */
type Fault = "before" | "after";

let commits = 0;
let restore: () => void = () => undefined;
afterEach(() => restore());

/** Resets the coordinator that makes commit `at`: `after` counts on the test to see `isDue`. */
async function faultAt(id: string, at: number, fault: Fault): Promise<{ isDue: boolean }> {
  commits = 0;
  const due = { isDue: false };
  await runInDurableObject(stubOf(id), (_, { storage }) => {
    const prototype: Pick<DurableObjectStorage, "transactionSync"> = Object.getPrototypeOf(storage);
    const { transactionSync } = prototype;
    prototype.transactionSync = function <T>(closure: () => T): T {
      const value: T = Reflect.apply(transactionSync, this, [closure]);
      commits += 1;
      if (commits === at && fault === "before") throw new Error("a fault of the test");
      if (commits === at) due.isDue = true;
      return value;
    };
    restore = () => {
      prototype.transactionSync = transactionSync;
    };
  });
  return due;
}

const approve = { step: "gate", approved: true, by: "ann", comment: null };

/** One life of a run with a fault in it; resolves to whether it lived to see that. */
async function live(at: number, fault: Fault): Promise<boolean> {
  const child = await create(CHILD, {
    inputs: { type: "object" },
    outputs: { doubled: "${{ tasks.double.result }}" },
  });
  const root = await create(ROOT(child), { outputs: OUTPUTS });
  const due = await faultAt(root, at, fault);
  await start(root);
  const about = `fault ${fault} commit ${at}`;
  const ended = await eventually(async () => {
    if (due.isDue) {
      due.isDue = false;
      await crash(root);
      await crash(child);
    }
    const snapshot = await runs.read(root);
    const { status } = (await runs.step(root, null, "gate")).state;
    // Refused when it was given just before the reset.
    if (status === "waiting") await runs.approve(root, null, approve).catch(() => undefined);
    expect(snapshot.run?.completed_at, about).not.toBeNull();
    return snapshot;
  });
  restore();
  expect(ended.run, about).toMatchObject({ status: "completed", error: null });
  expect(await jsonOf(ended.result), about).toEqual({
    squares: [1, 4, 9],
    child: 4,
    last: 9,
    by: "ann",
  });
  expect(await states(root), about).toMatchObject({ never: "skipped", maybe: "completed" });
  await expectOnce(root, about);
  await expectOnce(child, about);
  return commits >= at;
}

/** Each step's result was accepted once, the run ended once, and its events are without a gap. */
async function expectOnce(id: string, about: string): Promise<void> {
  expect(await runs.runs(id, null, 10), about).toHaveLength(1);
  const all = await events(id);
  const seqs = all.map(({ seq }) => seq);
  expect(seqs, about).toEqual(seqs.map((_, index) => (seqs[0] ?? 0) + index));
  expect(
    all.filter(({ type }) => type === "run.completed"),
    about,
  ).toHaveLength(1);
  const accepted = all
    .filter(({ type, data }) => type === "attempt.finished" && data.status === "completed")
    .map(({ data }) => data.step);
  expect(accepted.sort(), about).toEqual([...new Set(accepted)].sort());
}

describe("a run whose object is reset at one of its commits", () => {
  it.each<Fault>(["before", "after"])(
    "comes to the same when that is %s the commit is durable, whichever it is",
    async (fault) => {
      let at = 1;
      while (await live(at, fault)) at += 1;
      console.log(`eviction: resets ${fault} each of ${at - 1} commits, none lost, none double`);
      expect(commits).toBeGreaterThan(10);
    },
    120_000,
  );
});
