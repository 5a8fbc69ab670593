/** Tasks on real runners whose connection is cut, and whose service dies with them. */
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "./client.ts";
import { RunnerProcess } from "./runner-process.ts";
import { TestService } from "./service.ts";
import { allEvents } from "./sse.ts";
import { TcpProxy } from "./tcp-proxy.ts";

const PATIENCE = { timeout: 60_000, interval: 50 };
const TASKS = "/api/v1/tasks";
const LINES = 100_000;
/** A connection that is cut for a moment: long enough that the runner fails to come back at first. */
const MOMENT_MS = 1_000;

let service: TestService;
let client: Client;
let proxy: TcpProxy;
let far: RunnerProcess;

beforeAll(async () => {
  service = await TestService.start({ variables: { SUBPROCESS_ENABLED: "true" } });
  client = new Client(service);
  proxy = await TcpProxy.to(service.url);
  far = await RunnerProcess.start(client, proxy.url);
});
afterAll(async () => {
  await far?.stop();
  await proxy?.stop();
  await service?.stop();
});

const begin = (command: string) => client.start({ task_type: "subprocess", command });

const printed = (id: string, text: string) =>
  expect
    .poll(async () => (await client.task(id)).stdout, { ...PATIENCE, message: far.output })
    .toContain(text);

/** How many processes sleep as long as `seconds`. */
async function processesWith(seconds: string): Promise<number> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return lines.filter((line) => line === `sleep\0${seconds}\0`).length;
}

test("output of 100,000 lines is whole though the connection is cut in the middle", async () => {
  const half = LINES / 2;
  const { id } = await begin(`seq ${half}; sleep 0.3; seq ${half + 1} ${LINES}`);
  const seen = allEvents(await client.open(`${TASKS}/${id}/events`));
  await printed(id, `${half}\n`);
  proxy.cut();
  await delay(MOMENT_MS);
  proxy.mend();
  const task = await client.settled(id);
  expect(task, far.output).toMatchObject({ state: "completed", attempt: 1 });
  const expected = Array.from({ length: LINES }, (_, index) => `${index + 1}\n`).join("");
  const { text } = await client.call(`${TASKS}/${id}/logs`);
  expect(text === expected, `${text.length} of ${expected.length} characters`).toBe(true);
  const streamed = (await seen).flatMap(({ type, text }) => (type === "log" ? [String(text)] : []));
  expect(streamed.join("") === expected, "what a subscriber saw").toBe(true);
  expect(await client.attempts(id)).toHaveLength(1);
});

test("a task whose runner and service die together is done again", async () => {
  const { id } = await begin("echo up; sleep 1; echo down");
  await printed(id, "up");
  const killed = far.kill();
  await service.killAndRecover();
  await killed;
  await far.run();
  const task = await client.settled(id);
  expect(task).toMatchObject({ state: "completed", attempt: 1, stdout: "up\ndown\n" });
});

test("a connection that is cut for long loses the task to another runner, and the first one's process", async () => {
  // Sleeps for a time of its own, by which its processes are found wherever they are isolated.
  const mark = `600.${Date.now()}`;
  const { id } = await begin(`echo up; sleep ${mark}`);
  await printed(id, "up");
  const near = await RunnerProcess.start(client);
  try {
    proxy.cut();
    const states = async () => (await client.attempts(id)).map(({ state }) => state);
    await expect.poll(states, PATIENCE).toEqual(["lost", "running"]);
    await expect.poll(() => processesWith(mark), PATIENCE).toBe(2);
    proxy.mend();
    // The first runner hears that its work is not wanted any more, and ends it.
    await expect.poll(() => processesWith(mark), PATIENCE).toBe(1);
    expect(await states()).toEqual(["lost", "running"]);
    const reply = await client.call(`${TASKS}/${id}/cancel`, { method: "POST" });
    expect(reply.json).toMatchObject({ state: "cancelled", error: null });
    expect(await processesWith(mark)).toBe(0);
  } finally {
    await near.stop();
  }
});
