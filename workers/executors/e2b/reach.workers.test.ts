/** An E2B that is out of reach, or does not know its key: who is told, when, and what is left. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { offerUntilTaken, type TestOwner } from "../backend-executor.ts";
import { IMPATIENT_MS, PATIENT_MS } from "./reach.ts";
import { CREATE_LIMIT_MS } from "./sandbox.ts";
import {
  attempt,
  backend,
  clearFaults,
  expectNothingLeft,
  fakeState,
  installFake,
  movable,
  setFaults,
  sharing,
  stateOf,
  strangers,
} from "./test-support.ts";

const PATIENCE = { timeout: 20_000, interval: 20 };

beforeEach(installFake);
afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  await clearFaults();
});

const begin = (owner: TestOwner) => offerUntilTaken(backend, owner.dispatch);

/** Calls on the object meanwhile, so that nothing waits for its alarm. */
async function until(owner: TestOwner, holds: () => boolean): Promise<void> {
  await expect
    .poll(async () => {
      await backend.waiting(owner.dispatch).catch(() => null);
      return holds();
    }, PATIENCE)
    .toBe(true);
}

function later(ms: number): void {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
}

/** Expects that nothing is left once an unclear create can have made nothing any more. */
async function leavesNothing(owner: TestOwner): Promise<void> {
  await clearFaults();
  const state = async () => {
    later(CREATE_LIMIT_MS);
    await backend.waiting(owner.dispatch);
    return stateOf(owner);
  };
  await expect.poll(state, PATIENCE).toBeNull();
  await expectNothingLeft(owner);
}

const failing = (owner: TestOwner) =>
  expect.poll(async () => (await stateOf(owner))?.unmade?.tries ?? 0, PATIENCE).toBeGreaterThan(1);

describe("an E2B that is out of reach", { timeout: 60_000 }, () => {
  it("fails the attempt in the end, which is kept as a dead letter", async () => {
    const bury = vi.fn(async () => undefined);
    await setFaults({ refuse_all: true });
    const owner = attempt({ command: "echo ok" }, { bury });
    await begin(owner);
    await failing(owner);
    const reason = (await backend.waiting(owner.dispatch))?.reason;
    expect(reason).toMatch(/E2B at http:.* could not be reached/);
    expect(reason).toContain("Check E2B_API_URL and the network of the service.");
    expect(owner.isOver).toBe(false);
    later(PATIENT_MS);
    await until(owner, () => owner.isOver);
    expect(owner.outcome).toMatchObject({
      status: "failed",
      reason: "error",
      code: "dispatch_undeliverable",
      message: expect.stringMatching(/in 3 minutes, at \d+ tries: E2B at http.*E2B_API_URL/),
    });
    const message = owner.outcome?.status === "failed" ? owner.outcome.message : "";
    expect(bury).toHaveBeenCalledWith(owner.dispatch, message, expect.any(Number));
    await leavesNothing(owner);
  });

  it("has the next executor tried when there is one, and can be stopped then", async () => {
    await setFaults({ refuse_all: true });
    const owner = movable({ command: "echo ok" });
    await begin(owner);
    await failing(owner);
    expect((await backend.waiting(owner.dispatch))?.reason).toContain("next of its executors");
    later(IMPATIENT_MS);
    await until(owner, () => owner.isUnavailable);
    expect((await backend.stop(owner.dispatch, "cancel")).status).toBe("unknown");
    expect(owner).toMatchObject({ outcome: null, isLost: false });
    await leavesNothing(owner);
  });

  it("has the owner told until it hears that it is another's", async () => {
    await setFaults({ refuse_all: true });
    const owner = movable({ command: "echo ok" });
    await begin(owner);
    await failing(owner);
    owner.isDown = true;
    later(IMPATIENT_MS);
    const failures = async () => {
      await backend.waiting(owner.dispatch);
      return (await stateOf(owner))?.lanes.owner.failures ?? 0;
    };
    await expect.poll(failures, PATIENCE).toBeGreaterThan(0);
    owner.isDown = false;
    later(60_000);
    await until(owner, () => owner.isUnavailable);
    await leavesNothing(owner);
  });

  it("is told by the lease of those who share a sandbox", async () => {
    const bury = vi.fn(async () => undefined);
    await setFaults({ refuse_all: true });
    const [owner] = sharing([{ command: "echo ok" }], { bury });
    if (owner === undefined) throw new Error("a step was asked for");
    await begin(owner);
    const unmade = async () => {
      await backend.waiting(owner.dispatch);
      return (await stateOf(owner))?.unmade ?? null;
    };
    await expect.poll(unmade, PATIENCE).not.toBeNull();
    expect((await backend.waiting(owner.dispatch))?.reason).toContain("Check E2B_API_URL");
    later(PATIENT_MS);
    await until(owner, () => owner.isOver);
    expect(owner.outcome).toMatchObject({ code: "dispatch_undeliverable" });
    expect(bury).toHaveBeenCalledOnce();
  });

  it("is logged with its first failure, its second, its fourth and so on", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    await setFaults({ refuse_all: true });
    const owner = attempt({ command: "echo ok" });
    await begin(owner);
    const tries = async () => (await stateOf(owner))?.unmade?.tries ?? 0;
    await expect.poll(tries, PATIENCE).toBeGreaterThanOrEqual(5);
    const lines = warn.mock.calls.map(([line]) => JSON.parse(String(line)));
    const mine = lines.filter(({ resource_id }) => resource_id === owner.dispatch.resource_id);
    expect(mine.map(({ failures }) => failures)).toEqual([1, 2, 4]);
    await backend.stop(owner.dispatch, "cancel");
    await until(owner, () => owner.isOver);
    await leavesNothing(owner);
  });
});

describe("a key that E2B refuses", { timeout: 30_000 }, () => {
  it.each(["own", "shared"])(
    "fails at once the attempt with a sandbox of its %s",
    async (which) => {
      const before = (await fakeState()).create_requests;
      const [owner] =
        which === "own"
          ? [attempt({ command: "true" }, { service: strangers })]
          : sharing([{ command: "true" }], { service: strangers });
      if (owner === undefined) throw new Error("a step was asked for");
      await begin(owner);
      await until(owner, () => owner.isOver);
      expect(owner.outcome).toMatchObject({
        code: "e2b_key_refused",
        message: expect.stringContaining("E2B_API_KEY"),
      });
      expect((await fakeState()).create_requests).toBe(before);
    },
  );

  it("has the next executor tried at once when there is one", async () => {
    const owner = movable({ command: "true" }, { service: strangers });
    await begin(owner);
    await until(owner, () => owner.isUnavailable);
    await expectNothingLeft(owner);
  });
});

describe("an owner that gave an attempt up", { timeout: 30_000 }, () => {
  it("is told what its sandbox cost once that is killed", async () => {
    const owner = attempt({ command: "echo up; sleep 60" });
    await begin(owner);
    await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    await setFaults({ refuse_all: true });
    await backend.stop(owner.dispatch, "cancel");
    owner.fence();
    await clearFaults();
    await until(owner, () => owner.spent !== null);
    expect(owner.spent?.sandbox_seconds).toBeGreaterThan(0);
    expect(owner).toMatchObject({ outcome: null, usage: null });
    await expectNothingLeft(owner);
  });
});
