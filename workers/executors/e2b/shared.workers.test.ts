/** Steps of one run in one sandbox. */
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { offerUntilTaken, type TestOwner } from "../backend-executor.ts";
import type { RemotePorts, SandboxLimits } from "./ports.ts";
import { killStrays } from "./strays.ts";
import {
  backend,
  clearFaults,
  expectNoStorage,
  fakeState,
  installFake,
  loseSandboxes,
  openGate,
  registerRun,
  sandboxesOf,
  service,
  setFaults,
  sharing,
  unlimited,
  WAIT_AT_GATE,
} from "./test-support.ts";

const PATIENCE = { timeout: 20_000, interval: 20 };

beforeEach(installFake);
afterEach(async () => {
  vi.restoreAllMocks();
  await clearFaults();
});

const begin = (owner: TestOwner) => offerUntilTaken(backend, owner.dispatch);

/** Calls on the objects meanwhile, so that nothing waits for an alarm. */
async function end(...owners: readonly TestOwner[]): Promise<void> {
  await expect
    .poll(async () => {
      await Promise.all(owners.map(({ dispatch }) => backend.waiting(dispatch).catch(() => null)));
      return owners.every(({ isOver }) => isOver);
    }, PATIENCE)
    .toBe(true);
}

/** The lease's key, as the sandbox of the run is labelled. */
async function keyOf(owner: TestOwner): Promise<string> {
  const [sandbox] = await sandboxesOf(owner);
  return sandbox?.metadata.pipelzr_lease ?? "";
}

async function callOn(key: string): Promise<void> {
  await runInDurableObject(env.SANDBOX_LEASE.getByName(key), (lease) => lease.alarm?.());
}

/** Has all steps leave, and their sandbox end. */
async function expectGone(owners: readonly TestOwner[], key: string): Promise<void> {
  for (const { dispatch } of owners) {
    await expect
      .poll(async () => (await backend.stop(dispatch, "cancel")).status, PATIENCE)
      .toBe("unknown");
  }
  await expect
    .poll(async () => {
      await callOn(key);
      return owners[0] ? sandboxesOf(owners[0]) : [];
    }, PATIENCE)
    .toEqual([]);
  await expect
    .poll(async () => {
      await callOn(key);
      const object = env.SANDBOX_LEASE.getByName(key);
      return runInDurableObject(object, (_, { storage }) => storage.kv.get("lease") ?? null);
    }, PATIENCE)
    .toBeNull();
  for (const owner of owners) await expectNoStorage(owner);
}

const IDLE_AT_ONCE = { shared_idle_ms: 1 };

describe("steps that share a sandbox", { timeout: 40_000 }, () => {
  it("pay for its set-up once, and have folders of their own", async () => {
    const spent = vi.fn();
    const slots = vi.fn(unlimited.acquire);
    const limits: SandboxLimits = { ...unlimited, acquire: slots };
    const before = (await fakeState()).create_requests;
    const owners = sharing(
      [
        { command: "echo tool >~/tool; echo mine >own.txt; pwd" },
        { command: "cat ~/tool; ls; pwd", artifacts: ["**"] },
        { command: "cat ~/tool; echo kept >a.txt", artifacts: ["a.txt"], working_directory: "sub" },
      ],
      { spent, limits },
    );
    const [first, second, third] = owners;
    if (!first || !second || !third) throw new Error("three steps were asked for");
    await begin(first);
    await end(first);
    const key = await keyOf(first);
    await Promise.all([second, third].map(begin));
    await end(second, third);
    for (const owner of owners) expect(owner.outcome).toMatchObject({ status: "completed" });
    expect(second.text()).toMatch(/^tool\n/);
    expect(second.text()).not.toContain("own.txt");
    expect(first.text().trim()).not.toBe(second.text().split("\n")[1]);
    expect([...second.artifacts.keys()]).toEqual([]);
    expect([...third.artifacts.keys()]).toEqual(["a.txt"]);
    expect((await fakeState()).create_requests).toBe(before + 1);
    expect(new Set(slots.mock.calls.map(([holder]) => holder))).toEqual(new Set([key]));
    const bill = vi
      .fn<RemotePorts["bill"]>(async () => undefined)
      .mockRejectedValueOnce(new Error("D1 is away"));
    registerRun(owners, { spent, bill, limits, ...IDLE_AT_ONCE });
    await abortAllDurableObjects();
    await expectGone(owners, key);
    expect(spent).toHaveBeenCalledOnce();
    const billed = expect.objectContaining({ id: expect.stringContaining(`${key}/`) });
    expect(bill.mock.calls).toEqual([[billed], [billed]]);
  });

  it("are beside each other, and a cancel of one leaves the others alone", async () => {
    const before = (await fakeState()).create_requests;
    const owners = sharing(
      [{ command: "echo up; sleep 60" }, { command: `echo up; ${WAIT_AT_GATE}; echo done` }],
      IDLE_AT_ONCE,
    );
    const [cancelled, other] = owners;
    if (!cancelled || !other) throw new Error("two steps were asked for");
    await Promise.all(owners.map(begin));
    for (const owner of owners) await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    const key = await keyOf(other);
    await backend.stop(cancelled.dispatch, "cancel");
    await end(cancelled);
    expect(cancelled.outcome).toEqual({ status: "cancelled" });
    const [sandbox] = await sandboxesOf(other);
    const running = sandbox?.processes.map(({ args }) => args.join(" ")).join("\n") ?? "";
    expect(running).not.toContain("sleep 60");
    expect(other.isOver).toBe(false);
    await openGate(other);
    await end(other);
    expect(other.text()).toBe("up\ndone\n");
    expect((await fakeState()).create_requests).toBe(before + 1);
    await expectGone(owners, key);
  });

  it("are lost with it, and done again in a new one", async () => {
    const owners = sharing(
      [{ command: "echo up; sleep 60" }, { command: "echo ok" }],
      IDLE_AT_ONCE,
    );
    const [lost, next] = owners;
    if (!lost || !next) throw new Error("two steps were asked for");
    await begin(lost);
    await expect.poll(() => lost.text(), PATIENCE).toBe("up\n");
    const key = await keyOf(lost);
    const before = (await fakeState()).create_requests;
    await loseSandboxes(lost);
    await end(lost);
    expect(lost).toMatchObject({ isLost: true, isCodeDead: true, outcome: null });
    expect(lost.usage?.sandbox_seconds).toBeGreaterThan(0);
    // It has left, and nobody is there to need another.
    await expect
      .poll(async () => (await backend.stop(lost.dispatch, "cancel")).status, PATIENCE)
      .toBe("unknown");
    await callOn(key);
    expect((await fakeState()).create_requests).toBe(before);
    await begin(next);
    await end(next);
    expect(next.outcome).toMatchObject({ status: "completed" });
    await expectGone(owners, key);
  });

  it("have one also when its create was unclear and every object is reset", async () => {
    await setFaults({ hold_creates: true });
    const before = (await fakeState()).create_requests;
    const owners = sharing([{ command: "echo a" }, { command: "echo b" }], IDLE_AT_ONCE);
    await Promise.all(owners.map(begin));
    await expect.poll(async () => (await fakeState()).create_requests, PATIENCE).toBe(before + 1);
    await abortAllDurableObjects();
    await clearFaults();
    await end(...owners);
    expect(owners.map((owner) => owner.text())).toEqual(["a\n", "b\n"]);
    expect((await fakeState()).create_requests).toBe(before + 1);
  });

  it("keep it for a while, in which no sweep takes it for a stray", async () => {
    const owners = sharing([{ command: "echo a" }]);
    const [owner] = owners;
    if (!owner) throw new Error("a step was asked for");
    await begin(owner);
    await end(owner);
    const lease = (key: string) => env.SANDBOX_LEASE.getByName(key);
    const ports = { service, deployment: "tests", lease, killed: vi.fn(), owner: () => owner };
    await killStrays(ports, Date.now(), 0);
    expect(await sandboxesOf(owner)).toHaveLength(1);
    for (const { id } of await sandboxesOf(owner)) await service.kill(id);
  });

  it("leave it with their run, whose end it does not outlive", async () => {
    const owners = sharing([{ command: "echo a" }, { command: "echo up; sleep 60" }]);
    const [first, second] = owners;
    if (!first || !second) throw new Error("two steps were asked for");
    await Promise.all(owners.map(begin));
    await expect.poll(() => second.text(), PATIENCE).toBe("up\n");
    await end(first);
    const key = await keyOf(first);
    const lease = env.SANDBOX_LEASE.getByName(key);
    await backend.stop(second.dispatch, "cancel");
    await lease.over();
    await end(second);
    expect(second.outcome).toEqual({ status: "cancelled" });
    await expect.poll(() => sandboxesOf(first), PATIENCE).toEqual([]);
    await expectGone(owners, key);
    // Of a lease that is not there it leaves nothing behind.
    await lease.over();
    const stored = await runInDurableObject(lease, (_, { storage }) => storage.kv.get("lease"));
    expect(stored).toBeUndefined();
  });

  it("fail when E2B refuses such a sandbox, and say why", async () => {
    const owners = sharing([{ command: "echo a", template: "" }], IDLE_AT_ONCE);
    const [owner] = owners;
    if (!owner) throw new Error("a step was asked for");
    await begin(owner);
    await end(owner);
    expect(owner.outcome).toMatchObject({ status: "failed", code: "sandbox_rejected" });
    expect(owner.reports).not.toContain("started");
  });
});
