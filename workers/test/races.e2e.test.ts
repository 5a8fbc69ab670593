/** Clients that act on the same task at the same moment: one wins, the other is told, nothing tears. */
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { problemSchema } from "../http/problem.ts";
import type { Task } from "../tasks/schemas.ts";
import { Client, type Reply, SCRIPTS } from "./client.ts";
import { Random, seedFrom } from "./random.ts";
import { TestService } from "./service.ts";
import { allEvents, endsRun, type TaskEvent } from "./sse.ts";

const ROUNDS = 5;
const SEED = seedFrom(process.env.RACE_SEED);
const STORM_CLIENTS = 4;
const STORM_ACTIONS = 25;
const ALLOWED = [200, 202, 204, 404, 409, 412];

let service: TestService;
let client: Client;

beforeAll(async () => {
  service = await TestService.start();
  client = new Client(service);
});
afterAll(() => service.stop());

const pathOf = ({ id }: Task) => `/api/v1/tasks/${id}`;
const execute = (task: Task) =>
  client.act(task.id, "execute", { headers: { prefer: "respond-async" } });
const retry = (task: Task) =>
  client.act(task.id, "retry", { headers: { prefer: "respond-async" } });
const cancel = (task: Task) => client.act(task.id, "cancel");
const remove = (task: Task) => client.call(pathOf(task), { method: "DELETE" });
const patch = (task: Task, description: string, headers = {}) =>
  client.call(pathOf(task), { method: "PATCH", json: { description }, headers });
const etagOf = async (task: Task) => (await client.call(pathOf(task))).headers.get("etag") ?? "";
const statusesOf = (replies: readonly Reply[]) => replies.map(({ status }) => status).sort();

const slow = () => client.create({ script: SCRIPTS.sleep, inputs: 200 });
const failing = () => client.start({ command: "false" }, "wait=30");

/** The events of one run; empty for a run that does not exist. */
async function eventsOf(task: Task, run: number): Promise<TaskEvent[]> {
  const response = await client.open(`${pathOf(task)}/events?run=${run}`);
  return response.status === 200 ? allEvents(response) : [];
}

/** Every run has ended exactly once, and no seq is given twice. */
async function expectWhole(task: Task, runs: number): Promise<void> {
  const settled = runs === 0 ? await client.task(task.id) : await client.settled(task.id);
  expect(settled.run).toBe(runs);
  const seqs: number[] = [];
  for (let run = 1; run <= runs; run += 1) {
    const events = await eventsOf(task, run);
    expect(events.filter(endsRun), `run ${run}`).toEqual([events.at(-1)]);
    seqs.push(...events.map(({ seq }) => seq));
  }
  expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
}

function expectIllegal(reply: Reply): void {
  const problem = problemSchema.loose().parse(reply.json);
  expect(problem.code, reply.text).toBe("illegal_transition");
  expect(problem).toMatchObject({ state: expect.any(String), allowed: expect.any(Array) });
}

describe.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))("round %i", () => {
  test("two executes start one run", async () => {
    const task = await slow();
    const replies = await Promise.all([execute(task), execute(task)]);
    expect(statusesOf(replies)).toEqual([202, 409]);
    for (const reply of replies.filter(({ status }) => status === 409)) expectIllegal(reply);
    await expectWhole(task, 1);
  });

  test("two retries start one run and count once", async () => {
    const task = await failing();
    const replies = await Promise.all([retry(task), retry(task)]);
    const statuses = statusesOf(replies);
    // The second may come after the first one's run has failed, too: then it is a retry of its own.
    expect(statuses).toBeOneOf([
      [202, 409],
      [200, 409],
      [202, 202],
      [200, 202],
      [200, 200],
    ]);
    const won = statuses.filter((status) => status < 300).length;
    await expectWhole(task, 1 + won);
    expect((await client.task(task.id)).retry_count).toBe(won);
  });

  test("two cancels end it once", async () => {
    const task = await client.start({ script: SCRIPTS.sleep, inputs: 60_000 });
    const replies = await Promise.all([cancel(task), cancel(task)]);
    for (const status of statusesOf(replies)) expect(status).toBeOneOf([200, 409]);
    expect(statusesOf(replies)).toContain(200);
    expect((await client.settled(task.id)).state).toBe("cancelled");
    await expectWhole(task, 1);
  });

  test("of two changes of one version one is refused, and the other stands", async () => {
    const task = await slow();
    const headers = { "if-match": await etagOf(task) };
    const replies = await Promise.all([patch(task, "one", headers), patch(task, "two", headers)]);
    expect(statusesOf(replies)).toEqual([200, 412]);
    const winner = replies.findIndex(({ status }) => status === 200);
    expect((await client.task(task.id)).description).toBe(["one", "two"][winner]);
  });

  test("of two deletions one finds nothing", async () => {
    const task = await slow();
    expect(statusesOf(await Promise.all([remove(task), remove(task)]))).toEqual([204, 404]);
    expect((await client.call(pathOf(task))).status).toBe(404);
  });

  test("execute against delete: it runs, or it is gone", async () => {
    const task = await slow();
    const [started, removed] = await Promise.all([execute(task), remove(task)]);
    if (removed.status === 204) {
      expect(started.status, started.text).toBe(404);
      expect((await client.call(pathOf(task))).status).toBe(404);
    } else {
      expect([started.status, removed.status]).toBeOneOf([
        [202, 409],
        [202, 412],
      ]);
      await expectWhole(task, 1);
    }
  });

  test("execute against change: the run has what the task said before or after", async () => {
    const task = await slow();
    const [started, changed] = await Promise.all([execute(task), patch(task, "changed")]);
    expect(started.status, started.text).toBe(202);
    expect(changed.status, changed.text).toBeOneOf([200, 409, 412]);
    expect((await client.task(task.id)).description).toBe(
      changed.status === 200 ? "changed" : null,
    );
    await expectWhole(task, 1);
  });

  test("execute against cancel: it ends once, and after the cancel nothing starts by itself", async () => {
    const task = await slow();
    const [started, cancelled] = await Promise.all([execute(task), cancel(task)]);
    expect(started.status, started.text).toBeOneOf([200, 202, 409]);
    expect(cancelled.status, cancelled.text).toBe(200);
    const { run } = await client.settled(task.id);
    // A cancel before the first run is a run of its own; an execute after it is the second.
    await expectWhole(task, run);
    expect(run).toBeOneOf([1, 2]);
  });
});

test("a storm of actions by several clients leaves every run whole", async () => {
  console.log(`races: RACE_SEED=${SEED} repeats the choices`);
  const random = new Random(SEED);
  const task = await client.create({
    script:
      "export default async (ms) => { await new Promise((done) => setTimeout(done, ms)); throw new Error('end'); }",
    inputs: 15,
    max_retries: 100,
  });
  let starts = 0;
  const actions = {
    execute,
    retry,
    cancel,
    patch: (one: Task) => patch(one, "storm"),
    read: (one: Task) => client.call(pathOf(one)),
  };
  const act = async () => {
    const kind = random.pick(["execute", "retry", "cancel", "patch", "read"] as const);
    const reply = await actions[kind](task);
    expect(reply.status, `${kind}: ${reply.text}`).toBeOneOf(ALLOWED);
    if ((kind === "execute" || kind === "retry") && reply.status < 300) starts += 1;
  };
  const work = async () => {
    for (let left = STORM_ACTIONS; left > 0; left -= 1) await act();
  };
  await Promise.all(Array.from({ length: STORM_CLIENTS }, work));
  const { run } = await client.task(task.id);
  // A cancel before the first run counts as a run, too.
  expect(run - starts).toBeOneOf([0, 1]);
  await expectWhole(task, run);
  const listed = async () =>
    (await client.list({ name: task.name })).find(({ id }) => id === task.id);
  const settled = await client.task(task.id);
  await expect
    .poll(listed)
    .toMatchObject({ run, state: settled.state, retry_count: settled.retry_count });
});
