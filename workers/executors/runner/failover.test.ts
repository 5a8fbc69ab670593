import { describe, expect, it } from "vitest";
import { Failover } from "./failover.ts";
import type { Offering } from "./matching.ts";
import type { PoolAttempt } from "./pool-types.ts";

const LEASE_MS = 10_000;

function row(attempt: string, runs_on: readonly string[] = []): PoolAttempt {
  return {
    ...{ attempt, resource_id: attempt, run: 1, step: 0, epoch: 1, placement: "own" },
    ...{ project_id: "p", patient: false, state: "queued", priority: 0, queued_at: 0 },
    ...{ task_type: "subprocess", runs_on, timeout_ms: 1, runner_id: null, lease_until: 0 },
    ...{ is_graced: false, is_started_told: false, output: 0, stop: null, final: null },
    blob_keys: [],
  };
}

function runner(is_connected: boolean, labels: readonly string[] = []): Offering {
  return {
    ...{ runner_id: "r", name: "r", labels, task_types: ["subprocess"], unavailable: {} },
    ...{ slots: 1, is_draining: false, is_connected },
  };
}

/** A pool whose queue and runners a test sets. */
function poolOf(queue: readonly PoolAttempt[]) {
  const state = { queue, runners: [runner(true)] };
  const failover = new Failover({
    pool: "shared",
    leaseMs: LEASE_MS,
    offerings: () => state.runners,
    store: {
      impatientDemands: () => state.queue.filter(({ patient }) => !patient),
      impatient: ({ runs_on }) =>
        state.queue.filter((each) => String(each.runs_on) === String(runs_on)),
    },
  });
  return { state, failover };
}

describe("failover", () => {
  it("leaves a dispatch where it is while a runner that fits is connected", () => {
    const { failover } = poolOf([row("a")]);
    expect(failover.next(0)).toBeNull();
    expect(failover.due(99 * LEASE_MS)).toEqual([]);
  });

  it("is due when none has been for a lease", () => {
    const { state, failover } = poolOf([row("a")]);
    state.runners = [runner(false)];
    expect(failover.next(5)).toBe(5 + LEASE_MS);
    expect(failover.due(4 + LEASE_MS)).toEqual([]);
    expect(failover.due(5 + LEASE_MS).map(({ attempt }) => attempt)).toEqual(["a"]);
    expect(failover.reason(row("a"), 5 + LEASE_MS)).toContain("connected");
  });

  it("begins anew when a runner came back meanwhile", () => {
    const { state, failover } = poolOf([row("a")]);
    state.runners = [runner(false)];
    failover.next(0);
    state.runners = [runner(true)];
    failover.next(LEASE_MS - 1);
    state.runners = [runner(false)];
    expect(failover.next(LEASE_MS)).toBe(2 * LEASE_MS);
    expect(failover.due(LEASE_MS)).toEqual([]);
  });

  it("is for what asks for more than the connected runners have, and for nothing patient", () => {
    const patient = { ...row("patient", ["gpu"]), patient: true };
    const { failover } = poolOf([row("plain"), row("gpu", ["gpu"])]);
    failover.next(0);
    expect(failover.due(LEASE_MS).map(({ attempt }) => attempt)).toEqual(["gpu"]);
    expect(failover.reason(patient, LEASE_MS)).toBeNull();
  });
});
