/** Two clients act on one pipeline at once: no action breaks another, and every run ends once. */
import process from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Pipeline, pipelineSchema } from "../pipelines/schemas.ts";
import { Client } from "./client.ts";
import { Random, seedFrom } from "./random.ts";
import { TestService } from "./service.ts";
import { allEvents, endsRun } from "./sse.ts";

const PIPELINES = "/api/v1/pipelines";
const SEED = seedFrom(process.env.CHAOS_SEED);
const ROUNDS = 12;
const ACTIONS_PER_CLIENT = 8;

const TASKS = [
  { name: "first", script: "export default () => new Promise((done) => setTimeout(done, 30))" },
  { name: "ask", needs: ["first"], approval: true },
  {
    name: "item",
    needs: ["ask"],
    strategy: { matrix: { n: [1, 2, 3, 4] } },
    script: "export default () => new Promise((done) => setTimeout(() => done(1), 20))",
  },
];
const ACTIONS = [
  ["pause", {}],
  ["pause", { mode: "now" }],
  ["resume", {}],
  ["approve", { step: "ask" }],
  ["cancel", {}],
  ["retry", {}],
  ["start", {}],
] as const;

let service: TestService;
let client: Client;

beforeAll(async () => {
  service = await TestService.start();
  client = new Client(service);
});
afterAll(() => service.stop());

async function read(id: string): Promise<Pipeline> {
  const reply = await client.call(`${PIPELINES}/${id}`);
  expect(reply.status, `${reply.text}\n${service.output}`).toBe(200);
  return pipelineSchema.parse(reply.json);
}

async function create(): Promise<string> {
  const reply = await client.call(PIPELINES, { json: { name: "raced", tasks: TASKS } });
  expect(reply.status, reply.text).toBe(201);
  return pipelineSchema.parse(reply.json).id;
}

const act = (id: string, action: string, json: object) =>
  client.call(`${PIPELINES}/${id}/${action}`, {
    json,
    headers: { prefer: "respond-async" },
  });

test("whatever two clients ask at once is done or refused, and every run ends once", async () => {
  console.log(`pipeline races: CHAOS_SEED=${SEED} repeats the choices`);
  for (let round = 0; round < ROUNDS; round += 1) {
    const id = await create();
    expect((await act(id, "start", {})).status).toBe(202);
    const drive = async (stream: number) => {
      const random = new Random(SEED + round, stream);
      for (let turn = 0; turn < ACTIONS_PER_CLIENT; turn += 1) {
        const [action, body] = random.pick(ACTIONS);
        const reply = await act(id, action, body);
        expect(reply.status, `${action}: ${reply.text}\n${service.output}`).toBeOneOf([
          200, 202, 409,
        ]);
      }
    };
    await Promise.all([drive(1), drive(2)]);
    const { state } = await read(id);
    if (!["completed", "failed", "cancelled"].includes(state)) await act(id, "cancel", {});
    await expect
      .poll(async () => (await read(id)).state, { timeout: 20_000, interval: 20 })
      .toBeOneOf(["completed", "failed", "cancelled"]);
    const { run: newest } = await read(id);
    for (let run = 1; run <= newest; run += 1) {
      const events = await allEvents(await client.open(`${PIPELINES}/${id}/runs/${run}/events`));
      expect(events.filter(endsRun), `run ${run} of ${id}`).toEqual([events.at(-1)]);
      const cancelled = events.findIndex(({ type }) => type === "run.cancelling");
      const begun = events.slice(cancelled + 1).filter(({ type }) => type === "attempt.started");
      if (cancelled >= 0) expect(begun, `run ${run} of ${id}`).toEqual([]);
    }
  }
}, 120_000);

test.each([
  ["start", 202],
  ["approve", 200],
] as const)("of many that %s at once one wins", async (action, won) => {
  const id = await create();
  if (action === "approve") {
    await act(id, "start", {});
    const isOpen = async () =>
      (await client.call(`${PIPELINES}/${id}/runs/latest/why`)).text.includes('"approval"');
    await expect.poll(isOpen, { timeout: 20_000, interval: 20 }).toBe(true);
  }
  const replies = await Promise.all(Array.from({ length: 6 }, () => act(id, action, {})));
  const statuses = replies.map(({ status }) => status).sort();
  expect(statuses).toEqual([won, 409, 409, 409, 409, 409]);
  await act(id, "cancel", {});
});
