import { describe, expect, it } from "vitest";
import { startAttempt } from "../contract-support.ts";
import type { Work } from "../port.ts";
import { makeLocalExecutor, makeRecorder } from "./test-support.ts";

const start = (command: string, work: Partial<Work> = {}) =>
  startAttempt(makeLocalExecutor, { command, ...work }, {});

describe("a shell script in an isolate", () => {
  it.each([
    ["at the top", "while true; do :; done"],
    ["with assignments only", "for ((;;)); do x=1; done"],
    ["in a function", "f() { until false; do :; done; }; f"],
    ["in a pipeline", "while true; do :; done | cat"],
    ["in a subshell", "( while true; do x=1; done )"],
    ["in a substitution", "x=$(while true; do :; done)"],
    ["in a child shell", "bash -c 'while true; do :; done'"],
    ["in nested loops", "while true; do for i in 1 2 3; do x=$i; done; done"],
  ])("can be stopped in an endless loop %s", async (_, loop) => {
    const running = start(`echo up; ${loop}`);
    await running.logged("up\n");
    running.abort("cancel");
    expect((await running.ended).outcome).toEqual({ status: "cancelled" });
  });

  it("leaves the isolate to others while it loops", async () => {
    const looping = start("echo up; while true; do :; done");
    await looping.logged("up\n");
    expect((await start("echo beside").ended).stdout).toBe("beside\n");
    expect(looping.hasEnded()).toBe(false);
    looping.abort("cancel");
    expect((await looping.ended).outcome).toEqual({ status: "cancelled" });
  });

  it("is ended when it loops where it cannot be stopped", { timeout: 30_000 }, async () => {
    const { outcome } = await start("eval 'while true; do :; done'").ended;
    expect(outcome).toMatchObject({ status: "failed", reason: "exit", code: "loop_without_pause" });
  });

  it.each([
    ["awk", "awk 'BEGIN { while (1) i++ }'"],
    ["sed", "echo a | sed ':a;ba'"],
    ["recursion", "f() { f; }; f"],
    ["a growing string", "x=a; while true; do x=$x$x; done"],
  ])("is ended by a limit inside one command: %s", { timeout: 30_000 }, async (_, command) => {
    const { outcome, stderr } = await start(command).ended;
    expect(outcome).toMatchObject({ status: "failed", exit_code: 126 });
    expect(stderr).toMatch(/exceeded/);
  });

  it.each([
    ["f() { f; }; f", /recursion depth \(500\) exceeded, a limit of local tasks/],
    ["python3 -c 1", /python3: command not found; it is not available to local tasks/],
    ["sqlite3 :memory: 1", /sqlite3: command not found; it is not available to local tasks/],
    ["tar cJf a.tar.xz /tmp", /compression is not available to local tasks; use gzip/],
    ["tar c --zstd -f a.tar.zst /tmp", /compression is not available to local tasks; use gzip/],
  ])("speaks to who wrote the task: %s", async (command, message) => {
    const { outcome, stderr } = await start(command).ended;
    expect(outcome).toMatchObject({ status: "failed", message: expect.stringMatching(message) });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/executionLimits|browser|Node\.js|pnpm|intermediate value/);
  });

  it("has no network commands without network.allow", async () => {
    const { outcome, stderr } = await start("curl http://recorder.test/").ended;
    expect(outcome).toMatchObject({ exit_code: 127 });
    expect(stderr).toContain("curl: command not found");
  });

  it("reaches the network through the egress", async () => {
    const recorder = await makeRecorder();
    const { stdout } = await start(`curl -s -X POST -d x ${recorder.url}`, {
      network: { allow: recorder.allow },
    }).ended;
    expect(stdout).toBe("recorded");
    expect(await recorder.count()).toBe(1);
  });

  it("has the usual tools", async () => {
    const { stdout } = await start(
      [
        `echo '{"a": [1, 2]}' | jq -c .a`,
        "printf 'a: 1\\n' | yq .a",
        "seq 3 | awk '{ s += $1 } END { print s }'",
        "echo text | gzip | gunzip",
        "printf 'b\\na\\n' | sort | paste -sd, -",
        "printf abc | sha256sum | cut -c1-8",
        "mkdir d; echo x > d/f; tar cf d.tar d; tar tf d.tar | tail -1",
      ].join("\n"),
    ).ended;
    expect(stdout).toBe("[1,2]\n1\n6\ntext\na,b\nba7816bf\nd/f\n");
  });
});
