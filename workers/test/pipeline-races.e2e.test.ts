/** Clients that act on one pipeline at the same moment: one wins, the other is told, nothing tears. */
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { problemSchema } from "../http/problem.ts";
import { type Reply, SCRIPTS } from "./client.ts";
import { PipelineClient } from "./pipeline-client.ts";
import { Random, seedFrom } from "./random.ts";
import { TestService } from "./service.ts";
import { endsRun, type TaskEvent } from "./sse.ts";

const ROUNDS = 3;
const SEED = seedFrom(process.env.RACE_SEED);
const STORM_CLIENTS = 4;
const STORM_ACTIONS = 40;

let service: TestService;
let client: PipelineClient;

beforeAll(async () => {
  service = await TestService.start();
  client = new PipelineClient(service);
});
afterAll(() => service.stop());

const statusesOf = (replies: readonly Reply[]) => replies.map(({ status }) => status).sort();
const both = (id: string, left: string, right = left, bodies: readonly object[] = []) =>
  Promise.all([client.post(id, left, bodies[0]), client.post(id, right, bodies[1])]);

const HOLD = [
  { name: "hold", approval: true },
  { name: "after", needs: ["hold"], script: SCRIPTS.sleep, inputs: 20 },
];
const SLOW = [
  { name: "slow", script: SCRIPTS.sleep, inputs: 150 },
  { name: "after", needs: ["slow"], script: SCRIPTS.sleep, inputs: 20 },
];
const LONG = [{ name: "long", script: SCRIPTS.sleep, inputs: 60_000 }, ...HOLD];

async function waits(id: string, type: string): Promise<void> {
  await expect
    .poll(async () => (await client.why(id, 1)).waiting[type], { timeout: 15_000, interval: 20 })
    .toBeGreaterThan(0);
}

/** A pipeline whose first run waits for an approval. */
async function held(): Promise<string> {
  const id = await client.create(HOLD);
  expect((await client.post(id, "start")).status).toBe(202);
  await waits(id, "approval");
  return id;
}

/** Every run has ended once, no seq is given twice, and after a cancel nothing has started. */
async function expectWhole(id: string, runs: number): Promise<void> {
  const seqs: number[] = [];
  for (let run = 1; run <= runs; run += 1) {
    await client.settled(id, run);
    const events = await client.events(id, run);
    expect(events.filter(endsRun), `run ${run}`).toEqual([events.at(-1)]);
    expectNothingAfterCancel(events, `run ${run}`);
    seqs.push(...events.map(({ seq }) => seq));
  }
  expect(new Set(seqs).size).toBe(seqs.length);
  expect((await client.read(id)).run).toBe(runs);
}

function expectNothingAfterCancel(events: readonly TaskEvent[], about: string): void {
  const cancelled = events.findIndex(({ type }) => type === "run.cancelling");
  const after = cancelled < 0 ? [] : events.slice(cancelled);
  const started = after.filter(({ type }) => ["attempt.started", "gate.opened"].includes(type));
  expect(started, about).toEqual([]);
}

function expectIllegal(replies: readonly Reply[]): void {
  for (const reply of replies.filter(({ status }) => status >= 400)) {
    const problem = problemSchema.loose().parse(reply.json);
    expect(problem.code, reply.text).toBe("illegal_transition");
    expect(problem).toMatchObject({ state: expect.any(String), allowed: expect.any(Array) });
  }
}

describe.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))("round %i", (round) => {
  test("two starts begin one run", async () => {
    const id = await client.create(SLOW);
    const replies = await both(id, "start");
    expect(statusesOf(replies)).toEqual([202, 409]);
    expectIllegal(replies);
    await expectWhole(id, 1);
  });

  test("two answers to one approval: one counts", async () => {
    const id = await held();
    const replies = await both(id, "approve", "approve", [{ approved: true }, { approved: false }]);
    expect(statusesOf(replies)).toEqual([200, 409]);
    expectIllegal(replies);
    const { state } = await client.settled(id, 1);
    expect(state).toBe(replies[0].status === 200 ? "completed" : "failed");
    await expectWhole(id, 1);
  });

  test("approve against cancel: it ends once, cancelled whenever the cancel was taken", async () => {
    const id = await held();
    const [approved, cancelled] = await both(id, "approve", "cancel");
    expect(approved.status, approved.text).toBeOneOf([200, 409]);
    expect(cancelled.status, cancelled.text).toBeOneOf([200, 202]);
    expect((await client.settled(id, 1)).state).toBe("cancelled");
    await expectWhole(id, 1);
  });

  test("two cancels end it once", async () => {
    const id = await client.create(LONG);
    await client.post(id, "start");
    await waits(id, "attempt");
    const statuses = statusesOf(await both(id, "cancel"));
    expect(statuses[0]).toBe(200);
    expect(statuses[1]).toBeOneOf([200, 409]);
    expect((await client.settled(id, 1)).state).toBe("cancelled");
    await expectWhole(id, 1);
  });

  test("two resumes: one resumes", async () => {
    const id = await held();
    expect((await client.post(id, "pause")).status).toBe(200);
    const replies = await both(id, "resume");
    expect(statusesOf(replies)).toEqual([200, 409]);
    expectIllegal(replies);
    expect((await client.post(id, "approve")).status).toBe(200);
    expect((await client.settled(id, 1)).state).toBe("completed");
    await expectWhole(id, 1);
  });

  test("pause against resume and cancel: it is held, goes on or ends, and is whole", async () => {
    const id = await client.create(SLOW);
    await client.post(id, "start");
    const [paused, resumed] = await both(id, "pause", "resume", [{ mode: "now" }]);
    expect(paused.status, paused.text).toBe(200);
    expect(resumed.status, resumed.text).toBeOneOf([200, 409]);
    const [again, cancelled] = await both(id, "resume", "cancel");
    expect(again.status, again.text).toBeOneOf([200, 409]);
    expect(cancelled.status, cancelled.text).toBeOneOf([200, 202]);
    expect((await client.settled(id, 1)).state).toBe("cancelled");
    await expectWhole(id, 1);
  });

  test("two retries begin one run; retry against start, too", async () => {
    const id = await client.create([
      {
        name: "bad",
        script:
          "export default async (_, { run }) => { await new Promise((done) => setTimeout(done, 150)); if (run === 1) throw new Error('no'); }",
      },
      ...HOLD,
    ]);
    await client.post(id, "start");
    await client.settled(id, 1);
    const action = new Random(SEED, round).pick(["retry", "start"]);
    const replies = await Promise.all([
      client.post(id, "retry", {}, { prefer: "respond-async" }),
      client.post(id, action, {}, { prefer: "respond-async" }),
    ]);
    expect(statusesOf(replies)).toEqual([202, 409]);
    expectIllegal(replies);
    expect((await client.read(id)).run).toBe(2);
    expect((await client.post(id, "cancel")).status).toBeOneOf([200, 202]);
    await expectWhole(id, 2);
  });
});

test("a storm of actions by several clients leaves every run whole", async () => {
  console.log(`pipeline races: RACE_SEED=${SEED} repeats the choices`);
  const random = new Random(SEED);
  const id = await client.create([
    { name: "one", script: SCRIPTS.sleep, inputs: 10 },
    { name: "hold", needs: ["one"], approval: { timeout_seconds: 0.3 } },
    {
      name: "each",
      needs: ["hold"],
      strategy: { matrix: { n: [1, 2, 3, 4] }, max_parallel: 2 },
      script:
        "export default async (n) => { await new Promise((done) => setTimeout(done, 10)); if (n === 4) throw new Error('end'); }",
      inputs: "${{ matrix.n }}",
    },
    { name: "last", needs: ["each"], if: "${{ always() }}", script: SCRIPTS.echo },
  ]);
  let begun = 0;
  const statuses = new Map<number, number>();
  const act = async () => {
    const action = random.pick([
      "start",
      "retry",
      "cancel",
      "pause",
      "resume",
      "resume",
      "approve",
      "approve",
    ] as const);
    const body = action === "pause" ? { mode: random.pick(["boundary", "now"]) } : {};
    const reply = await client.post(id, action, body, { prefer: "respond-async" });
    expect(reply.status, `${action}: ${reply.text}`).toBeOneOf([200, 202, 409]);
    statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
    if ((action === "start" || action === "retry") && reply.status < 300) begun += 1;
  };
  const work = async () => {
    for (let left = STORM_ACTIONS; left > 0; left -= 1) await act();
  };
  await Promise.all(Array.from({ length: STORM_CLIENTS }, work));
  const last = await client.read(id);
  if (!["completed", "failed", "cancelled"].includes(last.state)) await client.post(id, "cancel");
  await expectWhole(id, last.run);
  // A cancel before the first run is a run of its own.
  expect(last.run - begun).toBeOneOf([0, 1]);
  const counted = [...statuses].map(([status, count]) => `${count} × ${status}`).join(", ");
  console.log(
    `pipeline races: ${STORM_CLIENTS * STORM_ACTIONS} actions, ${last.run} runs; ${counted}`,
  );
});
