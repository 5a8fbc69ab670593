import fc from "fast-check";
import { uuidv7 } from "uuidv7";
import { describe, expect, it } from "vitest";
import { isResourceId, mayBelong, placeOf, seedFrom } from "./address.ts";
import { INVOCATION_LEVELS, invocationId } from "./nesting.ts";

const levels = fc.integer({ min: 0, max: INVOCATION_LEVELS - 1 });

describe("the id of an invocation", () => {
  it("is the same for the same seed, and of its project", () => {
    fc.assert(
      fc.property(levels, fc.string({ minLength: 1 }), (level, project) => {
        const seed = uuidv7();
        const id = invocationId(seed, project, level);
        expect(invocationId(seed, project, level)).toBe(id);
        expect([isResourceId(id), mayBelong(id, project)]).toEqual([true, true]);
      }),
    );
  });

  it("lies with those of its level alone, so that none waits for the place of another below", () => {
    const levelOf = new Map<number, number>();
    fc.assert(
      fc.property(levels, (level) => {
        const place = placeOf(invocationId(uuidv7(), "p", level));
        expect(levelOf.get(place) ?? level).toBe(level);
        levelOf.set(place, level);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is another for every seed, also of the same millisecond", () => {
    const ids = Array.from({ length: 5_000 }, () => invocationId(uuidv7(), "p", 4));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("has no level below the last", () => {
    expect(() => invocationId(uuidv7(), "p", INVOCATION_LEVELS)).toThrow("level");
  });
});

describe("a seed from an id and a label", () => {
  it("is a UUIDv7 of the same moment, and another for each label", () => {
    const id = uuidv7();
    const seeds = Array.from({ length: 1_000 }, (_, label) => seedFrom(id, String(label)));
    expect(new Set(seeds).size).toBe(seeds.length);
    for (const seed of seeds) {
      expect([isResourceId(seed), seed.slice(0, 13)]).toEqual([true, id.slice(0, 13)]);
    }
  });
});
