/** What goes wrong around an attempt, and what is left of it in the end. */
import { abortAllDurableObjects } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { remoteWiring } from "../../remote-attempt.ts";
import { offerUntilTaken, type TestOwner } from "../backend-executor.ts";
import { dispatchKey } from "../detached.ts";
import { TTL_MARGIN_MS } from "./drive.ts";
import type { RemotePorts } from "./ports.ts";
import { AttemptStore } from "./store.ts";
import {
  attempt,
  backend,
  clearFaults,
  contextOf,
  expectNoStorage,
  expectNothingLeft,
  fakeState,
  installFake,
  loseSandboxes,
  openGate,
  register,
  sandboxesOf,
  service,
  setFaults,
  stateOf,
  WAIT_AT_GATE,
} from "./test-support.ts";

const PATIENCE = { timeout: 20_000, interval: 20 };

const originalWiring = remoteWiring.of;

beforeEach(installFake);
afterEach(async () => {
  vi.restoreAllMocks();
  await clearFaults();
});

async function begin(owner: TestOwner): Promise<TestOwner> {
  await offerUntilTaken(backend, owner.dispatch);
  return owner;
}

/** Calls on the object meanwhile, so that nothing waits for its alarm. */
async function end(owner: TestOwner): Promise<void> {
  await expect
    .poll(async () => {
      await backend.waiting(owner.dispatch).catch(() => null);
      return owner.isOver;
    }, PATIENCE)
    .toBe(true);
}

async function completes(owner: TestOwner, stdout: string): Promise<void> {
  await end(owner);
  expect(owner.usage?.usd).toBeGreaterThan(0);
  expect(owner.outcome).toMatchObject({ status: "completed" });
  expect(owner.text("stdout")).toBe(stdout);
  await expectNothingLeft(owner);
}

describe("creating", { timeout: 30_000 }, () => {
  it.each([429, 503])("goes on after refusals by %i", async (status) => {
    await setFaults({ fail_creates: { status, times: 2 } });
    await completes(await begin(attempt({ command: "echo ok" })), "ok\n");
  });

  it("says why it waits while E2B refuses", async () => {
    await setFaults({ fail_creates: { status: 429 } });
    const owner = await begin(attempt({ command: "echo ok" }));
    const reason = async () => (await backend.waiting(owner.dispatch))?.reason;
    await expect.poll(reason, PATIENCE).toContain("refused by an injected fault");
    await clearFaults();
    await completes(owner, "ok\n");
  });

  it("adopts the sandbox whose reply was lost", async () => {
    await setFaults({ lose_create_replies: 1 });
    const before = (await fakeState()).create_requests;
    await completes(await begin(attempt({ command: "echo ok" })), "ok\n");
    expect((await fakeState()).create_requests).toBe(before + 1);
  });

  it("looks for the sandbox whose request failed without an answer", async () => {
    await setFaults({ fail_creates: { status: 500, times: 1 } });
    await completes(await begin(attempt({ command: "echo ok" })), "ok\n");
  });

  it("keeps to the sandboxes that may be had at once", async () => {
    const variables = { ...env, E2B_MAX_CONCURRENT: "2", E2B_MAX_CREATES_PER_SECOND: "50" };
    const { limits } = originalWiring.call(remoteWiring, variables, null);
    const owners = await Promise.all(
      Array.from({ length: 5 }, () => begin(attempt({ command: WAIT_AT_GATE }, { limits }))),
    );
    const there = async () => (await Promise.all(owners.map(sandboxesOf))).flat().length;
    const places = async () => {
      const waits = await Promise.all(owners.map(({ dispatch }) => backend.waiting(dispatch)));
      return waits.flatMap((waiting) => waiting?.position ?? []).sort();
    };
    await expect.poll(there, PATIENCE).toBe(2);
    await expect.poll(places, PATIENCE).toEqual([1, 2, 3]);
    let most = 0;
    await expect
      .poll(async () => {
        most = Math.max(most, await there());
        await Promise.all(owners.map(openGate));
        return owners.every(({ isOver }) => isOver);
      }, PATIENCE)
      .toBe(true);
    expect(most).toBe(2);
    await Promise.all(owners.map(expectNothingLeft));
    const { held } = await env.LIMITS.getByName("e2b").holders("e2b-sandboxes");
    expect(held).toEqual([]);
  });
});

describe("a sandbox", { timeout: 30_000 }, () => {
  it("that is lost makes the attempt lost", async () => {
    const spent = vi.fn();
    const bill = vi
      .fn<RemotePorts["bill"]>(async () => undefined)
      .mockRejectedValueOnce(new Error("D1 is away"));
    const owner = await begin(attempt({ command: "echo up; sleep 30" }, { spent, bill }));
    await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    await loseSandboxes(owner);
    await end(owner);
    expect(owner).toMatchObject({ isLost: true, outcome: null });
    expect(owner.usage?.sandbox_seconds).toBeGreaterThan(0);
    await expectNothingLeft(owner);
    expect(spent).toHaveBeenCalledOnce();
    // What was not taken is told again.
    const { dispatch, usage } = owner;
    const billed = { id: dispatchKey(dispatch), project_id: dispatch.project_id, ...usage };
    expect(bill.mock.calls).toEqual([[billed], [billed]]);
  });

  it("that answers slowly is waited for", async () => {
    await setFaults({ latency_ms: 250 });
    await completes(await begin(attempt({ command: "echo slow" })), "slow\n");
  });

  it("that is full fails the attempt and says so", async () => {
    await setFaults({ disk_full: true });
    const owner = await begin(attempt({ command: "true" }));
    await end(owner);
    expect(owner.outcome).toMatchObject({ status: "failed", code: "sandbox_disk_full" });
    await clearFaults();
    await expectNothingLeft(owner);
  });

  it("that cannot be reached for a while is returned to", async () => {
    const owner = await begin(attempt({ command: `echo up; ${WAIT_AT_GATE}; echo down` }));
    await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    await setFaults({ refuse_all: true });
    const failures = async () => (await stateOf(owner))?.lanes.link.failures;
    await expect.poll(failures, PATIENCE).toBeGreaterThan(2);
    await clearFaults();
    await openGate(owner);
    await completes(owner, "up\ndown\n");
  });
});

describe("an owner", { timeout: 30_000 }, () => {
  it("that is away is told everything later, and nothing twice", async () => {
    const owner = await begin(attempt({ command: `echo 1; ${WAIT_AT_GATE}; echo 2; echo 3` }));
    await expect.poll(() => owner.text(), PATIENCE).toBe("1\n");
    owner.isDown = true;
    await openGate(owner);
    const state = () => stateOf(owner);
    await expect.poll(async () => (await state())?.lanes.owner.failures).toBeGreaterThan(1);
    await expect.poll(async () => (await state())?.phase, PATIENCE).toBe("ending");
    owner.isDown = false;
    await completes(owner, "1\n2\n3\n");
  });

  it("whose answers are lost is told again", async () => {
    const owner = attempt({ command: "echo a; sleep 0.1; echo b" });
    let losses = 4;
    owner.onReport = () => {
      losses -= 1;
      if (losses >= 0) throw new Error("The answer is lost.");
    };
    await completes(await begin(owner), "a\nb\n");
    expect(losses).toBeLessThan(0);
  });

  it("that has a newer dispatch has the old one's sandbox killed", async () => {
    const owner = await begin(attempt({ command: "while true; do echo x; sleep 0.05; done" }));
    await expect.poll(() => owner.text(), PATIENCE).toContain("x\n");
    owner.fence();
    await expectNothingLeft(owner);
    expect(owner.isOver).toBe(false);
  });

  it("that does not want the dispatch has no sandbox made", async () => {
    const owner = attempt({ command: "true" });
    owner.fence();
    const before = (await fakeState()).create_requests;
    expect(await backend.offer(owner.dispatch)).toEqual({ status: "taken" });
    expect((await backend.stop(owner.dispatch, "cancel")).status).toBe("unknown");
    expect(await backend.waiting(owner.dispatch)).toBeNull();
    expect((await fakeState()).create_requests).toBe(before);
    await expectNoStorage(owner);
  });

  it("that offers again is told that the attempt is alive", async () => {
    const owner = await begin(attempt({ command: WAIT_AT_GATE }));
    await expect.poll(() => owner.reports, PATIENCE).toContain("started");
    await begin(owner);
    await expect.poll(() => owner.reports, PATIENCE).toContain("alive");
    expect(owner.claims).toBe(1);
    await openGate(owner);
    await completes(owner, "");
  });
});

describe("a stop", { timeout: 30_000 }, () => {
  async function isStopped(owner: TestOwner): Promise<void> {
    expect((await backend.stop(owner.dispatch, "cancel")).status).toBe("stopping");
    await end(owner);
    expect(owner.outcome).toEqual({ status: "cancelled" });
    // Where code ran, that there is none is known before the end is told.
    if (owner.reports.includes("started")) expect(await sandboxesOf(owner)).toEqual([]);
    await expectNothingLeft(owner);
  }

  it("ends one that waits for a slot", async () => {
    const limits = { capacity: 1, acquire: async () => 1, release: vi.fn(), takeToken: vi.fn() };
    const owner = await begin(attempt({ command: "true" }, { limits }));
    await isStopped(owner);
    await expect.poll(() => limits.release.mock.calls.length, PATIENCE).toBeGreaterThan(0);
    expect(limits.takeToken).not.toHaveBeenCalled();
  });

  it("ends one whose sandbox is being filled", async () => {
    await setFaults({ latency_ms: 200 });
    const owner = await begin(attempt({ command: "echo ran; sleep 30" }));
    await expect.poll(async () => (await stateOf(owner))?.phase, PATIENCE).toBe("preparing");
    await isStopped(owner);
    expect(owner.reports).not.toContain("started");
  });

  it.each(["goes on", "is reset"])(
    "is confirmed while E2B creates a sandbox, which is killed when it comes, and the object %s",
    async (then) => {
      const spent = vi.fn();
      await setFaults({ hold_creates: true });
      const before = (await fakeState()).create_requests;
      const owner = await begin(attempt({ command: "echo ran" }, { spent }));
      const creates = async () => (await fakeState()).create_requests;
      await expect.poll(creates, PATIENCE).toBe(before + 1);
      expect((await backend.stop(owner.dispatch, "cancel")).status).toBe("stopping");
      await end(owner);
      expect(owner.outcome).toEqual({ status: "cancelled" });
      expect(owner.reports).not.toContain("started");
      if (then === "is reset") await abortAllDurableObjects();
      await clearFaults();
      await expect
        .poll(async () => {
          await backend.waiting(owner.dispatch);
          return stateOf(owner);
        }, PATIENCE)
        .toBeNull();
      await expectNothingLeft(owner);
      expect(spent).toHaveBeenCalledOnce();
    },
  );

  it("lets code end in its own way, and keeps what it says then", async () => {
    const owner = await begin(
      attempt({
        command: 'trap "echo bye; exit 0" TERM; echo up; while true; do sleep 0.05; done',
      }),
    );
    await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    await isStopped(owner);
    expect(owner.text("stdout")).toBe("up\nbye\n");
  });

  it("kills code that does not end", async () => {
    const owner = await begin(
      attempt({ command: 'trap "" TERM; echo up; while true; do sleep 1; done' }),
    );
    await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    await isStopped(owner);
  });

  it("kills the sandbox when its envd does not answer", async () => {
    const owner = await begin(attempt({ command: "echo up; sleep 30" }));
    await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    await setFaults({ drop_streams: { after_bytes: 0 } });
    await backend.stop(owner.dispatch, "cancel");
    await end(owner);
    expect(await sandboxesOf(owner)).toEqual([]);
    expect(owner.outcome).toEqual({ status: "cancelled" });
    await expectNothingLeft(owner);
  });

  it("comes at the deadline by itself, with the TTL behind it", async () => {
    const timeoutMs = 700;
    const owner = await begin(attempt({ command: "echo up; sleep 30" }, {}, timeoutMs));
    await expect.poll(() => sandboxesOf(owner), PATIENCE).toHaveLength(1);
    const [sandbox] = await sandboxesOf(owner);
    const since = (await stateOf(owner))?.sandbox_since ?? 0;
    // E2B counts in seconds.
    const ttlMs = Math.ceil((timeoutMs + TTL_MARGIN_MS) / 1_000) * 1_000;
    expect(Date.parse(sandbox?.ends_at ?? "")).toBeLessThanOrEqual(since + ttlMs);
    await end(owner);
    expect(owner.outcome).toMatchObject({ status: "failed", reason: "timeout", code: "timeout" });
    expect(owner.text()).toBe("up\n");
    await expectNothingLeft(owner);
  });
});

describe("sandboxes that are switched off", { timeout: 30_000 }, () => {
  it("lose what is under way, and leave nothing of it", async () => {
    const spent = vi.fn();
    const owner = await begin(attempt({ command: "echo up; sleep 30" }, { spent }));
    await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    register(owner, { service: null, unavailable: "Sandboxes are not enabled.", spent });
    await abortAllDurableObjects();
    await end(owner);
    expect(owner).toMatchObject({ isLost: true, outcome: null });
    await expect.poll(async () => await stateOf(owner), PATIENCE).toBeNull();
    await expectNoStorage(owner);
    expect(spent).toHaveBeenCalledOnce();
    for (const { id } of await sandboxesOf(owner)) await service.kill(id);
  });
});

describe("an object", { timeout: 60_000 }, () => {
  it("that is reset after each kind of commit runs the code once, and tells all of it once", async () => {
    const value = "s3cret-value";
    const owner = attempt(
      {
        command:
          'echo "begin $TOKEN"; sleep 0.1; echo kept > a.txt; printf "%s" "$TOKEN"; echo " end"',
        secrets: ["TOKEN"],
        artifacts: ["a.txt"],
      },
      { secrets: { resolve: async () => new Map([["TOKEN", value]]) } },
    );
    const seen = new Set<string>();
    let progress = 0;
    const { commit } = AttemptStore.prototype;
    vi.spyOn(AttemptStore.prototype, "commit").mockImplementation(function (
      this: AttemptStore,
      change,
    ) {
      commit.call(this, change);
      const { state } = change;
      if (change.progress) progress += 1;
      // Each kind of commit once: one that resets before each create would never get past it.
      const kind = JSON.stringify([
        Object.keys(change),
        state && [state.phase, state.create, state.slot, state.is_start_reported],
        state && [state.verdict, state.is_end_reported, state.is_killed],
        change.progress && progress,
      ]);
      if (seen.has(kind)) return;
      seen.add(kind);
      const context = contextOf(owner);
      // What is not on the disk yet would be lost with the object.
      void context?.storage.sync().then(() => context.abort("reset by the test"));
    });
    void begin(owner).catch(() => undefined);
    await end(owner);
    expect(owner.outcome).toMatchObject({ status: "completed", exit_code: 0 });
    expect(owner.text("stdout")).toBe("begin ***\n*** end\n");
    expect([...owner.artifacts.keys()]).toEqual(["a.txt"]);
    expect(owner.claims).toBeLessThanOrEqual(2);
    expect(seen.size).toBeGreaterThan(12);
    vi.restoreAllMocks();
    installFake();
    await expectNothingLeft(owner);
  });
});
