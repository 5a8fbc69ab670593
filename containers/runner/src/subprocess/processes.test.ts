/** What becomes of an attempt's processes and folders, and what they may touch. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { processIdentity } from "../../../../scripts/lib/processes.ts";
import type { Work } from "../../../../workers/executors/port.ts";
import { clearLeftovers, markPrefix } from "../leftovers.ts";
import { MARK, markedProcesses } from "../processes.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { attempts, removeState, sandbox, startWork, stateFolder } from "./test-support.ts";

afterAll(removeState);

const run = (command: string, work: Partial<Work> = {}) => startWork({ command, ...work }).ended;

describe("an attempt's processes", () => {
  it("end with it, also those that left their group", async () => {
    const { outcome, stdout } = await run(
      "sleep 300 & setsid sleep 301 & (setsid nohup sleep 302 > /dev/null 2>&1 &) ; echo started",
    );
    expect(outcome).toMatchObject({ status: "completed" });
    expect(stdout).toBe("started\n");
    expect(markedProcesses(markPrefix(stateFolder))).toEqual([]);
  });

  it("are asked to end, and given time for it", async () => {
    const running = startWork({
      command: "trap 'sleep 0.1; echo cleaned; exit 0' TERM; echo up; while :; do sleep 0.02; done",
    });
    await running.logged("up\n");
    running.abort("cancel");
    expect((await running.ended).stdout).toBe("up\ncleaned\n");
  });

  it("are killed when they do not end", async () => {
    const running = startWork({
      command: "trap '' TERM; setsid bash -c \"trap '' TERM; sleep 300\" & echo up; sleep 300",
    });
    await running.logged("up\n");
    const began = performance.now();
    running.abort("timeout");
    const { outcome } = await running.ended;
    expect(outcome).toMatchObject({ reason: "timeout" });
    expect(performance.now() - began).toBeLessThan(2_500);
    expect(markedProcesses(markPrefix(stateFolder))).toEqual([]);
  });

  it("report a signal as the shell does", async () => {
    expect((await run("kill -9 $$")).outcome).toMatchObject({ exit_code: 137 });
    expect((await run("kill -15 $$")).outcome).toMatchObject({ exit_code: 143 });
  });

  it("have limits", async () => {
    const limits = { ...DEFAULT_LIMITS, memoryMib: 64, fileMib: 1 };
    const command = 'head -c 2000000 /dev/zero > big; ls -l big | cut -d" " -f5; ulimit -c';
    const { stdout } = await startWork({ command }, { limits }).ended;
    expect(stdout).toBe("1048576\n0\n");
    const script = "x = bytearray(200_000_000)";
    const { outcome } = await startWork({ script, language: "python" }, { limits }).ended;
    expect(outcome).toMatchObject({ message: expect.stringContaining("MemoryError") });
  });

  it("leave no folder behind, whatever the permissions", async () => {
    await run("mkdir -p a/b; touch a/b/c; chmod 000 a/b a; chmod 500 .");
    expect(readdirSync(attempts)).toEqual([]);
  });

  it("run scripts longer than an argument may be", async () => {
    const { stdout } = await run(`: '${"x".repeat(200_000)}'\necho ran`);
    expect(stdout).toBe("ran\n");
  });
});

describe("files of an attempt", () => {
  it("are not followed outside by links", async () => {
    writeFileSync(join(stateFolder, "runner.json"), '{"key":"private"}');
    const { artifacts, outcome } = await run(
      `echo in > in.txt; ln -s in.txt inner; ln -s ${stateFolder}/runner.json outer; ln -s / root; ln -s nowhere dead; mkfifo pipe; rm "$PIPELZR_OUTPUT"; ln -s ${stateFolder}/runner.json "$PIPELZR_OUTPUT"`,
      { artifacts: ["**"] },
    );
    expect([...artifacts.keys()]).toEqual(["in.txt", "inner"]);
    expect(outcome).toEqual({ status: "completed", exit_code: 0, result: null });
  });

  it("that are both file and folder are refused", async () => {
    const file = { content: "", encoding: "utf8" } as const;
    const { outcome } = await run("true", {
      files: { kind: "inline", entries: { a: file, "a/b": file } },
    });
    expect(outcome).toMatchObject({ code: "file_path_invalid" });
  });
});

describe("an earlier life", () => {
  it("is cleared: what still runs is killed, unless its pid is another's by now", async () => {
    const folder = join(stateFolder, "earlier");
    mkdirSync(join(folder, "one"), { recursive: true });
    symlinkSync("/", join(folder, "one", "link"));
    const prefix = markPrefix(folder);
    const spawned = (env: object) =>
      spawn("sleep", ["300"], { detached: true, stdio: "ignore", env: { ...process.env, ...env } });
    const [group, marked, other] = [spawned({}), spawned({ [MARK]: `${prefix}.x` }), spawned({})];
    try {
      writeFileSync(join(folder, "one.pid"), processIdentity(group.pid ?? 0) ?? "");
      writeFileSync(join(folder, "two.pid"), `${other.pid}:1`);
      expect(await clearLeftovers(folder, prefix)).toBe(2);
      await expect
        .poll(() => [group.signalCode, marked.signalCode])
        .toEqual(["SIGKILL", "SIGKILL"]);
      expect(other.exitCode).toBeNull();
      expect(readdirSync(folder)).toEqual([]);
      expect(existsSync("/etc")).toBe(true);
    } finally {
      other.kill("SIGKILL");
    }
  });
});

describe.runIf(sandbox.kind === "bubblewrap")("a sandbox", () => {
  const inside = (command: string, work: Partial<Work> = {}) =>
    startWork({ command, ...work }, { isolation: sandbox }).ended;

  it("shows neither the runner's key nor other processes, and writes only its workspace", async () => {
    writeFileSync(join(stateFolder, "runner.json"), '{"key":"private"}');
    const { stdout } = await inside(
      `cat ${stateFolder}/runner.json || echo hidden; touch /usr/x || echo read-only; touch here && ls; test $(ls -d /proc/[0-9]* | wc -l) -lt 10 && echo alone`,
    );
    expect(stdout).toBe("hidden\nread-only\nhere\nalone\n");
  });

  it("has the network only when it is allowed", async () => {
    const interfaces = "grep -c : /proc/net/dev";
    const without = await inside(interfaces);
    expect(without.stdout).toBe("1\n");
  });

  it("runs scripts, and gives them time to end", async () => {
    const script = "export default () => process.pid";
    const { outcome } = await startWork({ script, language: "javascript" }, { isolation: sandbox })
      .ended;
    expect(outcome).toMatchObject({ status: "completed" });
    const running = startWork(
      { command: "trap 'echo cleaned; exit 0' TERM; echo up; while :; do sleep 0.02; done" },
      { isolation: sandbox },
    );
    await running.logged("up\n");
    running.abort("cancel");
    expect((await running.ended).stdout).toBe("up\ncleaned\n");
    expect(markedProcesses(markPrefix(stateFolder))).toEqual([]);
  });
});
