/** Runs whose large data meets a blob store that fails, is slow or is asked much at once. */
import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  create,
  ECHO,
  eventually,
  execute,
  jsonOf,
  resultOf,
  run,
  runs,
  start,
  stubOf,
} from "./test-support-runs.ts";

const LARGE = "export default () => 'x'.repeat(70_000)";

afterEach(() => vi.restoreAllMocks());

const bindingsOf = (id: string) =>
  runInDurableObject(stubOf(id), (instance) => {
    const { BLOBS, RUN_COORDINATOR }: Env = Reflect.get(instance, "env");
    return { BLOBS, RUN_COORDINATOR };
  });

/** Fails the next writes below a place of a run. */
async function failPuts(id: string, part: string, times: number): Promise<void> {
  const { BLOBS } = await bindingsOf(id);
  const put = BLOBS.put.bind(BLOBS);
  let left = times;
  vi.spyOn(BLOBS, "put").mockImplementation(async (...given: Parameters<typeof put>) => {
    if (given[0].includes(part) && left > 0) {
      left -= 1;
      throw new Error("the blob store is down");
    }
    return put(...given);
  });
}

describe("a blob store that fails for a while", () => {
  it("delays the outputs of a run, and loses none", async () => {
    const id = await create([{ name: "a", script: LARGE }], {
      outputs: { a: "${{ tasks.a.result }}" },
    });
    await failPuts(id, "outputs", 2);
    const { run: ended, result } = await execute(id);
    expect(ended?.status).toBe("completed");
    expect(await jsonOf(result)).toEqual({ a: "x".repeat(70_000) });
  });

  it("delays the fan-out of a matrix of large values", async () => {
    const id = await create([
      { name: "list", script: "export default () => [1, 2].map((n) => [n, 'x'.repeat(50_000)])" },
      {
        name: "each",
        needs: ["list"],
        strategy: { matrix: { of: "${{ tasks.list.result }}" } },
        script: "export default ([n]) => n",
        inputs: "${{ matrix.of }}",
      },
    ]);
    await failPuts(id, ".items", 2);
    expect((await execute(id)).run?.status).toBe("completed");
    expect(await resultOf(id, "each[1]")).toBe(2);
  });
});

describe("a slow blob store", () => {
  it("begins no sub-pipeline after the cancel that overtook it", async () => {
    const child = await create([{ name: "hold", approval: true }], { inputs: { type: "object" } });
    const id = await create([
      { name: "a", script: LARGE },
      { name: "child", needs: ["a"], pipeline: child, inputs: { text: "${{ tasks.a.result }}" } },
    ]);
    const { BLOBS, RUN_COORDINATOR } = await bindingsOf(id);
    const get = BLOBS.get.bind(BLOBS);
    const hold = { isHeld: false, isReleased: false, isOver: false };
    vi.spyOn(BLOBS, "get").mockImplementationOnce(async (...given: Parameters<typeof get>) => {
      hold.isHeld = true;
      while (!hold.isReleased) await scheduler.wait(5);
      // What waits for the answer goes on before the next call reaches the object.
      return get(...given).finally(() => {
        hold.isOver = true;
      });
    });
    await start(id);
    await eventually(() => expect(hold.isHeld).toBe(true));
    expect((await runs.cancel(id)).run?.status).toBe("cancelled");
    const reached = vi.spyOn(RUN_COORDINATOR, "getByName");
    hold.isReleased = true;
    await eventually(() => expect(hold.isOver).toBe(true));
    await runs.read(id);
    expect(reached).not.toHaveBeenCalledWith(child);
    expect((await runs.read(child)).run).toBeNull();
  });
});

describe("many questions about large results at once", () => {
  it("are each answered with all that they ask about", async () => {
    const numbers = [0, 1, 2, 3, 4, 5];
    const { id, run: ended } = await run([
      ...numbers.map((n) => ({ name: `a${n}`, script: LARGE })),
      {
        name: "each",
        needs: numbers.map((n) => `a${n}`),
        strategy: { matrix: { n: [...numbers, 6, 7, 8, 9] } },
        script: "export default (all) => all.reduce((sum, text) => sum + text.length, 0)",
        inputs: numbers.map((n) => `\${{ tasks.a${n}.result }}`),
      },
      { name: "all", needs: ["each"], script: ECHO, inputs: "${{ tasks.each.results.*.result }}" },
    ]);
    expect(ended, JSON.stringify(ended?.error)).toMatchObject({ status: "completed" });
    expect(await resultOf(id, "all")).toEqual(Array.from({ length: 10 }, () => 420_000));
  });
});
