/** What goes wrong around an attempt, and what is left of it in the end. */
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { remoteWiring } from "../../remote-attempt.ts";
import { offerUntilTaken, type TestOwner } from "../backend-executor.ts";
import { AttemptStore } from "./store.ts";
import {
  attempt,
  backend,
  clearFaults,
  expectNothingLeft,
  fakeState,
  installFake,
  latest,
  loseSandboxes,
  sandboxesOf,
  setFaults,
} from "./test-support.ts";

const PATIENCE = { timeout: 20_000, interval: 20 };
/** From a stop until it is confirmed that nothing of the code is left. */
const STOP_LIMIT_MS = 2_000;

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
      Array.from({ length: 5 }, () => begin(attempt({ command: "sleep 0.2" }, { limits }))),
    );
    let most = 0;
    let places = 0;
    await expect
      .poll(async () => {
        const all = await Promise.all(owners.map(sandboxesOf));
        most = Math.max(most, all.flat().length);
        const waits = await Promise.all(owners.map(({ dispatch }) => backend.waiting(dispatch)));
        places = Math.max(places, ...waits.map((waiting) => waiting?.position ?? 0));
        return owners.every(({ isOver }) => isOver);
      }, PATIENCE)
      .toBe(true);
    expect(most).toBe(2);
    expect(places).toBeGreaterThan(0);
    await Promise.all(owners.map(expectNothingLeft));
    const { held } = await env.LIMITS.getByName("e2b").holders("e2b-sandboxes");
    expect(held).toEqual([]);
  });
});

describe("a sandbox", { timeout: 30_000 }, () => {
  it("that is lost makes the attempt lost", async () => {
    const owner = await begin(attempt({ command: "echo up; sleep 30" }));
    await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    await loseSandboxes(owner);
    await end(owner);
    expect(owner).toMatchObject({ isLost: true, outcome: null });
    await expectNothingLeft(owner);
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
    const owner = await begin(attempt({ command: "echo up; sleep 0.5; echo down" }));
    await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    await setFaults({ refuse_all: true, drop_streams: { after_ms: 0 } });
    await scheduler.wait(300);
    await clearFaults();
    await completes(owner, "up\ndown\n");
  });
});

describe("an owner", { timeout: 30_000 }, () => {
  it("that is away is told everything later, and nothing twice", async () => {
    const owner = await begin(
      attempt({ command: "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done" }),
    );
    await expect.poll(() => owner.text(), PATIENCE).toContain("1\n");
    owner.isDown = true;
    await scheduler.wait(600);
    owner.isDown = false;
    await completes(owner, "1\n2\n3\n4\n5\n");
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
    expect((await fakeState()).create_requests).toBe(before);
  });

  it("that offers again is told that the attempt is alive", async () => {
    const owner = await begin(attempt({ command: "sleep 0.5" }));
    await expect.poll(() => owner.reports, PATIENCE).toContain("started");
    await begin(owner);
    await expect.poll(() => owner.reports, PATIENCE).toContain("alive");
    expect(owner.claims).toBe(1);
    await completes(owner, "");
  });
});

describe("a stop", { timeout: 30_000 }, () => {
  async function stopIsQuick(owner: TestOwner): Promise<void> {
    const asked = Date.now();
    expect((await backend.stop(owner.dispatch, "cancel")).status).toBe("stopping");
    await end(owner);
    expect(Date.now() - asked).toBeLessThan(STOP_LIMIT_MS);
    expect(owner.outcome).toEqual({ status: "cancelled" });
    // Where code ran, that there is none is known before the end is told.
    if (owner.reports.includes("started")) expect(await sandboxesOf(owner)).toEqual([]);
    await expectNothingLeft(owner);
  }

  it("ends one that waits for a slot", async () => {
    const limits = { capacity: 1, acquire: async () => 1, release: vi.fn(), takeToken: vi.fn() };
    const owner = await begin(attempt({ command: "true" }, { limits }));
    await stopIsQuick(owner);
    await expect.poll(() => limits.release.mock.calls.length, PATIENCE).toBeGreaterThan(0);
    expect(limits.takeToken).not.toHaveBeenCalled();
  });

  it("ends one whose sandbox is being created, or filled", async () => {
    for (const waitMs of [0, 100, 250, 400]) {
      await setFaults({ latency_ms: 200 });
      const owner = await begin(attempt({ command: "echo ran; sleep 30" }));
      await scheduler.wait(waitMs);
      await stopIsQuick(owner);
      await clearFaults();
    }
  });

  it("lets code end in its own way, and keeps what it says then", async () => {
    const owner = await begin(
      attempt({
        command: 'trap "echo bye; exit 0" TERM; echo up; while true; do sleep 0.05; done',
      }),
    );
    await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    await stopIsQuick(owner);
    expect(owner.text("stdout")).toBe("up\nbye\n");
  });

  it("kills code that does not end", async () => {
    const owner = await begin(
      attempt({ command: 'trap "" TERM; echo up; while true; do sleep 1; done' }),
    );
    await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    await stopIsQuick(owner);
  });

  it("kills the sandbox when its envd does not answer", async () => {
    const owner = await begin(attempt({ command: "echo up; sleep 30" }));
    await expect.poll(() => owner.text(), PATIENCE).toBe("up\n");
    await setFaults({ drop_streams: { after_bytes: 0 } });
    const asked = Date.now();
    await backend.stop(owner.dispatch, "cancel");
    await end(owner);
    expect(await sandboxesOf(owner)).toEqual([]);
    expect(Date.now() - asked).toBeLessThan(2 * STOP_LIMIT_MS);
    expect(owner.outcome).toEqual({ status: "cancelled" });
    await expectNothingLeft(owner);
  });

  it("comes at the deadline by itself, with the TTL behind it", async () => {
    const owner = await begin(attempt({ command: "echo up; sleep 30" }, {}, 700));
    await expect.poll(() => sandboxesOf(owner), PATIENCE).toHaveLength(1);
    const [sandbox] = await sandboxesOf(owner);
    expect(Date.parse(sandbox?.ends_at ?? "") - Date.now()).toBeLessThan(125_000);
    await end(owner);
    expect(owner.outcome).toMatchObject({ status: "failed", reason: "timeout", code: "timeout" });
    expect(owner.text()).toBe("up\n");
    await expectNothingLeft(owner);
  });
});

describe("an object", { timeout: 60_000 }, () => {
  it("that is reset after each kind of commit runs the code once, and tells all of it once", async () => {
    const value = "s3cret-value";
    const owner = attempt(
      {
        command:
          'echo "begin $TOKEN"; sleep 0.3; echo kept > a.txt; printf "%s" "$TOKEN"; echo " end"',
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
      const { context } = latest;
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
