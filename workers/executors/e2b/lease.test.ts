import { describe, expect, it } from "vitest";
import {
  answerOf,
  billed,
  failedWith,
  joined,
  killedSandbox,
  type Lease,
  type LeaseAsk,
  leaseKey,
  leaseSchema,
  leaseWakeAt,
  left,
  lostSandbox,
  MEMBER_LEASE_MS,
  madeSandbox,
  newLease,
  nextStep,
  OVER_GRACE_MS,
  overSince,
  restartedLease,
  settledWith,
} from "./lease.ts";
import { CREATE_LIMIT_MS } from "./sandbox.ts";

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

const join = (
  lease: Lease,
  member: string,
  {
    ask = ASK,
    sandbox_id = null,
    at = NOW,
  }: { ask?: LeaseAsk; sandbox_id?: string | null; at?: number } = {},
) => joined(lease, { member, ask, sandbox_id }, at);
const used = () => join(newLease(ASK), "a");
const held = () => settledWith(used(), { slot: "held", renew_at: NOW + 20_000 });
const ready = () => madeSandbox(held(), "s1", NOW);
const WAITING = { status: "waiting", position: 0, why: null, unmade: null };
const step = (lease: Lease, at = NOW, facts = ON) => nextStep(lease, facts, at);

describe("a shared sandbox", () => {
  it("is made for the first, and kept while anybody is in", () => {
    expect(step(used())).toBe("take_slot");
    expect(step(held())).toBe("create");
    expect(answerOf(held(), null)).toEqual(WAITING);
    expect(step(ready())).toBeNull();
    expect(answerOf(ready(), null)).toEqual({ status: "ready", sandbox_id: "s1" });
    const two = join(ready(), "b", { ask: { ...ASK, ttl_ms: 9_000 } });
    expect(two.ask.ttl_ms).toBe(9_000);
    expect(step(left(two, "a", NOW), NOW + 10_000)).toBeNull();
  });

  it("ends when nobody has used it for a while, and then its slot and its object", () => {
    const alone = left(ready(), "a", NOW);
    expect(step(alone, NOW + IDLE_MS - 1)).toBeNull();
    expect(leaseWakeAt(alone, IDLE_MS, NOW)).toBeLessThanOrEqual(NOW + IDLE_MS);
    expect(step(alone, NOW + IDLE_MS)).toBe("kill");
    const ended = settledWith(killedSandbox(alone, NOW + IDLE_MS), {});
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
    expect(answerOf(ending, null).status).toBe("waiting");
    expect(step(settledWith(ending, { sandbox_id: null, is_ending: false }))).toBe("create");
  });

  it("is looked for after a reset during its create", () => {
    const asked = settledWith(held(), { create: "asked" });
    expect(step(asked)).toBeNull();
    expect(step(restartedLease(asked, NOW))).toBe("find");
  });

  it("keeps no slot for what may have been made out of reach, and not itself for ever", () => {
    const unclear = settledWith(held(), { create: "unclear", unclear_since: NOW });
    const failed = settledWith(failedWith(unclear, "no network", true, NOW), {});
    expect(step(failed)).toBe("find");
    const alone = left(failed, "a", NOW);
    expect(step(alone)).toBe("release_slot");
    const free = settledWith(alone, { slot: "none" });
    const endsAt = NOW + CREATE_LIMIT_MS + ASK.ttl_ms;
    expect(step(free, endsAt - 1)).toBe("find");
    expect(step(free, endsAt)).toBe("forget");
  });

  it("that is refused is asked for again only by who comes after", () => {
    const refused = settledWith(held(), { refusal: { code: "no", message: "no" } });
    expect(step(refused)).toBeNull();
    expect(answerOf(refused, null)).toEqual({ status: "refused", code: "no", message: "no" });
    expect(join(refused, "b").refusal).not.toBeNull();
    expect(join(left(refused, "a", NOW), "b").refusal).toBeNull();
  });

  it("is tried again later after a failure", () => {
    const failed = failedWith(held(), "no network", true, NOW);
    expect(step(failed)).toBeNull();
    expect(step(failed, failed.retry_at)).toBe("create");
    const unmade = { since: NOW, tries: 1, why: "no network" };
    expect(answerOf(failed, null)).toEqual({ ...WAITING, why: "no network", unmade });
    const again = failedWith(settledWith(failed, {}), "still none", true, NOW + 9);
    expect(again.unmade).toEqual({ since: NOW, tries: 2, why: "still none" });
    expect(failedWith(held(), "full", false, NOW).unmade).toBeNull();
    expect(madeSandbox(again, "s1", NOW).unmade).toBeNull();
  });

  it("is let go of when sandboxes are switched off", () => {
    expect(step(ready(), NOW, OFF)).toBe("release_slot");
    expect(step(settledWith(ready(), { slot: "none" }), NOW, OFF)).toBe("forget");
    expect(step(settledWith(used(), { create: "asked" }), NOW, OFF)).toBe("forget");
  });

  it("is one of a run, template and network", () => {
    const key = leaseKey(ASK);
    const later: LeaseAsk = { ...ASK, ttl_ms: 7, priority: 9 };
    expect(leaseKey(later)).toBe(key);
    const others: Partial<LeaseAsk>[] = [
      { run: 2 },
      { template: "node" },
      { allow: ["example.com"] },
    ];
    for (const other of others) {
      expect(leaseKey({ ...ASK, ...other })).not.toBe(key);
    }
  });
});

describe("a shared sandbox that is lost", () => {
  const lost = () => lostSandbox(join(ready(), "b"), NOW + 100);

  it("is made anew for nobody who was in it", () => {
    expect(step(lost(), NOW + 100)).toBe("release_slot");
    const free = settledWith(lost(), { slot: "none" });
    // What each has to pay is kept until it has left.
    expect(step(free, NOW + 100)).toBeNull();
    expect(step(left(left(free, "a", NOW + 100), "b", NOW + 100), NOW + 100)).toBe("forget");
  });

  it("is told to those who still take it for there", () => {
    const renewed = join(lost(), "a", { sandbox_id: "s1", at: NOW + 200 });
    expect(answerOf(renewed, "s1")).toEqual({ status: "gone" });
    expect(step(renewed, NOW + 200)).toBe("release_slot");
    const stranger = join(lost(), "c", { sandbox_id: "s1", at: NOW + 200 });
    expect(stranger.members).not.toHaveProperty("c");
  });

  it("is made anew for who needs one", () => {
    expect(step(join(lost(), "c", { at: NOW + 200 }), NOW + 200)).toBe("create");
    // It had found it lost before it had anything in it.
    expect(step(join(lost(), "a", { at: NOW + 200 }), NOW + 200)).toBe("create");
  });
});

describe("the sandbox of a run that has ended", () => {
  it("ends when those in it have left, or do not leave", () => {
    const over = overSince(ready(), NOW);
    expect(step(over)).toBeNull();
    expect(step(left(over, "a", NOW + 1), NOW + 1)).toBe("kill");
    expect(leaseWakeAt(over, IDLE_MS, NOW)).toBeLessThanOrEqual(NOW + OVER_GRACE_MS);
    expect(step(over, NOW + OVER_GRACE_MS)).toBe("kill");
    expect(overSince(over, NOW + 1).over_since).toBe(NOW);
  });

  it("is not made, nor joined", () => {
    const over = overSince(held(), NOW);
    expect(step(over)).toBe("release_slot");
    expect(answerOf(overSince(ready(), NOW), null)).toMatchObject({ code: "run_over" });
    const killed = killedSandbox(overSince(ready(), NOW), NOW + OVER_GRACE_MS);
    expect(step(killed, NOW + OVER_GRACE_MS)).toBe("release_slot");
  });
});

describe("the cost of a shared sandbox", () => {
  const partOf = (lease: Lease, member: string, at: number) =>
    billed(lease, member, at).parts[member]?.ms;

  it("is divided among those who are in it, and the idle time goes to who comes next", () => {
    const two = join(ready(), "b", { at: NOW + 100 });
    expect(partOf(two, "a", NOW + 300)).toBe(200);
    const billedA = billed(two, "a", NOW + 300);
    expect(partOf(billedA, "a", NOW + 900)).toBe(200);
    const alone = left(billedA, "a", NOW + 350);
    const idle = left(billed(alone, "b", NOW + 400), "b", NOW + 400);
    const next = join(idle, "c", { at: NOW + 1_000 });
    const parts = [200, partOf(alone, "b", NOW + 400), partOf(next, "c", NOW + 1_500)];
    expect(parts).toEqual([200, 200, 1_100]);
    expect(parts.reduce((sum = 0, part = 0) => sum + part, 0)).toBe(1_500);
  });

  it("holds up no end of the sandbox by who has been told", () => {
    const told = billed(settledWith(ready(), { renew_at: NOW + 99_000 }), "a", NOW + 100);
    const renewed = join(told, "a", { sandbox_id: "s1", at: NOW + 200 });
    expect(step(renewed, NOW + 99 + IDLE_MS)).toBeNull();
    expect(step(renewed, NOW + 100 + IDLE_MS)).toBe("kill");
    expect(partOf(renewed, "a", NOW + 900)).toBe(100);
  });

  it("ends with the sandbox, also when that is lost", () => {
    const lost = lostSandbox(join(ready(), "b", { at: NOW }), NOW + 500);
    expect(partOf(lost, "a", NOW + 9_000)).toBe(250);
    expect(partOf(lost, "b", NOW + 9_000)).toBe(250);
    expect(partOf(lost, "stranger", NOW + 9_000)).toBeUndefined();
  });

  it("counts from its making, which those wait for who are there", () => {
    const made = madeSandbox(join(held(), "b", { at: NOW }), "s1", NOW + 1_000);
    expect(partOf(made, "b", NOW + 1_100)).toBe(50);
  });

  it("is known of a lease that an earlier version has stored", () => {
    const { parts, divided_until, idle_ms, over_since, unmade, ...earlier } = ready();
    const lease = leaseSchema.parse(earlier);
    expect(partOf(lease, "a", NOW + 100)).toBe(100);
  });
});
