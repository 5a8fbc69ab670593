import { describe, expect, it } from "vitest";
import { afterRestart, isOver, retryDelay } from "./leases.ts";

const lease = { lease_until: 5_000, is_graced: false };

describe("a lease", () => {
  it("is over at its end", () => {
    expect([4_999, 5_000].map((now) => isOver(lease, now))).toEqual([false, true]);
  });

  it("begins anew after a restart that cut the connection, once", () => {
    const graced = afterRestart(lease, false, 20_000, 10_000);
    expect(graced).toEqual({ lease_until: 30_000, is_graced: true });
    expect(graced && afterRestart(graced, false, 29_000, 10_000)).toBeNull();
  });

  it("is never shortened by a restart, and runs on beside a connection that outlived it", () => {
    expect(afterRestart({ ...lease, lease_until: 99_000 }, false, 1, 10_000)).toEqual({
      lease_until: 99_000,
      is_graced: true,
    });
    expect(afterRestart(lease, true, 20_000, 10_000)).toBeNull();
  });
});

it("retries after pauses that grow up to a bound", () => {
  expect([1, 2, 3, 20].map(retryDelay)).toEqual([100, 200, 400, 5_000]);
});
