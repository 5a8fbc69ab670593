import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrequentCache } from "./frequent-cache.ts";

const BUDGET = 100;

/** Asks for a value as a store does: what is not kept is made, and offered. */
function ask(cache: FrequentCache<string>, id: number, cost: number): string {
  const known = cache.get(id);
  if (known !== undefined) return known;
  const value = `value ${id}`;
  cache.offer(id, value, cost);
  return value;
}

describe("the cache of what is asked for most", () => {
  it("answers with the value of the id, and never holds more than its budget", () => {
    const question = fc.record({
      id: fc.integer({ min: 0, max: 40 }),
      cost: fc.integer({ min: 0, max: BUDGET + 20 }),
      isRemoved: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(question, { maxLength: 300 }), (questions) => {
        const cache = new FrequentCache<string>(BUDGET);
        for (const { id, cost, isRemoved } of questions) {
          if (isRemoved) cache.delete(id);
          expect(ask(cache, id, cost)).toBe(`value ${id}`);
          expect(cache.cost).toBeGreaterThanOrEqual(0);
          expect(cache.cost).toBeLessThanOrEqual(BUDGET);
        }
      }),
    );
  });

  it("keeps what is asked for again and again through a walk over everything else", () => {
    const cache = new FrequentCache<string>(BUDGET);
    for (let round = 0; round < 5; round += 1) ask(cache, 1, 60);
    for (let id = 2; id < 200; id += 1) ask(cache, id, 60);
    expect(cache.get(1)).toBe("value 1");
  });

  it("lets in what has come to be asked for more often", () => {
    const cache = new FrequentCache<string>(BUDGET);
    for (let round = 0; round < 3; round += 1) ask(cache, 1, 60);
    for (let round = 0; round < 4; round += 1) ask(cache, 2, 60);
    expect(cache.get(1)).toBeUndefined();
    expect(cache.get(2)).toBe("value 2");
  });

  it("has nothing of what was removed, nor of what is larger than all it may hold", () => {
    const cache = new FrequentCache<string>(BUDGET);
    ask(cache, 1, 10);
    cache.delete(1);
    ask(cache, 2, BUDGET + 1);
    expect([cache.get(1), cache.get(2), cache.cost]).toEqual([undefined, undefined, 0]);
  });
});
