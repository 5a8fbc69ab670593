/** Accounts of sub-agents: what counts is what the newest says, however they arrive. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  added,
  holderOf,
  holdId,
  isNothing,
  NOTHING_USED,
  type Used,
  usedSince,
} from "./accounts.ts";

const amount = fc.nat(1_000_000);
const used: fc.Arbitrary<Used> = fc.record({
  usd_nanos: amount,
  tokens: amount,
  sandbox_ms: amount,
  input_tokens: amount,
  output_tokens: amount,
  cached_input_tokens: amount,
});

describe("accounts", () => {
  it("that are lost, late or told twice sum up to the newest that arrived", () => {
    const told = fc.array(used, { minLength: 1, maxLength: 8 }).chain((steps) =>
      fc.record({
        steps: fc.constant(steps),
        arrivals: fc.array(fc.nat(steps.length - 1), { minLength: 1, maxLength: 20 }),
      }),
    );
    fc.assert(
      fc.property(told, ({ steps, arrivals }) => {
        const sums = steps.map((_, last) => steps.slice(0, last + 1).reduce(added, NOTHING_USED));
        let newest = -1;
        let counted = NOTHING_USED;
        for (const number of arrivals) {
          if (number <= newest) continue;
          const before = sums[newest] ?? NOTHING_USED;
          counted = added(counted, usedSince(before, sums[number] ?? NOTHING_USED));
          newest = number;
        }
        expect(counted).toEqual(sums[Math.max(...arrivals)]);
      }),
    );
  });

  it("add nothing when nothing changed", () => {
    fc.assert(fc.property(used, (all) => isNothing(usedSince(all, all))));
  });

  it("name holds by their agents", () => {
    expect(holderOf({ id: holdId("agent/1", { epoch: 7 }) })).toBe("agent/1");
  });
});
