/** What is executed anew and what is cached, and what is left of a container whose code was killed. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Work } from "../../../../workers/executors/port.ts";
import { attempts, engineState, removeState, startWork } from "./test-support.ts";

afterAll(removeState);

const executed = () => readdirSync(join(engineState, "execs")).length;

describe("the same task", () => {
  it("is executed again, on a setup that is not", async () => {
    const setup = ["date +%N > /etc/made"];
    const work = { command: "cat /etc/made; date +%N" };
    const first = await startWork(work, { options: { setup } }).ended;
    const before = executed();
    const second = await startWork(work, { options: { setup } }).ended;
    const [made, now] = first.stdout.split("\n");
    const [madeAgain, later] = second.stdout.split("\n");
    expect(madeAgain).toBe(made);
    expect(later).not.toBe(now);
    expect(executed()).toBe(before + 1);
  });

  it("finds the runner's cache volumes as it left them, in its own project", async () => {
    const options = { cacheVolumes: [{ path: "/var/cache/tool", key: "tool" }] };
    const work = { command: "cat /var/cache/tool/f; echo kept > /var/cache/tool/f" };
    expect((await startWork(work, { options }).ended).stdout).toBe("");
    expect((await startWork(work, { options }).ended).stdout).toBe("kept\n");
  });
});

describe("code that a signal ends", () => {
  it.each([
    ["kill -9 $$", 137],
    ["kill -15 $$", 143],
    ["exit 130", 130],
    ["exit 192", 192],
  ])("%s fails with its code, and keeps result and artifacts", async (command, code) => {
    const { outcome, stdout, stderr, artifacts } = await startWork({
      command: `echo out; echo kept > f; echo a=1 > "$PIPELZR_OUTPUT"; ${command}`,
      artifacts: ["f"],
    }).ended;
    expect(outcome).toMatchObject({
      ...{
        status: "failed",
        reason: "exit",
        code: "exit_nonzero",
        exit_code: code,
        result: { a: "1" },
      },
    });
    expect([stdout, stderr]).toEqual(["out\n", ""]);
    expect([...artifacts.keys()]).toEqual(["f"]);
  });

  it("with everything around it fails with the code as well", async () => {
    const { outcome, stdout } = await startWork({ command: "echo out; kill -9 -1; kill -9 $PPID" })
      .ended;
    expect(outcome).toMatchObject({ status: "failed", reason: "exit", exit_code: 137 });
    expect(stdout).toBe("out\n");
  });
});

describe("files", () => {
  const file = (content: string) => ({ content, encoding: "utf8" }) as const;
  const inline = (entries: Record<string, ReturnType<typeof file>>): Partial<Work> => ({
    files: { kind: "inline", entries },
  });

  it("are uploaded when they are many", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `d${index % 7}/f${index}`);
    const entries = Object.fromEntries(names.map((name) => [name, file(name)]));
    const { stdout } = await startWork({
      ...inline({
        ...entries,
        "tool.sh": { ...file("#!/bin/sh\necho tool"), ...{ mode: "0755" } },
      }),
      working_directory: "w",
      command: "find .. -type f | wc -l; ../tool.sh",
    }).ended;
    expect(stdout.replaceAll(" ", "")).toBe("101\ntool\n");
  });

  it("that are both file and folder are refused", async () => {
    const both = await startWork({ ...inline({ a: file(""), "a/b": file("") }), command: "true" })
      .ended;
    expect(both.outcome).toMatchObject({ code: "file_path_invalid" });
    const work = { ...inline({ a: file("") }), working_directory: "a/b", command: "true" };
    expect((await startWork(work).ended).outcome).toMatchObject({ code: "file_path_invalid" });
  });

  it("of the runner's machine are no artifacts by a link", async () => {
    const { artifacts, outcome } = await startWork({
      command: `echo in > in.txt; ln -s in.txt inner; ln -s ${attempts} outer; ln -s nowhere dead; mkfifo pipe; rm "$PIPELZR_OUTPUT"; ln -s ${process.execPath} "$PIPELZR_OUTPUT"`,
      artifacts: ["**"],
    }).ended;
    expect([...artifacts.keys()]).toEqual(["in.txt", "inner"]);
    expect(outcome).toMatchObject({ status: "completed", result: null });
  });

  it("are written to by scripts longer than an argument may be", async () => {
    const { stdout } = await startWork({ command: `: '${"x".repeat(200_000)}'\necho ran` }).ended;
    expect(stdout).toBe("ran\n");
  });
});
