/** What an object holds in memory of a run does not grow with the results of its steps. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { LiveRuns } from "../runs/live-runs.ts";
import type { LiveRun } from "../runs/store-types.ts";
import { begin, resultOf, runs, stepIs, until } from "./test-support-runs.ts";

const ITEMS = 60;

afterEach(() => vi.restoreAllMocks());

/** Watches the results that live runs hold: how many there are now, and were at most. */
function watchResults() {
  const lives: LiveRun[] = [];
  const seen = { most: 0, now: () => lives.reduce((sum, { results }) => sum + results.size, 0) };
  const { add } = LiveRuns.prototype;
  vi.spyOn(LiveRuns.prototype, "add").mockImplementation(function (this: LiveRuns, live) {
    lives.push(live);
    const set = live.results.set.bind(live.results);
    vi.spyOn(live.results, "set").mockImplementation((...entry) => {
      const map = set(...entry);
      seen.most = Math.max(seen.most, seen.now());
      return map;
    });
    add.call(this, live);
  });
  return { seen, lives };
}

describe("a run with 64 KiB results in many steps", () => {
  it("holds each until the commit that stores it, and no longer", async () => {
    const { seen, lives } = watchResults();
    const id = await begin([
      {
        name: "list",
        script: `export default () => Array.from({ length: ${ITEMS} }, (_, n) => n)`,
      },
      {
        name: "each",
        needs: ["list"],
        strategy: { matrix: { n: "${{ tasks.list.result }}" } },
        script: "export default (n) => String(n % 10).repeat(65_000)",
        inputs: "${{ matrix.n }}",
      },
      {
        name: "sum",
        needs: ["each"],
        script: "export default (all) => all.reduce((sum, { result }) => sum + result.length, 0)",
        inputs: "${{ tasks.each.results }}",
      },
      { name: "hold", needs: ["sum"], approval: true },
    ]);
    await stepIs(id, "hold", "waiting");
    expect(await resultOf(id, "sum")).toBe(ITEMS * 65_000);
    expect((await runs.step(id, null, "each[59]")).result?.kind).toBe("inline");
    expect(lives).toHaveLength(1);
    expect(seen.most).toBeGreaterThan(0);
    expect(seen.most).toBeLessThanOrEqual(3);
    expect(seen.now()).toBe(0);
    await runs.approve(id, null, { step: null, approved: true, by: "ann", comment: null });
    await until(id, "completed");
    expect(seen.now()).toBe(0);
  });
});
