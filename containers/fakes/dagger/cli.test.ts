/** The command `dagger`, as the SDK spawns it. Most of each test is its start, so they run side by side. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { z } from "zod";
import type { FaultsInput } from "./faults.ts";
import { FAKE_DAGGER_CLI } from "./in-process.ts";
import { countProcesses, type Endpoint, leaf, query, shell, sleeper, written } from "./testing.ts";

/** How long a condition may take to come true on a busy machine. */
const SOON = { timeout: 20_000 };

let state: string;
const started = new Set<ChildProcess>();
beforeAll(async () => {
  state = await mkdtemp(join(tmpdir(), "fake-dagger-"));
});
afterAll(async () => {
  for (const child of started) child.kill("SIGKILL");
  await rm(state, { recursive: true, force: true });
});

const LABELS = ["--label", "dagger.io/sdk.name:nodejs", "--label", "dagger.io/sdk.version:0.21.9"];

interface Cli {
  readonly child: ChildProcess;
  /** Resolves with all output once the command has ended. */
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
  readonly endpoint: Promise<Endpoint>;
  readonly stderr: () => string;
}

function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Cli {
  const child = spawn(FAKE_DAGGER_CLI, args, {
    env: { ...process.env, ...inject("bundled"), FAKE_DAGGER_STATE: state, ...environment },
  });
  started.add(child);
  const output = { stdout: "", stderr: "" };
  const line = Promise.withResolvers<string>();
  child.stdout.on("data", (chunk) => {
    output.stdout += chunk;
    if (output.stdout.includes("\n")) line.resolve(output.stdout);
  });
  child.stderr.on("data", (chunk) => {
    output.stderr += chunk;
  });
  const ended = once(child, "close").then(([code]) => {
    line.reject(new Error(`The command has ended: ${output.stderr}`));
    return { code: z.number().nullable().parse(code), ...output };
  });
  const endpoint = line.promise.then((text) => {
    const parsed = z
      .strictObject({ port: z.number(), session_token: z.string() })
      .parse(JSON.parse(text));
    return { port: parsed.port, token: parsed.session_token };
  });
  endpoint.catch(() => {});
  return { child, ended, endpoint, stderr: () => output.stderr };
}

const session = (faults: FaultsInput = {}, environment: Readonly<Record<string, string>> = {}) =>
  run(["session", ...LABELS], { FAKE_DAGGER_FAULTS: JSON.stringify(faults), ...environment });

describe("dagger version", () => {
  it("says which one it stands for, also where the PATH has no node or an old one", async () => {
    expect(await run(["version"], { PATH: "/usr/bin:/bin" }).ended).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^dagger v0\.21\.9 \(.*engine:v0\.21\.9\) linux\/\w+\n$/),
    });
  });
});

describe("dagger", () => {
  it("refuses what it does not know", async () => {
    expect((await run(["call", "--unheard-of"]).ended).code).not.toBe(0);
  });
});

describe.concurrent("dagger session", () => {
  it("prints one line, serves queries and ends with its input, leaving nothing behind", async () => {
    const temporary = await mkdtemp(join(state, "tmp-"));
    const cli = session({}, { FAKE_DAGGER_STATE: "", TMPDIR: temporary });
    expect(leaf(await query(await cli.endpoint, shell("echo served")))).toBe("served\n");
    expect(await readdir(temporary)).toHaveLength(1);
    cli.child.stdin?.end();
    const { code, stdout, stderr } = await cli.ended;
    expect([code, stdout.split("\n").length]).toEqual([0, 2]);
    expect(stderr).toMatch(/^1 {3}: connect\n[\s\S]*connect DONE \[\d+\.\ds\]\n/);
    expect(stderr).toMatch(/\.withExec\(args: \["sh","-c","echo served"\]\)\n[\s\S]*\| served\n/);
    expect(await readdir(temporary)).toEqual([]);
  });

  it("on SIGTERM kills what it executes and exits with 0", async () => {
    const cli = session();
    const endpoint = await cli.endpoint;
    const { line, mark } = sleeper();
    const lost = query(endpoint, shell(line)).catch(() => "lost");
    await written(endpoint, "ready");
    cli.child.kill("SIGTERM");
    expect((await cli.ended).code).toBe(0);
    expect(countProcesses(mark)).toBe(0);
    expect(await lost).toBe("lost");
  });

  it("killed outright takes along what it executes", async () => {
    const cli = session();
    const endpoint = await cli.endpoint;
    const { line, mark } = sleeper();
    const lost = query(endpoint, shell(line)).catch(() => "lost");
    await written(endpoint, "ready");
    cli.child.kill("SIGKILL");
    await cli.ended;
    expect(await lost).toBe("lost");
    await vi.waitUntil(() => countProcesses(mark) === 0, SOON);
  });

  it("shares with others of the same state what was executed", async () => {
    const text = shell("cat /proc/sys/kernel/random/uuid");
    const seen = [];
    for (const _ of [1, 2]) {
      const cli = session();
      seen.push(leaf(await query(await cli.endpoint, text)));
      cli.child.kill("SIGTERM");
      await cli.ended;
    }
    expect(seen[0]).toBe(seen[1]);
  });

  it("tells that no engine answers, and exits with 1, as faults in a file say", async () => {
    const file = join(state, "faults.json");
    await writeFile(file, JSON.stringify({ unreachable: true }));
    const { code, stdout, stderr } = await session(
      {},
      {
        FAKE_DAGGER_FAULTS: file,
        _EXPERIMENTAL_DAGGER_RUNNER_HOST: "unix:///run/dagger/none.sock",
      },
    ).ended;
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/Error: start engine: new client: .*none\.sock.*connection refused\n$/);
  });

  it("can be slow to start, and be ended before it has", async () => {
    const slow = session({ startDelayMs: 300 });
    const began = performance.now();
    await slow.endpoint;
    expect(performance.now() - began).toBeGreaterThan(300);
    slow.child.kill("SIGTERM");
    await slow.ended;
    const ended = session({ startDelayMs: 600_000 });
    await vi.waitUntil(() => ended.stderr().includes("connect"), SOON);
    ended.child.stdin?.end();
    expect((await ended.ended).code).toBe(0);
  });
});
