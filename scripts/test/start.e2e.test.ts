import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { z } from "zod";
import { build } from "../lib/build.ts";
import { rootPath } from "../lib/paths.ts";
import { freePort } from "../lib/probe.ts";
import { processIdentity, signal } from "../lib/processes.ts";

let data: string;
let port: number;
const started: ChildProcess[] = [];

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "pipelzr-start-"));
  port = await freePort();
  await build();
});

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  }
  await rm(data, { recursive: true, force: true });
});

interface Run {
  readonly child: ChildProcess;
  output(): string;
  /** Resolves when the output matches, or fails with it when the process ends first. */
  says(pattern: RegExp): Promise<RegExpMatchArray>;
}

function start(environment: Readonly<Record<string, string>> = {}, ...flags: string[]): Run {
  const child = spawn(process.execPath, [rootPath("scripts/run.mjs"), "start", ...flags], {
    env: { ...process.env, PIPELZR_DATA_DIR: data, PORT: String(port), HOST: "", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  return {
    child,
    output: () => output,
    says: (pattern) =>
      vi.waitFor(
        () => {
          const match = output.match(pattern);
          if (!match) throw new Error(`It says:\n${output}`);
          return match;
        },
        { timeout: 60_000, interval: 50 },
      ),
  };
}

const lockSchema = z.object({
  group: z.object({ leader: z.number(), members: z.array(z.string()) }),
});

/** Process ids of the host and of the runtime. */
async function processes(): Promise<number[]> {
  const lock = lockSchema.parse(JSON.parse(await readFile(join(data, "lock.json"), "utf8")));
  return lock.group.members.map((identity) => Number(identity.split(":")[0]));
}
const alive = (pids: readonly number[]) => pids.filter((pid) => processIdentity(pid) !== null);

/** Does what the printed curl command does. */
async function runPrintedCommand(text: string): Promise<unknown> {
  const [, url] = text.match(/curl -sS (\S+)/) ?? [];
  const headers = [...text.matchAll(/-H '([^:]+): ([^']+)'/g)].map(
    ([, name, value]): [string, string] => [name ?? "", value ?? ""],
  );
  const [, body] = text.match(/-d '([^']+)'/) ?? [];
  const response = await fetch(url ?? "", { method: "POST", headers, body: body ?? "" });
  return response.json();
}

test("npm start prints a command that works, and ends without a trace on SIGTERM", async () => {
  const service = start();
  await service.says(/-d '.+'/);
  expect(await runPrintedCommand(service.output())).toMatchObject({
    state: "completed",
    stdout: "Hello from /workspace\n",
  });
  expect((await stat(join(data, ".dev.vars"))).mode & 0o777).toBe(0o600);

  const pids = await processes();
  expect(alive(pids)).toEqual(pids);
  const ended = once(service.child, "exit");
  service.child.kill("SIGTERM");
  expect((await ended)[0]).toBe(0);
  await vi.waitFor(() => expect(alive(pids)).toEqual([]));
});

/** Process ids of runners that keep their state in the test's folder. */
async function runners(): Promise<number[]> {
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0);
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return pids.filter((_, index) => lines[index]?.includes(join(data, "runner")));
}

test("npm start has a runner beside the service, which ends with it however that ends", async () => {
  const first = start({}, "--allow-subprocess");
  await first.says(/connected to/);
  const [, key] = await first.says(/API key {3}(\S+)/);
  const reply = await fetch(`http://127.0.0.1:${port}/api/v1/tasks`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      prefer: "wait=30",
    },
    body: JSON.stringify({
      ...{ name: "host", task_type: "subprocess", execute: true },
      command: "echo $((6 * 7))",
    }),
  });
  expect(await reply.json()).toMatchObject({ state: "completed", stdout: "42\n" });
  expect(await runners()).toHaveLength(1);
  // One line says what tasks may do here, and whether anything holds them.
  const told = first.output().match(/^.*subprocess tasks.*$/gm);
  expect(told).toHaveLength(1);
  expect(told?.[0]).toMatch(/run on this machine, (isolated by bubblewrap|NOT ISOLATED)/);
  const killed = once(first.child, "exit");
  first.child.kill("SIGKILL");
  await killed;
  await vi.waitFor(async () => expect(await runners()).toEqual([]), { timeout: 20_000 });

  const second = start();
  await second.says(/connected to/);
  expect(second.output()).toContain("subprocess tasks are off");
  const ended = once(second.child, "exit");
  second.child.kill("SIGTERM");
  expect((await ended)[0]).toBe(0);
  expect(await runners()).toEqual([]);
});

test("after kill -9 of every process the next start has the same key and the same tasks", async () => {
  const first = start();
  await first.says(/-d '.+'/);
  const task = z.looseObject({ id: z.string() }).parse(await runPrintedCommand(first.output()));
  const [, key] = await first.says(/API key {3}(\S+)/);
  const pids = await processes();
  const ended = once(first.child, "exit");
  for (const pid of [first.child.pid ?? 0, ...pids]) signal(pid, "SIGKILL");
  await ended;

  const second = start();
  await second.says(/-d '.+'/);
  const headers = { authorization: `Bearer ${key}` };
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/tasks/${task.id}`, { headers });
  expect(await response.json()).toMatchObject({ id: task.id, state: "completed" });
});

test("a second start on the same data says so and ends", async () => {
  const first = start();
  await first.says(/-d '.+'/);
  const second = start();
  const [code] = await once(second.child, "exit");
  expect(code).toBe(1);
  expect(second.output()).toContain(`already runs on this state, at http://127.0.0.1:${port}`);
});

test.each([
  {
    what: "variables that are not usable",
    environment: { RATE_LIMIT_REQUESTS: "abc", JWT_ALGORITHM: "none" },
    says: [
      'RATE_LIMIT_REQUESTS is "abc": It must be a whole number above 0.',
      'JWT_ALGORITHM is "none": ',
      "Correct them in the environment or in ",
    ],
  },
  {
    what: "a flag that is none",
    environment: {},
    flags: ["--allow-everything"],
    says: ["--allow-everything", "usage: npm start -- "],
  },
  {
    what: "a port that is none",
    environment: { PORT: "abc" },
    says: ['PORT is "abc", and must be a whole number from 1 to 65535.'],
  },
  {
    what: "an address of another machine",
    environment: { HOST: "192.0.2.1" },
    says: ["Nothing can listen at 192.0.2.1. Set HOST to an address of this machine"],
  },
  {
    what: "a data folder that is a device",
    environment: { PIPELZR_DATA_DIR: "/dev/null/x" },
    says: ["The state folder /dev/null/x cannot be written: ", "Set PIPELZR_DATA_DIR"],
  },
])("$what: it says so and ends before it serves", async ({ environment, flags = [], says }) => {
  const run = start(environment, ...flags);
  const [code] = await once(run.child, "close");
  expect(code).toBe(1);
  for (const words of says) expect(run.output()).toContain(words);
  expect(run.output()).not.toContain("PIPELZR runs at");
});

test("stopped while it boots, it ends quietly", async () => {
  const run = start();
  await vi.waitFor(() => stat(join(data, "lock.json")), { timeout: 60_000, interval: 5 });
  run.child.kill("SIGINT");
  const [code] = await once(run.child, "close");
  expect(code).toBe(0);
  expect(run.output()).toBe("");
});
