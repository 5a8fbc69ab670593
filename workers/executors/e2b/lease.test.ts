import { describe, expect, it } from "vitest";
import {
  answerOf,
  failedWith,
  joined,
  type Lease,
  type LeaseAsk,
  leaseKey,
  leaseWakeAt,
  left,
  MEMBER_LEASE_MS,
  newLease,
  nextStep,
  restartedLease,
  settledWith,
} from "./lease.ts";

const NOW = 1_000_000;
const IDLE_MS = 5_000;
const ASK: LeaseAsk = {
  resource_id: "r",
  run: 1,
  project_id: "p",
  template: "base",
  allow: [],
  priority: 0,
  ttl_ms: 1_000,
};
const ON = { idle_ms: IDLE_MS, isReachable: true };
const OFF = { ...ON, isReachable: false };

const used = () => joined(newLease(ASK), "a", ASK, NOW);
const held = () => settledWith(used(), { slot: "held", renew_at: NOW + 20_000 });
const ready = () => settledWith(held(), { sandbox_id: "s1", sandbox_since: NOW });
const step = (lease: Lease, at = NOW, facts = ON) => nextStep(lease, facts, at);

describe("a shared sandbox", () => {
  it("is made for the first, and kept while anybody is in", () => {
    expect(step(used())).toBe("take_slot");
    expect(step(held())).toBe("create");
    expect(answerOf(held())).toEqual({ status: "waiting", position: 0, why: null });
    expect(step(ready())).toBeNull();
    expect(answerOf(ready())).toEqual({ status: "ready", sandbox_id: "s1" });
    const two = joined(ready(), "b", { ...ASK, ttl_ms: 9_000 }, NOW);
    expect(two.ask.ttl_ms).toBe(9_000);
    expect(step(left(two, "a", NOW), NOW + 10_000)).toBeNull();
  });

  it("ends when nobody has used it for a while, and then its slot and its object", () => {
    const alone = left(ready(), "a", NOW);
    expect(step(alone, NOW + IDLE_MS - 1)).toBeNull();
    expect(leaseWakeAt(alone, IDLE_MS, NOW)).toBeLessThanOrEqual(NOW + IDLE_MS);
    expect(step(alone, NOW + IDLE_MS)).toBe("kill");
    const ended = settledWith(alone, { sandbox_id: null });
    expect(step(ended, NOW + IDLE_MS)).toBe("release_slot");
    expect(step(settledWith(ended, { slot: "none" }), NOW + IDLE_MS)).toBe("forget");
  });

  it("takes who does not come back for gone", () => {
    const later = NOW + MEMBER_LEASE_MS;
    const renewed = settledWith(ready(), { renew_at: later + IDLE_MS + 1 });
    expect(step(renewed, later + IDLE_MS - 1)).toBeNull();
    expect(step(renewed, later + IDLE_MS)).toBe("kill");
  });

  it("is not joined while it ends, and made anew for who comes then", () => {
    const ending = settledWith(ready(), { is_ending: true });
    expect(step(ending)).toBe("kill");
    expect(answerOf(ending).status).toBe("waiting");
    expect(step(settledWith(ending, { sandbox_id: null, is_ending: false }))).toBe("create");
  });

  it("is looked for after a reset during its create", () => {
    const asked = settledWith(held(), { create: "asked" });
    expect(step(asked)).toBeNull();
    expect(step(restartedLease(asked, NOW))).toBe("find");
  });

  it("that is refused is asked for again only by who comes after", () => {
    const refused = settledWith(held(), { refusal: { code: "no", message: "no" } });
    expect(step(refused)).toBeNull();
    expect(answerOf(refused)).toEqual({ status: "refused", code: "no", message: "no" });
    expect(joined(refused, "b", ASK, NOW).refusal).not.toBeNull();
    expect(joined(left(refused, "a", NOW), "b", ASK, NOW).refusal).toBeNull();
  });

  it("is tried again later after a failure", () => {
    const failed = failedWith(held(), "no network", NOW);
    expect(step(failed)).toBeNull();
    expect(step(failed, failed.retry_at)).toBe("create");
    expect(answerOf(failed)).toMatchObject({ status: "waiting", why: "no network" });
  });

  it("is let go of when sandboxes are switched off", () => {
    expect(step(ready(), NOW, OFF)).toBe("release_slot");
    expect(step(settledWith(ready(), { slot: "none" }), NOW, OFF)).toBe("forget");
    expect(step(settledWith(used(), { create: "asked" }), NOW, OFF)).toBe("forget");
  });

  it("is one of a run, template and network", () => {
    const key = leaseKey(ASK);
    expect(leaseKey({ ...ASK, ttl_ms: 7, priority: 9 })).toBe(key);
    for (const other of [{ run: 2 }, { template: "node" }, { allow: ["example.com"] }]) {
      expect(leaseKey({ ...ASK, ...other })).not.toBe(key);
    }
  });
});
