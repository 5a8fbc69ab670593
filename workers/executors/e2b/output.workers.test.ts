/** Output on its way from a sandbox to the owner. */
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { offerUntilTaken, type TestOwner } from "../backend-executor.ts";
import { dispatchKey } from "../detached.ts";
import {
  attempt,
  backend,
  clearFaults,
  expectNothingLeft,
  installFake,
  openGate,
  setFaults,
  WAIT_AT_GATE,
} from "./test-support.ts";

const PATIENCE = { timeout: 25_000, interval: 20 };

beforeEach(installFake);
afterEach(async () => {
  vi.restoreAllMocks();
  await clearFaults();
});

async function run(owner: TestOwner): Promise<void> {
  await offerUntilTaken(backend, owner.dispatch);
  await expect.poll(() => owner.isOver, PATIENCE).toBe(true);
}

const lines = (count: number) =>
  Array.from({ length: count }, (_, index) => `line ${index + 1} grün 🙂\n`).join("");
const print = (count: number) => `seq ${count} | sed 's/.*/line & grün 🙂/'`;

describe("output", { timeout: 40_000 }, () => {
  it("of 100,000 lines arrives whole although streams break in the middle", async () => {
    await setFaults({ drop_streams: { after_bytes: 700_001, times: 3 } });
    const owner = attempt({ command: print(100_000) });
    await run(owner);
    expect(owner.outcome).toMatchObject({ status: "completed" });
    expect(owner.text() === lines(100_000)).toBe(true);
    await expectNothingLeft(owner);
  });

  it("arrives whole although every stream breaks after a little", async () => {
    await setFaults({ drop_streams: { after_bytes: 50_001, times: 4 } });
    const owner = attempt({ command: `${print(3_000)}; ${print(3_000)} >&2` });
    await run(owner);
    expect(owner.text("stdout")).toBe(lines(3_000));
    expect(owner.text("stderr")).toBe(lines(3_000));
  });

  it("goes on after a reset in the middle of characters and secrets", async () => {
    const value = "grün-secret-🙂";
    const secrets = { resolve: async () => new Map([["TOKEN", value]]) };
    const owner = attempt(
      {
        command: [
          `printf "a%s" "$(printf %s "$TOKEN" | head -c 3)"; ${WAIT_AT_GATE}`,
          'printf %s "$TOKEN" | tail -c +4 | head -c 9',
          'printf %s "$TOKEN" | tail -c +13; echo b',
        ].join("\n"),
        secrets: ["TOKEN"],
      },
      { secrets },
    );
    await offerUntilTaken(backend, owner.dispatch);
    await expect.poll(() => owner.text(), PATIENCE).toBe("a");
    await abortAllDurableObjects();
    await openGate(owner);
    await expect
      .poll(async () => {
        await backend.waiting(owner.dispatch).catch(() => null);
        return owner.isOver;
      }, PATIENCE)
      .toBe(true);
    expect(owner.text()).toBe("a***b\n");
  });

  it("leaves no secret in the object's storage", async () => {
    const value = "top-secret-value";
    const secrets = { resolve: async () => new Map([["TOKEN", value]]) };
    const owner = attempt(
      { command: `echo "$TOKEN"; ${WAIT_AT_GATE}`, secrets: ["TOKEN"] },
      { secrets },
    );
    await offerUntilTaken(backend, owner.dispatch);
    await expect.poll(() => owner.text(), PATIENCE).toBe("***\n");
    const object = env.REMOTE_ATTEMPT.getByName(dispatchKey(owner.dispatch));
    const stored = await runInDurableObject(object, (_, { storage }) =>
      ["documents", "parts", "entries", "artifacts"].map((table) =>
        JSON.stringify(storage.sql.exec(`SELECT * FROM ${table}`).toArray()),
      ),
    );
    expect(stored.join("\n")).toContain("TOKEN");
    expect(stored.join("\n")).not.toContain(value);
    await backend.stop(owner.dispatch, "cancel");
    await expectNothingLeft(owner);
  });

  it("reaches the owner as it is written, while the code goes on", async () => {
    const owner = attempt({ command: `echo first; ${WAIT_AT_GATE}; echo last` });
    await offerUntilTaken(backend, owner.dispatch);
    await expect.poll(() => owner.text(), PATIENCE).toBe("first\n");
    expect(owner.isOver).toBe(false);
    await openGate(owner);
    await expect.poll(() => owner.isOver, PATIENCE).toBe(true);
    expect(owner.text()).toBe("first\nlast\n");
  });

  it("tells an exit by a signal as 128 and its number", async () => {
    const owner = attempt({ command: "echo gone >&2; kill -9 $$" });
    await run(owner);
    expect(owner.outcome).toMatchObject({
      status: "failed",
      code: "exit_nonzero",
      exit_code: 137,
      message: expect.stringContaining("gone"),
    });
  });

  it("may be sent to /dev/stdout and /dev/stderr by name", async () => {
    const owner = attempt({
      command: "echo a; echo b > /dev/stdout; echo c > /dev/stderr; echo d",
    });
    await run(owner);
    expect(owner.text("stdout")).toBe("a\nb\nd\n");
    expect(owner.text("stderr")).toBe("c\n");
  });

  it("of what the code leaves running is not waited for", async () => {
    const owner = attempt({ command: "(sleep 30; echo late) & echo done" });
    await run(owner);
    expect(owner.outcome).toMatchObject({ status: "completed" });
    expect(owner.text()).toBe("done\n");
    await expectNothingLeft(owner);
  });
});
