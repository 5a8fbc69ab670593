/** The real runner as a process, beside a pool that a test scripts. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base, expect, inject, vi } from "vitest";
import { rootPath } from "../../../scripts/lib/paths.ts";
import type { Outcome } from "../../../workers/executors/port.ts";
import type { Assignment } from "../src/agent.ts";
import { markPrefix } from "../src/leftovers.ts";
import { markedProcesses } from "../src/processes.ts";
import { PoolServer, TOKEN } from "./pool-server.ts";

const WORK: Assignment["work"] = {
  task_type: "subprocess",
  command: null,
  script: null,
  language: "bash",
  inputs: null,
  environment: {},
  secrets: [],
  files: { kind: "inline", entries: {} },
  mounts: [],
  working_directory: null,
  network: { allow: [] },
  artifacts: [],
  isolation: "shared",
  outputs: null,
  image: null,
  template: null,
};

/** An assignment of a shell line. */
export function assign(
  attempt: string,
  command: string,
  changes: Partial<Omit<Assignment, "work">> & { work?: Partial<Assignment["work"]> } = {},
): Assignment {
  const { work, ...rest } = changes;
  const epoch = rest.epoch ?? 1;
  return {
    type: "assign",
    attempt,
    epoch,
    ref: { resource_id: attempt, run: 1, step: "main", attempt: 1, epoch },
    project_id: "test",
    timeout_ms: 60_000,
    secrets: {},
    ...rest,
    work: { ...WORK, command, ...work },
  };
}

/** Waits for a condition; `what` says which, when it does not come about. */
export async function until(
  condition: () => boolean,
  what: string | (() => string),
  timeout = 30_000,
): Promise<void> {
  const check = () => {
    if (!condition()) throw new Error(`not yet: ${typeof what === "string" ? what : what()}`);
  };
  await vi.waitFor(check, { timeout, interval: 10 });
}

export class RunnerProcess {
  readonly child: ChildProcess;
  stderr = "";

  constructor(args: readonly string[]) {
    const { PATH } = process.env;
    this.child = spawn(process.execPath, [rootPath("containers/runner/src/main.ts"), ...args], {
      env: { ...process.env, ...inject("bundled"), PATH, PIPELZR_RUNNER_TOKEN: "" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
  }

  get exitCode(): number | null {
    return this.child.exitCode;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Resolves with the exit code, null after a signal. */
  async ended(): Promise<number | null> {
    await until(
      () => this.hasEnded,
      () => `the runner ends; it said:\n${this.stderr}`,
    );
    return this.child.exitCode;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended();
  }

  async said(text: string): Promise<void> {
    await until(
      () => this.stderr.includes(text),
      () => `the runner says ${text}; it said:\n${this.stderr}`,
    );
  }
}

export class Fixture {
  pool: PoolServer;
  readonly stateFolder: string;
  readonly #runners: RunnerProcess[] = [];

  private constructor(pool: PoolServer) {
    this.pool = pool;
    this.stateFolder = mkdtempSync(join(tmpdir(), "pipelzr-runner-"));
  }

  static async create(): Promise<Fixture> {
    return new Fixture(await PoolServer.start());
  }

  /** Starts a runner on this fixture's state. */
  launch(...args: string[]): RunnerProcess {
    const base = ["--state-dir", this.stateFolder, "--isolation", "none", "--allow-subprocess"];
    const url = args.includes("--url") ? [] : ["--url", this.pool.url];
    const token = args.includes("--token") ? [] : ["--token", TOKEN];
    const runner = new RunnerProcess([...base, ...url, ...token, ...args]);
    this.#runners.push(runner);
    return runner;
  }

  /** Starts a runner and waits until the pool knows it. */
  async connect(...args: string[]): Promise<RunnerProcess> {
    const before = this.pool.connections;
    const runner = this.launch(...args);
    await until(
      () => this.pool.connections > before || runner.hasEnded,
      () => `the runner connects; it said:\n${runner.stderr}`,
    );
    return runner;
  }

  outcomeOf(attempt: string): Outcome | null {
    return this.pool.taken.get(attempt)?.outcome ?? null;
  }

  /** Waits for an attempt's outcome. */
  ended(attempt: string): Promise<void> {
    return until(() => this.outcomeOf(attempt) !== null, `${attempt} ends`);
  }

  /** Waits for text on an attempt's stdout. */
  logged(attempt: string, text: string): Promise<void> {
    const includes = () => this.pool.text(attempt, "stdout").includes(text);
    return until(includes, `${attempt} writes ${text}`);
  }

  /** What runs of this state folder. */
  processes(): number[] {
    return markedProcesses(markPrefix(this.stateFolder));
  }

  leftInState(): string[] {
    return readdirSync(join(this.stateFolder, "attempts"));
  }

  /** Attempts that the last heartbeat named; throws when there was none, which names nothing. */
  held(): string[] {
    const heartbeat = this.pool.last("heartbeat");
    if (heartbeat === undefined) throw new Error("there was no heartbeat");
    return heartbeat.running.map(({ attempt }) => attempt);
  }

  /** Waits until heartbeats name these attempts and no others. */
  async holds(...attempts: string[]): Promise<void> {
    const named = () => this.held().toSorted().join();
    await until(
      () => named() === attempts.join(),
      () => `the runner has ${attempts}, not ${named()}`,
    );
  }

  /** Of attempts. */
  folders(): string[] {
    return this.leftInState().filter((name) => !name.includes("."));
  }

  /** Writes an empty file into the folder of an attempt, of the one there is unless said. */
  put(path: string, folder = this.folders()[0] ?? "none"): void {
    writeFileSync(join(this.stateFolder, "attempts", folder, path), "");
  }

  async remove(): Promise<void> {
    for (const { child } of this.#runners) child.kill("SIGKILL");
    await this.pool.stop();
    rmSync(this.stateFolder, { recursive: true, force: true });
    expect(this.pool.problems).toEqual([]);
  }
}

/** A test with a pool, a state folder and runners of its own. */
export const test = base.extend<{ fixture: Fixture }>({
  fixture: async ({ task: _ }, use) => {
    const fixture = await Fixture.create();
    try {
      await use(fixture);
    } finally {
      await fixture.remove();
    }
  },
});
