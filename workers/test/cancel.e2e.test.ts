/**
 * Code that is stopped has really stopped: tasks call a server of the test until they are cancelled
 * or time out, and after the reply nothing of them arrives any more, while a control task of the
 * same code goes on calling.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Task } from "../tasks/schemas.ts";
import { Client } from "./client.ts";
import { Pings } from "./pings.ts";
import { TestService } from "./service.ts";

/** Calls of the control task that prove a stop; one task calls about every 20 ms. */
const CONTROL_PINGS = 15;

const SLEEP = "const sleep = (ms) => new Promise((done) => setTimeout(done, ms));";
/** Each calls `inputs` again and again, and would never end. */
const KINDS: Readonly<Record<string, (url: string) => object>> = {
  "a JavaScript loop": (url) => ({
    inputs: url,
    script: `${SLEEP} export default async (url) => { for (;;) { await fetch(url); await sleep(20); } }`,
  }),
  "a loop that catches everything": (url) => ({
    inputs: url,
    script: `${SLEEP} export default async (url) => { for (;;) { try { await fetch(url); await sleep(20); } catch {} finally { await sleep(1); } } }`,
  }),
  "a timer beside a promise that never settles": (url) => ({
    inputs: url,
    script:
      "export default (url) => { setInterval(() => { fetch(url); }, 20); return new Promise(() => {}); }",
  }),
  "a TypeScript loop": (url) => ({
    inputs: url,
    language: "typescript",
    script: `${SLEEP.replace("(ms)", "(ms: number)")} export default async (url: string): Promise<void> => { for (;;) { await fetch(url); await sleep(20); } }`,
  }),
  "a shell loop": (url) => ({
    command: `while true; do curl -s ${url}; sleep 0.02; done`,
  }),
  "a shell loop in functions and pipes": (url) => ({
    command: `ping() { curl -s ${url} | cat; }; until false; do ping || true; sleep 0.02; done`,
  }),
};

let service: TestService;
let client: Client;
let pings: Pings;
let names = 0;

beforeAll(async () => {
  pings = await Pings.start();
  service = await TestService.start({ variables: { OUTBOUND_ALLOW_HOSTS: pings.host } });
  client = new Client(service);
});
afterAll(async () => {
  await service.stop();
  await pings.stop();
});

async function startPinging(
  kind: string,
  more: object = {},
): Promise<{ task: Task; name: string }> {
  names += 1;
  const name = `p${names}`;
  const body = KINDS[kind]?.(`http://${pings.host}/${name}`);
  const task = await client.start({
    name: kind,
    network: { allow: [pings.host] },
    ...body,
    ...more,
  });
  return { task, name };
}

/** Fails unless `stopped` stays silent while `control` goes on. */
async function expectSilence(stopped: string, control: string): Promise<void> {
  // A call that was on its way when the reply came has arrived by the control's next one.
  await pings.more(control, 1);
  const before = pings.count(stopped);
  await pings.more(control, CONTROL_PINGS);
  expect(pings.count(stopped)).toBe(before);
}

describe.each(Object.keys(KINDS))("%s", (kind) => {
  test("is stopped by a cancel, and its neighbour of the same code is not", async () => {
    const control = await startPinging(kind);
    const { task, name } = await startPinging(kind);
    await pings.more(control.name, 2);
    await pings.more(name, 2);

    const asked = performance.now();
    const reply = await client.act(task.id, "cancel");
    const answeredMs = performance.now() - asked;
    // 200 says that the code has stopped; 202 would say that this is yet to be confirmed.
    expect(reply.status, reply.text).toBe(200);
    expect(reply.json).toMatchObject({ state: "cancelled", error: null });
    await expectSilence(name, control.name);
    console.log(`cancel: ${kind}: confirmed after ${Math.round(answeredMs)} ms`);

    expect((await client.task(control.task.id)).state).toBe("running");
    expect((await client.act(control.task.id, "cancel")).status).toBe(200);
  });

  test("is stopped by its timeout", async () => {
    const control = await startPinging("a JavaScript loop");
    const { task, name } = await startPinging(kind, { timeout_seconds: 0.5 });
    await pings.more(name, 2);
    const ended = await client.settled(task.id);
    expect(ended).toMatchObject({ state: "failed", error_code: "timeout" });
    expect(ended.error).toMatch(/0\.5 s/);
    await expectSilence(name, control.name);
    expect((await client.act(control.task.id, "cancel")).status).toBe(200);
  });
});

test("nothing of a task goes on after its result", async () => {
  const control = await startPinging("a JavaScript loop");
  const { task, name } = await startPinging("a JavaScript loop", {
    script:
      "export default async (url) => { setInterval(() => { fetch(url); }, 20); await fetch(url); return 1; }",
  });
  expect((await client.settled(task.id)).state).toBe("completed");
  await expectSilence(name, control.name);
  expect((await client.act(control.task.id, "cancel")).status).toBe(200);
});

test("a task that waits for its next try, or for its first, never runs after its cancel", async () => {
  const control = await startPinging("a JavaScript loop");
  const url = `http://${pings.host}/retried`;
  const retried = await client.start({
    script: "export default async (url) => { await fetch(url); throw new Error('again'); }",
    inputs: url,
    network: { allow: [pings.host] },
    retry: { max_attempts: 20, backoff: "fixed", initial_seconds: 0.1, jitter: false },
  });
  await expect.poll(() => pings.count("retried")).toBeGreaterThan(0);
  const reply = await client.act(retried.id, "cancel");
  expect(reply.status, reply.text).toBe(200);
  expect(reply.json).toMatchObject({ state: "cancelled" });
  await expectSilence("retried", control.name);

  const pending = await client.create({ command: "true" });
  expect((await client.act(pending.id, "cancel")).json).toMatchObject({ state: "cancelled" });
  expect((await client.act(pending.id, "cancel")).status).toBe(409);
  expect((await client.act(control.task.id, "cancel")).status).toBe(200);
});

test("a cancel outlives the process: a task cancelled while it dies does not run again", async () => {
  const { task, name } = await startPinging("a JavaScript loop");
  await pings.more(name, 2);
  const cancelled = client.act(task.id, "cancel").catch(() => null);
  const recovery = service.killAndRecover();
  const reply = await cancelled;
  await recovery;
  // Without a reply nobody knows whether the cancel arrived: it is asked for again.
  if (reply === null) expect((await client.act(task.id, "cancel")).status).toBeOneOf([200, 409]);
  const ended = await client.settled(task.id);
  expect(ended.state).toBe("cancelled");
  const control = await startPinging("a JavaScript loop");
  await pings.more(control.name, 1);
  await expectSilence(name, control.name);
  expect((await client.act(control.task.id, "cancel")).status).toBe(200);
});
