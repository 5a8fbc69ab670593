import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { takeFromWindow, type Window } from "./quota.ts";

describe("takeFromWindow", () => {
  it("never grants more than the limit in a window, whatever is asked for and when", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 10_000 }),
        fc.array(fc.record({ want: fc.integer({ min: 0, max: 200 }), wait: fc.nat(3_000) }), {
          maxLength: 200,
        }),
        (limit, window_ms, asks) => {
          const granted = new Map<number, number>();
          let window: Window | null = null;
          let now = 1_000_000;
          for (const { want, wait } of asks) {
            now += wait;
            const step = takeFromWindow(window, { want, limit, window_ms, now });
            window = step.window;
            const { reset_at, remaining } = step.grant;
            const total = (granted.get(reset_at) ?? 0) + step.grant.granted;
            granted.set(reset_at, total);
            expect(total).toBeLessThanOrEqual(limit);
            expect(remaining).toBe(limit - total);
            expect(reset_at).toBeGreaterThan(now);
            expect(reset_at - now).toBeLessThanOrEqual(window_ms);
          }
        },
      ),
    );
  });

  it("grants the last token, so that the whole limit can be used", () => {
    let window: Window | null = null;
    let total = 0;
    for (let calls = 0; calls < 100; calls += 1) {
      const step = takeFromWindow(window, { want: 5, limit: 100, window_ms: 60_000, now: 1 });
      window = step.window;
      total += step.grant.granted;
    }
    expect(total).toBe(100);
  });
});
