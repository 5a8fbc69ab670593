import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ONCE } from "./machine-fixture.ts";
import { fraction, retryDelayMs } from "./retry.ts";
import { BACKOFFS } from "./types.ts";

const base = { ...ONCE, max_attempts: 10, initial_ms: 100, max_ms: 1_000 };

describe("retryDelayMs", () => {
  it.each([
    ["fixed", [100, 100, 100, 100, 100]],
    ["linear", [100, 200, 300, 400, 500]],
    ["exponential", [100, 200, 400, 800, 1_000]],
  ] as const)("grows %s up to max_ms", (backoff, delays) => {
    const policy = { ...base, backoff };
    expect([1, 2, 3, 4, 5].map((attempt) => retryDelayMs(policy, attempt, 0.9))).toEqual(delays);
  });

  it("stays 0 for a policy without a delay, however many tries there were", () => {
    const policy = { ...base, backoff: "exponential" as const, initial_ms: 0 };
    expect(retryDelayMs(policy, 2_000, 0)).toBe(0);
  });

  it("spreads a jittered delay over its upper half", () => {
    const policy = { ...base, jitter: true };
    expect(retryDelayMs(policy, 1, 0)).toBe(50);
    expect(retryDelayMs(policy, 1, 0.5)).toBe(75);
    expect(retryDelayMs(policy, 1, 0.999)).toBe(100);
  });

  it("is a whole number between 0 and max_ms for every policy and attempt", () => {
    const policies = fc.record({
      backoff: fc.constantFrom(...BACKOFFS),
      initial_ms: fc.nat(3_600_000),
      max_ms: fc.nat(86_400_000),
      jitter: fc.boolean(),
    });
    const spreads = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(
        policies,
        fc.integer({ min: 1, max: 5_000 }),
        spreads,
        (more, attempt, spread) => {
          const delay = retryDelayMs({ ...base, ...more }, attempt, spread);
          expect(Number.isInteger(delay)).toBe(true);
          expect(delay).toBeGreaterThanOrEqual(0);
          expect(delay).toBeLessThanOrEqual(more.max_ms);
        },
      ),
    );
  });
});

describe("fraction", () => {
  it("depends on its arguments alone and stays in [0, 1)", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(10_000), fc.nat(100), (seed, step, attempt) => {
        const value = fraction(seed, step, attempt);
        expect(value).toBe(fraction(seed, step, attempt));
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThan(1);
      }),
    );
  });

  it("spreads the steps of a run evenly", () => {
    const counts = [0, 0, 0, 0];
    for (let step = 0; step < 4_000; step += 1) {
      const quarter = Math.floor(fraction(42, step, 1) * 4);
      counts[quarter] = (counts[quarter] ?? 0) + 1;
    }
    for (const count of counts) expect(count).toBeGreaterThan(850);
  });
});
