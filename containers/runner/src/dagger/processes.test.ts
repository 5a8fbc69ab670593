/** The processes of an attempt: they end with it, whoever ends first, and tell no secrets. */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, it, vi } from "vitest";
import { signal } from "../../../../scripts/lib/processes.ts";
import { countProcesses, sleeper } from "../../../fakes/dagger/testing.ts";
import { clearLeftovers, markPrefix } from "../leftovers.ts";
import { markedProcesses } from "../processes.ts";
import { attempts, removeState, startWork, stateFolder } from "./test-support.ts";

afterAll(removeState);

const marked = () => markedProcesses(markPrefix(stateFolder));

function readProcess(pid: number, what: string): string {
  return readFileSync(`/proc/${pid}/${what}`, "utf8").replaceAll("\0", " ");
}

const driverOf = (pids: readonly number[]) =>
  pids.find((pid) => readProcess(pid, "cmdline").includes("child.ts"));

describe("a stop", () => {
  it.each(["cancel", "timeout"] as const)("by %s ends everything within 2 s", async (reason) => {
    const { line, mark } = sleeper();
    const running = startWork({ command: `trap '' TERM INT HUP; ${line}` });
    await running.logged("ready\n");
    expect(countProcesses(mark)).toBeGreaterThan(0);
    const began = performance.now();
    running.abort(reason);
    const { outcome } = await running.ended;
    const took = performance.now() - began;
    expect(outcome).toMatchObject(
      reason === "cancel" ? { status: "cancelled" } : { reason: "timeout", code: "timeout" },
    );
    expect(took).toBeLessThan(2_000);
    expect(marked()).toEqual([]);
    await vi.waitUntil(() => countProcesses(mark) === 0, { timeout: 5_000 });
    expect(readdirSync(attempts)).toEqual([]);
  });

  it("kills a CLI that does not end", async () => {
    const { line, mark } = sleeper();
    const running = startWork({ command: line });
    await running.logged("ready\n");
    for (const pid of marked()) signal(pid, "SIGSTOP");
    running.abort("cancel");
    expect((await running.ended).outcome).toEqual({ status: "cancelled" });
    expect(marked()).toEqual([]);
    await vi.waitUntil(() => countProcesses(mark) === 0, { timeout: 5_000 });
  });
});

describe("a crash", () => {
  it.each([
    ["the driver", /child\.ts/, "driver_lost"],
    ["the CLI", /main\.ts session/, "engine_lost"],
  ])("of %s loses the attempt, and leaves nothing", async (_, command, code) => {
    const { line, mark } = sleeper();
    const running = startWork({ command: line });
    await running.logged("ready\n");
    const victim = marked().find((pid) => command.test(readProcess(pid, "cmdline")));
    if (victim === undefined) throw new Error("the process is not there");
    signal(victim, "SIGKILL");
    expect((await running.ended).outcome).toMatchObject({
      ...{ status: "failed", reason: "lost", code },
      message: expect.stringContaining("Retry the task"),
    });
    expect(marked()).toEqual([]);
    await vi.waitUntil(() => countProcesses(mark) === 0, { timeout: 5_000 });
  });

  it("of the runner is cleared when it starts again", async () => {
    const { line, mark } = sleeper();
    const running = startWork({ command: line });
    await running.logged("ready\n");
    expect(await clearLeftovers(attempts, markPrefix(stateFolder), console.warn)).toBeGreaterThan(
      0,
    );
    await vi.waitUntil(() => countProcesses(mark) + marked().length === 0, { timeout: 5_000 });
    expect((await running.ended).outcome).toMatchObject({ reason: "lost" });
    expect(readdirSync(attempts)).toEqual([]);
  });
});

describe("a secret", () => {
  const value = "s3cr3t-of-the-task";
  const deps = { secrets: { resolve: async () => new Map([["TOKEN", value]]) } };

  it("stands in no argument, environment or file of the runner's machine", async () => {
    const running = startWork(
      {
        command: 'echo "ready $TOKEN"; sleep 1000',
        secrets: ["TOKEN"],
        environment: { OTHER: "${{ secrets.TOKEN }}" },
      },
      { deps },
    );
    await running.logged("ready ***\n");
    const pids = marked();
    expect(driverOf(pids)).toBeDefined();
    for (const pid of pids) {
      for (const what of ["cmdline", "environ"])
        expect(readProcess(pid, what)).not.toContain(value);
    }
    for (const name of readdirSync(attempts, { recursive: true, withFileTypes: true })) {
      if (!name.isFile()) continue;
      expect(readFileSync(`${name.parentPath}/${name.name}`, "utf8")).not.toContain(value);
    }
    running.abort("cancel");
    const { log } = await running.ended;
    expect(JSON.stringify(log)).not.toContain(value);
  });

  it("is the attempt's own, whatever another has under the same name", async () => {
    const other = {
      secrets: { resolve: async () => new Map([["TOKEN", "a-longer-secret-value"]]) },
    };
    const work = { command: "echo ${#TOKEN}", secrets: ["TOKEN"] };
    const first = await startWork(work, { deps }).ended;
    const second = await startWork(work, { deps: other }).ended;
    expect([first.stdout, second.stdout]).toEqual([`${value.length}\n`, "21\n"]);
  });
});
