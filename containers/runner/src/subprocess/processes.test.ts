/** What becomes of an attempt's processes and folders, and what they may touch. */
import { execFileSync, spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { processIdentity } from "../../../../scripts/lib/processes.ts";
import type { Work } from "../../../../workers/executors/port.ts";
import { clearLeftovers, markPrefix } from "../leftovers.ts";
import { MARK, markedProcesses } from "../processes.ts";
import { removeTree } from "../remove-tree.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { attempts, removeState, sandbox, startWork, stateFolder } from "./test-support.ts";

afterAll(removeState);

vi.mock(import("../remove-tree.ts"), { spy: true });

/** The longest path that the kernel takes is 4096 bytes. */
const DEEP = 'for i in {1..40}; do mkdir $(printf "%0200d" 0); cd -P $(printf "%0200d" 0); done';

function makeDeep(folder: string): void {
  mkdirSync(folder);
  execFileSync("bash", ["-c", DEEP], { cwd: folder });
}

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

  it("end with it, also those without its environment", async () => {
    const { stdout } = await run("setsid env -i sleep 4711 & echo $! > pid; cat pid", {
      artifacts: ["pid"],
    });
    expect(processIdentity(Number(stdout))).toBeNull();
  });

  it("end with it, also those that let go of all that marks them", async () => {
    // Found as children of the task's while that runs, and remembered when it has ended.
    const running = startWork({
      command:
        "trap '' TERM; env -i setsid bash -c 'ulimit -x 1; echo $$; exec sleep 4712' & sleep 4713",
    });
    await running.logged("\n");
    running.abort("cancel");
    const { stdout, outcome } = await running.ended;
    expect(outcome).toEqual({ status: "cancelled" });
    expect(processIdentity(Number(stdout))).toBeNull();
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

  it("leave no folder behind, however deep", async () => {
    const { outcome } = await run(DEEP);
    expect(outcome).toMatchObject({ status: "completed" });
    expect(readdirSync(attempts)).toEqual([]);
    const searched = await run(DEEP, { artifacts: ["*.txt"] });
    expect(searched.outcome).toMatchObject({
      code: "artifacts_not_searched",
      message: expect.stringContaining("Make fewer folders"),
    });
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

  it("that are named are not run with a zero byte", async () => {
    expect((await run("echo a\0b")).outcome).toMatchObject({ code: "command_invalid" });
    expect((await run("true", { environment: { A: "\0" } })).outcome).toMatchObject({
      code: "environment_invalid",
      message: expect.stringContaining("base64"),
    });
  });

  it.each([
    ["the workspace, by a link", "mv ../workspace ../old; ln -s $STATE ../workspace"],
    ["the workspace, by a folder", "mv ../workspace ../old; mkdir ../workspace"],
    ["the working directory, by a link", "cd ..; rmdir w; ln -s $STATE w", "w"],
    ["the control folder, by a link", "mv ../control ../old; ln -s $STATE ../control"],
    ["the attempt's folder, by a link", "cd ..; f=$PWD; cd /; mv $f $f.moved; ln -s $STATE $f"],
  ])("are not taken when the code replaced %s", async (_, command, directory?: string) => {
    writeFileSync(join(stateFolder, "runner.json"), '{"key":"private"}');
    writeFileSync(join(stateFolder, "output"), "key=private");
    const { artifacts, outcome } = await run(command, {
      artifacts: ["**"],
      environment: { STATE: stateFolder },
      working_directory: directory ?? null,
    });
    expect([...artifacts.keys()]).toEqual([]);
    expect(outcome).toMatchObject({ status: "failed", code: "workspace_replaced" });
    expect(JSON.stringify(outcome)).not.toContain("private");
    for (const name of readdirSync(attempts)) await removeTree(join(attempts, name));
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
    const elsewhere = join(stateFolder, "elsewhere");
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, "kept"), "");
    symlinkSync(elsewhere, join(folder, "one", "link"));
    const prefix = markPrefix(folder);
    const spawned = (env: object) =>
      spawn("sleep", ["300"], { detached: true, stdio: "ignore", env: { ...process.env, ...env } });
    const [group, marked, other] = [spawned({}), spawned({ [MARK]: `${prefix}.x` }), spawned({})];
    try {
      writeFileSync(join(folder, "one.pid"), processIdentity(group.pid ?? 0) ?? "");
      writeFileSync(join(folder, "two.pid"), `${other.pid}:1`);
      expect(await clearLeftovers(folder, prefix, console.warn)).toBe(2);
      await expect
        .poll(() => [group.signalCode, marked.signalCode])
        .toEqual(["SIGKILL", "SIGKILL"]);
      // What a signal ends has no exit code either.
      expect([other.exitCode, other.signalCode]).toEqual([null, null]);
      expect(processIdentity(other.pid ?? 0)).not.toBeNull();
      expect(readdirSync(folder)).toEqual([]);
      expect(readdirSync(elsewhere)).toEqual(["kept"]);
    } finally {
      other.kill("SIGKILL");
    }
  });

  it("whose folders are deeper than a path can be long is cleared", async () => {
    const folder = join(stateFolder, "deep");
    mkdirSync(folder);
    makeDeep(join(folder, "one"));
    const warn = vi.fn();
    expect(await clearLeftovers(folder, "none", warn)).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
    expect(warn).not.toHaveBeenCalled();
  });

  it("that cannot be removed is told, and what follows is removed", async () => {
    const folder = join(stateFolder, "stubborn");
    mkdirSync(join(folder, "one"), { recursive: true });
    writeFileSync(join(folder, "two"), "");
    vi.mocked(removeTree).mockRejectedValueOnce(new Error("the disk is read-only"));
    const warn = vi.fn();
    await clearLeftovers(folder, "none", warn);
    expect(warn).toHaveBeenCalledExactlyOnceWith(
      expect.stringMatching(/one, which .*the disk is read-only\. Remove it by hand/),
    );
    expect(readdirSync(folder)).toEqual(["one"]);
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

  it("lets no variable of the task reach what starts it", async () => {
    writeFileSync(join(stateFolder, "runner.json"), '{"key":"private"}');
    const content = `echo sourced >&2; ls ${stateFolder}/runner.json >&2 && echo escaped >&2`;
    const { stdout, stderr, outcome } = await inside('echo "in with $WORD"', {
      files: { kind: "inline", entries: { "e.sh": { content, encoding: "utf8" } } },
      environment: { BASH_ENV: "./e.sh", SHELLOPTS: "xtrace", LD_PRELOAD: "./x.so", WORD: "a b" },
    });
    expect(outcome).toMatchObject({ status: "completed" });
    expect(stdout).toBe("in with a b\n");
    // Inside they are as on any machine; outside the same would have found the key.
    expect(stderr).toContain("sourced");
    expect(stderr).not.toContain("escaped");
    expect(stderr).not.toContain("ulimit");
  });

  it("has the network only when it is allowed", async () => {
    const interfaces = "grep -c : /proc/net/dev";
    const without = await inside(interfaces);
    expect(without.stdout).toBe("1\n");
    const outside = readFileSync("/proc/net/dev", "utf8").match(/:/g)?.length;
    const allowed = await inside(interfaces, { network: { allow: ["example.com"] } });
    expect(allowed.stdout).toBe(`${outside}\n`);
  });

  it("lets nothing be put in the place of its folders", async () => {
    const { stdout, artifacts, outcome } = await inside(
      'for each in workspace control home; do mv ../$each ../old || rmdir ../$each || echo kept; done 2>/dev/null; echo in > "$HOME/f"; cp "$HOME/f" f; echo a=1 > "$PIPELZR_OUTPUT"',
      { artifacts: ["**"] },
    );
    expect(stdout).toBe("kept\nkept\nkept\n");
    expect([...artifacts.keys()]).toEqual(["f"]);
    expect(outcome).toMatchObject({ status: "completed", result: { a: "1" } });
  });

  it("ends what has neither environment nor limits of the task", async () => {
    const { stdout } = await inside(
      "env -i setsid bash -c 'ulimit -x 1; exec sleep 4714' & until grep -q 4714 /proc/$!/cmdline; do :; done; echo up",
    );
    expect(stdout).toBe("up\n");
    expect(execFileSync("ps", ["-A", "-o", "args="], { encoding: "utf8" })).not.toContain("4714");
  });

  it("does not show the socket of an engine", async () => {
    const place = mkdtempSync("/var/tmp/pipelzr-engine-");
    const socket = join(place, "engine.sock");
    const server = createServer();
    try {
      const backend = { isolation: sandbox, engines: [`unix://${socket}`] };
      await new Promise<void>((resolve) => server.listen(socket, resolve));
      const { stdout } = await startWork(
        { command: `ls ${dirname(socket)}; test -S ${socket} || echo hidden` },
        backend,
      ).ended;
      expect(stdout).toBe("hidden\n");
    } finally {
      server.close();
      rmSync(place, { recursive: true, force: true });
    }
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
