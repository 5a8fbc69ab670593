/** Parts of any list. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { chunks } from "./chunks.ts";

it("cuts a list into parts within the limits, none left out, as few as in their order can be", () => {
  const lists = fc.array(fc.nat(12), { maxLength: 40 });
  fc.assert(
    fc.property(
      lists,
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 20 }),
      (all, count, size) => {
        const parts = [...chunks(all, { count, size, sizeOf: (each) => each })];
        const sum = (part: readonly number[]) => part.reduce((total, each) => total + each, 0);
        expect(parts.flatMap(([, part]) => part)).toEqual(all);
        let place = 0;
        for (const [index, [at, part]] of parts.entries()) {
          expect(at).toBe(place);
          place += part.length;
          expect(part.length).toBeLessThanOrEqual(count);
          if (part.length > 1) expect(sum(part)).toBeLessThanOrEqual(size);
          const next = parts[index + 1]?.[1][0];
          if (next !== undefined) {
            expect(part.length === count || sum(part) + next > size).toBe(true);
          }
        }
      },
    ),
  );
});
