import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LockedError } from "../lib/lock.ts";
import { processIdentity, signal } from "../lib/processes.ts";
import { Supervisor } from "../lib/supervisor.ts";
import { createFixture, type Fixture } from "./fixture.ts";

let fixture: Fixture;
let service: Supervisor;

beforeEach(async () => {
  fixture = await createFixture();
  service = new Supervisor(fixture.options);
});

afterEach(async () => {
  await service.stop();
  await fixture.remove();
});

const ask = async (path: string) => (await fetch(new URL(path, service.url))).text();
const isAlive = (pid: number) => processIdentity(pid) !== null;

function running(): { host: number; runtime: number } {
  const { host, runtime } = service.processes;
  if (host === null || runtime === null) throw new Error("The service has no processes.");
  return { host, runtime };
}

test("it serves with migrations applied and variables set, and stops without a trace", async () => {
  await service.start();
  expect(JSON.parse(await ask("/rows"))).toEqual([{ name: "a" }]);
  expect(await ask("/variable")).toBe("hello local");
  const { host, runtime } = running();
  expect(existsSync(fixture.options.temporary)).toBe(true);
  await service.stop();
  expect([host, runtime].filter(isAlive)).toEqual([]);
  expect(existsSync(fixture.options.temporary)).toBe(false);

  // A second start finds the state, and applies no migration twice.
  service = new Supervisor(fixture.options);
  await service.start();
  expect(JSON.parse(await ask("/rows"))).toEqual([{ name: "a" }]);
});

test.each(["runtime", "host"] as const)(
  "kill -9 of the %s: it answers again, state intact",
  async (victim) => {
    await service.start();
    await ask("/set?value=kept");
    const before = running();
    const recovered = once(service, "recovered");
    signal(before[victim], "SIGKILL");
    expect((await recovered)[0]).toBe("died");
    expect(await ask("/get")).toBe("kept");
    expect(running().runtime).not.toBe(before.runtime);
    await vi.waitFor(() => expect(isAlive(before.runtime)).toBe(false));
  },
);

test("a runtime that answers nothing any more is killed and comes back", async () => {
  await service.start();
  await ask("/set?value=kept");
  const before = running();
  const recovered = once(service, "recovered");
  const hung = ask("/hang").catch((error: unknown) => error);
  expect((await recovered)[0]).toBe("hung");
  expect(await hung).toBeInstanceOf(Error);
  expect(await ask("/get")).toBe("kept");
  expect(running().host).toBe(before.host);
});

test("it survives being killed again and again", async () => {
  await service.start();
  for (let round = 0; round < 4; round += 1) {
    await ask(`/set?value=${round}`);
    const recovered = once(service, "recovered");
    signal(running().runtime, "SIGKILL");
    await recovered;
    expect(await ask("/get")).toBe(String(round));
  }
});

test("an alarm that was set before the runtime died fires after it", async () => {
  await service.start();
  await ask("/arm?ms=1500");
  const recovered = once(service, "recovered");
  signal(running().runtime, "SIGKILL");
  await recovered;
  await expect.poll(() => ask("/get"), { timeout: 10_000 }).toBe("alarm");
});

test("cron handlers can be fired, before and after a restart", async () => {
  await service.start();
  expect(await service.fireCron("* * * * *")).toBe("ok");
  expect(await ask("/get")).toBe("cron * * * * *");
  const recovered = once(service, "recovered");
  signal(running().runtime, "SIGKILL");
  await recovered;
  expect(await service.fireCron("0 3 * * *")).toBe("ok");
  expect(await ask("/get")).toBe("cron 0 3 * * *");
});

test("a second service on the same state is refused with the address of the first", async () => {
  await service.start();
  const second = new Supervisor({ ...fixture.options, port: fixture.options.port + 1 });
  await expect(second.start()).rejects.toThrow(LockedError);
  await expect(second.start()).rejects.toThrow(service.url);
  expect(await ask("/")).toBe("ok");
});

test("a taken port is said to be taken", async () => {
  await service.start();
  const other = await createFixture();
  const second = new Supervisor({ ...other.options, port: fixture.options.port });
  await expect(second.start()).rejects.toThrow(`Port ${fixture.options.port}`);
  await other.remove();
});

/** Runs a supervisor in a process of its own, to be killed. */
async function startElsewhere(): Promise<{ supervisor: number; host: number; runtime: number }> {
  const child = fork(new URL("./supervise.ts", import.meta.url), [], { stdio: "inherit" });
  child.send({ ...fixture.options, onOutput: undefined });
  const ended = once(child, "exit").then(() => [null]);
  const [processes] = await Promise.race([once(child, "message"), ended]);
  if (!child.pid || processes === null) throw new Error("The supervisor did not start.");
  return { supervisor: child.pid, ...processes };
}

test("when the supervisor is killed, host and runtime end by themselves", async () => {
  const { supervisor, host, runtime } = await startElsewhere();
  signal(supervisor, "SIGKILL");
  await vi.waitFor(() => expect([host, runtime].filter(isAlive)).toEqual([]), { timeout: 10_000 });
});

test("a lock whose owner died is taken over, and the runtime it left behind is ended", async () => {
  const { supervisor, host, runtime } = await startElsewhere();
  // Stopped, the host cannot clean up after its supervisor.
  signal(host, "SIGSTOP");
  signal(supervisor, "SIGKILL");
  await vi.waitFor(() => expect(isAlive(supervisor)).toBe(false));
  expect(isAlive(runtime)).toBe(true);

  await service.start();
  expect(await ask("/")).toBe("ok");
  await vi.waitFor(() => expect([host, runtime].filter(isAlive)).toEqual([]));
});
