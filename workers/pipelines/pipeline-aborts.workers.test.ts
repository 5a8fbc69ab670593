/** The object of a run is reset after each of its commits in turn: the run comes to the same. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { readData } from "../runs/events.ts";
import { create, runs, until } from "./test-support-workers.ts";

/** Far above the commits of the run below. */
const MAX_COMMITS = 60;

const TASKS = [
  { name: "list", script: "export default () => [1, 2, 3]" },
  {
    name: "square",
    needs: ["list"],
    strategy: { matrix: { n: "${{ tasks.list.result }}" } },
    inputs: { n: "${{ matrix.n }}" },
    script: "export default ({ n }) => n * n",
  },
  { name: "nap", needs: ["list"], wait: { seconds: 0.05 } },
  {
    name: "flaky",
    needs: ["nap"],
    script:
      "export default (_, ctx) => { if (ctx.attempt === 1) throw new Error('no'); return 10 }",
    retry: { max_attempts: 2, backoff: "fixed", initial_seconds: 0.02, jitter: false },
  },
  {
    name: "sum",
    needs: ["square", "flaky"],
    if: "success()",
    inputs: { all: "${{ tasks.square.results }}", ten: "${{ tasks.flaky.result }}" },
    script: "export default ({ all, ten }) => all.reduce((sum, { result }) => sum + result, ten)",
  },
];
const OUTPUTS = { sum: "${{ tasks.sum.result }}" };

/** Has the object reset itself once it has committed so many times more; says whether it did. */
async function resetAfter(id: string, commits: number): Promise<{ hasReset: boolean }> {
  const watched = { hasReset: false };
  await runInDurableObject(env.RUN_COORDINATOR.getByName(id), (_, state) => {
    const { storage } = state;
    const commit = storage.transactionSync.bind(storage);
    let count = 0;
    vi.spyOn(storage, "transactionSync").mockImplementation((body) => {
      const value = commit(body);
      count += 1;
      if (count === commits) {
        watched.hasReset = true;
        state.abort("a test resets the object");
      }
      return value;
    });
  });
  return watched;
}

it("a run whose object is reset after any of its commits completes, each step once", async () => {
  let resets = 0;
  for (let commits = 1; commits <= MAX_COMMITS; commits += 1) {
    const { resource } = await create(TASKS, { outputs: OUTPUTS }, null);
    const watched = await resetAfter(resource.id, commits);
    const start = { wait_ms: 0, request_id: "once" };
    // What the reset cut off is asked again, as the client's own repetition does.
    await vi.waitFor(async () => {
      const { run } = await runs.execute(resource.id, start);
      expect(run?.run).toBe(1);
    });
    await until(resource.id, "completed");
    const { result } = await runs.read(resource.id);
    expect(result, `after commit ${commits}`).toEqual({ kind: "inline", json: '{"sum":24}' });
    const { events } = await runs.events(resource.id, 1, 0);
    const accepted = events
      .filter(({ type }) => type === "attempt.finished")
      .map((event) => readData(event))
      .filter(({ status }) => status === "completed")
      .map(({ step }) => step);
    expect(accepted.sort(), `after commit ${commits}`).toEqual([
      "flaky",
      "list",
      "square[0]",
      "square[1]",
      "square[2]",
      "sum",
    ]);
    if (!watched.hasReset) break;
    resets += 1;
  }
  expect(resets).toBeGreaterThan(5);
  expect(resets).toBeLessThan(MAX_COMMITS);
}, 120_000);
