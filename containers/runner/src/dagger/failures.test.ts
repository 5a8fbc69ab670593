/** What is said when the engine, an image or the way to them fails. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { type ContractDeps, startAttempt } from "../../../../workers/executors/contract-support.ts";
import { countProcesses, sleeper } from "../../../fakes/dagger/testing.ts";
import { attempts, makeBackend, removeState, startWork, stateFolder } from "./test-support.ts";

afterAll(removeState);

/** An executable that stands in for the CLI. */
function script(name: string, text: string): string {
  const path = join(stateFolder, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe("an engine that does not answer", () => {
  const faults = { unreachable: true };

  it("is said within seconds, with what to do", async () => {
    const began = performance.now();
    expect(await makeBackend(faults, { engine: "tcp://10.0.0.1:1234" }).probe()).toMatch(
      /^No Dagger engine answers: .*"tcp:\/\/10\.0\.0\.1:1234".*connection refused\. Start the engine/,
    );
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  it("fails an attempt that nothing was run of", async () => {
    const { outcome } = await startWork({ command: "echo ran" }, { faults }).ended;
    expect(outcome).toMatchObject({
      ...{ status: "failed", reason: "lost", code: "engine_unreachable" },
      message: expect.stringContaining("Start the engine"),
    });
  });

  it("is asked again as soon as an attempt found it gone", async () => {
    const faults = join(stateFolder, "faults.json");
    const environment = { FAKE_DAGGER_FAULTS: faults };
    writeFileSync(faults, "{}");
    const backend = makeBackend({}, { environment });
    expect(await backend.probe()).toBeNull();
    writeFileSync(faults, '{"unreachable":true}');
    expect(await backend.probe()).toBeNull();
    const make = (deps: ContractDeps) => backend.executor(deps);
    await startAttempt(make, { task_type: "dagger", command: "true" }, {}).ended;
    expect(await backend.probe()).toMatch(/^No Dagger engine answers/);
  });

  it("is given up after its time", async () => {
    const slow = { startDelayMs: 600_000 };
    const problem = await makeBackend(slow, { probeTimeoutMs: 1_500 }).probe();
    expect(problem).toMatch(/answered within 2 s .*Check that the engine runs/);
    const { outcome } = await startWork(
      { command: "true" },
      { faults: slow, options: { connectTimeoutMs: 1_500 } },
    ).ended;
    expect(outcome).toMatchObject({ reason: "lost", code: "engine_unreachable" });
  });

  it("can be waited for, and an attempt cancelled meanwhile", async () => {
    expect(await makeBackend({ startDelayMs: 500 }).probe()).toBeNull();
    const running = startWork({ command: "echo up" }, { faults: { startDelayMs: 600_000 } });
    await vi.waitUntil(() => countProcesses(attempts) > 0, { timeout: 20_000 });
    running.abort("cancel");
    expect((await running.ended).outcome).toEqual({ status: "cancelled" });
    expect(countProcesses(attempts)).toBe(0);
  });
});

describe("a CLI", () => {
  it.each([
    [
      "that is not there",
      "/nonexistent/dagger",
      /CLI \/nonexistent\/dagger cannot be started.*Install/,
    ],
    ["that says nothing", script("mute", "exit 0"), /it says nothing.*Start the engine/],
    [
      "that says something else",
      script("other", "echo hello; sleep 100"),
      /No Dagger engine answers/,
    ],
    [
      "that lies",
      script("liar", `echo '{"port":1,"session_token":"x"}'; sleep 100`),
      /Check that CLI and engine/,
    ],
  ])("%s is told by the probe", async (_, cli, problem) => {
    expect(await makeBackend({}, { cli }).probe()).toMatch(problem);
  });

  it("that is not there fails an attempt", async () => {
    const { outcome } = await startWork(
      { command: "true" },
      { options: { cli: "/nonexistent/dagger" } },
    ).ended;
    expect(outcome).toMatchObject({ reason: "lost", code: "engine_unreachable" });
  });
});

describe("an image", () => {
  it("that cannot be pulled is told, with the registry's words", async () => {
    const faults = { pullFailures: { "node:22": "toomanyrequests: slow down" } };
    const { outcome } = await startWork({ command: "true", image: "node:22" }, { faults }).ended;
    expect(outcome).toMatchObject({
      ...{ status: "failed", reason: "error", code: "image_unavailable" },
      message: expect.stringMatching(/"node:22".*toomanyrequests: slow down.*Check its name/),
    });
  });

  it("is the one that the task names", async () => {
    const { stdout } = await startWork({
      command: ". /etc/os-release; echo $ID",
      image: "debian:12",
    }).ended;
    expect(stdout).toBe("debian\n");
  });

  it("without what the task needs is named", async () => {
    // All that is in $PATH is `env`, by which the fake starts commands.
    const content = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"';
    const bare = {
      environment: { PATH: "/workspace" },
      files: { kind: "inline", entries: { env: { content, encoding: "utf8", mode: "0755" } } },
    } as const;
    const { outcome } = await startWork({ ...bare, language: "python", script: "print(1)" }).ended;
    expect(outcome).toMatchObject({
      code: "language_unsupported",
      message: expect.stringMatching(
        /no python3 that can run this task\. Name an image that has Python/,
      ),
    });
    const { stdout, stderr } = await startWork({ ...bare, command: "echo ran" }).ended;
    expect(stdout).toBe("ran\n");
    expect(stderr).toMatch(/the image has no bash, so sh runs this task/);
  });

  it("is prepared by the runner's setup, and its failure is told", async () => {
    const setup = ["echo prepared > /etc/setup"];
    const { stdout } = await startWork({ command: "cat /etc/setup" }, { options: { setup } }).ended;
    expect(stdout).toBe("prepared\n");
    const failing = await startWork(
      { command: "true" },
      { options: { setup: ["echo no such tool >&2; exit 3"] } },
    ).ended;
    expect(failing.outcome).toMatchObject({
      code: "setup_failed",
      message: expect.stringContaining("exit code: 3, no such tool. Correct"),
    });
  });
});

describe("a connection", () => {
  it.each(["exec", "output"] as const)("that is dropped at %s loses the attempt", async (at) => {
    const { line, mark } = sleeper();
    // The first queries ask for the image and its user; the command's is the one with an exec.
    const { outcome } = await startWork({ command: line }, { faults: { dropConnection: { at } } })
      .ended;
    expect(outcome).toMatchObject({
      ...{ status: "failed", reason: "lost", code: "engine_lost" },
      message: expect.stringContaining("Retry the task"),
    });
    expect(countProcesses(mark)).toBe(0);
  });
});
