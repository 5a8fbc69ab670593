import { describe, expect, it } from "vitest";
import { type FixtureRun, type FixtureStep, inspection, ran } from "../runs/inspection-fixture.ts";
import type { StepPlan, StepState } from "../runs/types.ts";
import { explainRun, MAX_EXPLAINED } from "./why.ts";

const NOW = 10_000;
const facts = {
  pipelineOf: (step: number) => (step === 7 ? "child" : null),
  isAgent: () => false,
};
const why = (run: FixtureRun) => explainRun(inspection(run), facts, NOW);

/** What the only open step of a run waits for. */
function only(
  state: Partial<StepState>,
  plan: Partial<StepPlan> = {},
  run: Partial<FixtureRun> = {},
) {
  const { steps } = why({ steps: [{ name: "s", plan, state }], ...run });
  expect(steps).toHaveLength(1);
  return steps[0];
}

const RUN = "/api/v1/pipelines/p/runs/2";
const gate = (type: "approval" | "signal" | "duration", signal: string | null = null) => ({
  gate: { type, signal, ms: null },
});

describe("an open step", () => {
  it("names what it needs, and how much more there is", () => {
    const done = ran("done", [], 0, 5);
    const open: FixtureStep[] = Array.from({ length: 12 }, (_, index) => ({ name: `n${index}` }));
    const needs = Array.from({ length: 13 }, (_, index) => index);
    const last = { name: "last", plan: { needs }, state: { open_needs: 12 } };
    const found = why({ steps: [done, ...open, last] }).steps.find(({ step }) => step === "last");
    expect(found?.waiting_for).toMatchObject({ type: "needs", open_needs: 12 });
    expect(found?.waiting_for.needs).toHaveLength(10);
    expect(found?.waiting_for.needs).not.toContain("done");
    expect(found?.reason).toMatch(/^It starts when n0, .* and 2 more have ended\.$/);
  });

  it.each([
    ["approval", gate("approval"), "approve", { step: "s", approved: true }],
    ["signal", gate("signal", "go"), "signal", { name: "go", payload: null }],
  ] as const)("says how to answer a gate of type %s", (type, plan, action, body) => {
    const found = only({ status: "waiting", gate_until: NOW + 5_000 }, plan);
    expect(found?.waiting_for).toMatchObject({
      type,
      until: NOW + 5_000,
      remedy: { method: "POST", path: `${RUN}/${action}`, body },
    });
    expect(found?.reason).toContain("in 5.0 s");
  });

  it("says when a duration, a retry and an attempt are over", () => {
    const duration = only({ status: "waiting", gate_until: NOW + 1_500 }, gate("duration"));
    expect(duration).toMatchObject({ waiting_for: { type: "duration", until: NOW + 1_500 } });
    const error = { code: "exit_nonzero", message: "The command exited with 3." };
    const retry = only({ status: "waiting", retry_at: NOW + 2_000, attempt: 1, error });
    expect(retry).toMatchObject({ waiting_for: { type: "retry", until: NOW + 2_000 } });
    expect(retry?.reason).toContain("exited with 3");
    const attempt = only({ status: "running", attempt: 2, deadline_at: NOW + 9_000 });
    expect(attempt).toMatchObject({ waiting_for: { type: "attempt", until: NOW + 9_000 } });
  });

  it("says its place in a queue", () => {
    const queued = { 0: { reason: "Every slot is taken.", position: 4 } };
    expect(only({ status: "queued" }, {}, { queued })).toMatchObject({
      reason: "Every slot is taken.",
      waiting_for: { type: "slot", position: 4 },
    });
    const alone = { 0: { reason: "Every slot is taken.", position: 2 } };
    expect(only({ status: "queued", alone: true }, {}, { queued: alone })).toMatchObject({
      waiting_for: { type: "quarantine", position: 2 },
    });
    const asked = { state: { slot: "asked" as const }, slot_position: 3 };
    expect(only({}, {}, asked)).toMatchObject({
      waiting_for: { type: "pipeline_slot", position: 3 },
    });
  });

  it("says which bound holds it back, and whether the run is paused", () => {
    const full = { state: { in_flight: 5 } };
    expect(only({}, {}, full)).toMatchObject({ waiting_for: { type: "max_parallel" } });
    const paused = only({}, {}, { state: { status: "paused", pause_requested: true } });
    expect(paused?.waiting_for).toMatchObject({
      type: "resume",
      remedy: { path: "/api/v1/pipelines/p/resume?run=2" },
    });
    const stopping = { reason: "cancel", give_up_at: NOW + 100 } as const;
    expect(only({ status: "running", stopping })).toMatchObject({
      waiting_for: { type: "stop", until: NOW + 100 },
    });
    expect(only({ deciding: true })).toMatchObject({ waiting_for: { type: "decision" } });
  });

  it("names the pipeline whose run it waits for", () => {
    const steps: FixtureStep[] = Array.from({ length: 8 }, (_, index) =>
      ran(`s${index}`, [], 0, 1),
    );
    steps[7] = { name: "child", state: { status: "running" } };
    expect(why({ steps }).steps[0]).toMatchObject({
      step: "child",
      waiting_for: { type: "pipeline", pipeline_id: "child" },
    });
  });

  it("tells of a group and of the items that its bound holds back", () => {
    const items = { first: 1, count: 3, open: 2, active: 1, next: 2, failed: 0, cancelled: 0 };
    const group: FixtureStep = {
      name: "g",
      plan: { matrix: { max_parallel: 1, fail_fast: true } },
      state: { status: "running", items },
    };
    const item = (index: number, state: Partial<StepState>): FixtureStep => ({
      name: `g[${index}]`,
      state: { group: 0, item: index, ...state },
    });
    const found = why({
      steps: [group],
      items: [
        item(0, { status: "completed", completed_at: 5 }),
        item(1, { status: "running", started_at: 5 }),
        item(2, {}),
      ],
    });
    expect(found.steps.map(({ step, waiting_for }) => [step, waiting_for.type])).toEqual([
      ["g[1]", "attempt"],
      ["g", "group"],
      ["g[2]", "max_parallel"],
    ]);
    expect(found.steps[1]?.waiting_for).toMatchObject({ needs: ["g[1]", "g[2]"], open_needs: 2 });
  });
});

describe("a run", () => {
  it("lists what people can act on first, bounded, and counts the rest", () => {
    const crowd: FixtureStep[] = Array.from({ length: 500 }, (_, index) => ({
      name: `n${index}`,
      plan: { needs: [500] },
      state: { open_needs: 1 },
    }));
    const approval: FixtureStep = {
      name: "approve",
      plan: gate("approval"),
      state: { status: "waiting" },
    };
    const found = why({ steps: [...crowd, approval] });
    expect(found.steps).toHaveLength(MAX_EXPLAINED);
    expect(found.steps[0]?.step).toBe("approve");
    expect(found).toMatchObject({ open_steps: 501, waiting: { approval: 1, needs: 500 } });
    expect(found.reason).toContain("approve: It waits for somebody");
    expect(found.allowed).toEqual(["pause", "cancel"]);
  });

  it.each([
    [{ status: "completed", completed_at: 9 }, /completed/, ["start", "retry"]],
    [{ status: "cancelled", completed_at: 9 }, /cancelled on request/, ["retry", "start"]],
    [
      { status: "failed", completed_at: 9, error: { code: "x", message: "It broke." } },
      /failed: It broke\./,
      ["retry", "start"],
    ],
    [{ status: "paused", pause_requested: true }, /\/resume to go on/, ["resume", "cancel"]],
    [{ status: "queued", slot: "asked" }, /pipeline slots/, ["pause", "cancel"]],
    [{ cancel_requested_at: 5, in_flight: 1 }, /1 step must stop first/, []],
    [{ concluding: true }, /outputs are put together/, ["pause", "cancel"]],
  ] as const)("%j says why", (state, reason, allowed) => {
    const found = why({ steps: [ran("a", [], 0, 5)], state });
    expect(found.reason).toMatch(reason);
    expect(found.allowed).toEqual(allowed);
    expect(found.steps).toEqual([]);
  });
});
