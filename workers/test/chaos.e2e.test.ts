/**
 * Runs that are underway when the process is killed with SIGKILL, at random moments. Ten here;
 * `npm run test:chaos` kills two hundred times.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { TestService } from "./service.ts";

const RUNS = Number(process.env.CHAOS_RUNS ?? 10);
const LONGEST_DELAY_MS = 600;

/** Work of different lengths, so that the kill finds it before, in and after its attempt. */
const WORK = [
  { script: "export default () => 1;" },
  {
    script:
      "export default async () => { for (let i = 0; i < 20; i += 1) { console.log(i); await new Promise((done) => setTimeout(done, 15)); } return 1; };",
  },
  { command: "for i in 1 2 3; do echo $i; sleep 0.1; done" },
  {
    script:
      "export default (input, ctx) => { if (ctx.attempt < 2) throw new Error('again'); return ctx.attempt; };",
    retry: { max_attempts: 3, backoff: "fixed", initial_seconds: 0.1, jitter: false },
  },
];

const taskSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  error: z.string().nullable(),
});
const listSchema = z.object({ items: z.array(taskSchema) });
const eventSchema = z.looseObject({ seq: z.int(), type: z.string() });
const TERMINAL = ["completed", "failed", "cancelled"];

let service: TestService;
const downtimes: number[] = [];

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(async () => {
  await service.stop();
  const sorted = downtimes.toSorted((a, b) => a - b);
  const at = (share: number) =>
    `${Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)} ms`;
  console.log(`${sorted.length} kills; down for ${at(0.5)} in the median, ${at(1)} at most`);
});

/** Asks until there is an answer: a client whose connection breaks asks again with the same key. */
async function insist(path: string, init: Parameters<TestService["fetch"]>[1] = {}) {
  for (;;) {
    const response = await service.fetch(path, init).catch(() => null);
    const text = await response?.text().catch(() => null);
    const answered = response && typeof text === "string";
    // 409 with this code: the first request of the key has not ended yet.
    if (answered && response.status < 500 && !text.includes("idempotency_in_progress")) {
      return { status: response.status, text };
    }
    await delay(50);
  }
}

async function eventsOf(id: string) {
  const headers = { accept: "text/event-stream" };
  const { text } = await insist(`/api/v1/tasks/${id}/events`, { headers });
  return text
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => eventSchema.parse(JSON.parse(line.slice("data:".length))));
}

async function killDuringRun(round: number): Promise<void> {
  const name = `chaos-${round}`;
  const create = insist("/api/v1/tasks", {
    json: { name, execute: true, ...WORK[round % WORK.length] },
    headers: { prefer: "respond-async", "idempotency-key": randomUUID() },
  });
  await delay(Math.random() * LONGEST_DELAY_MS);
  downtimes.push(await service.killAndRecover());
  const { status, text } = await create;
  expect(status, text).toBe(201);
  const { id } = taskSchema.parse(JSON.parse(text));

  const read = async () => taskSchema.parse(JSON.parse((await insist(`/api/v1/tasks/${id}`)).text));
  await expect
    .poll(async () => TERMINAL.includes((await read()).state), { timeout: 60_000, interval: 50 })
    .toBe(true);
  const task = await read();
  expect(task.state, `round ${round}: ${task.error}`).toBe("completed");

  const events = await eventsOf(id);
  const ends = events.filter((event) => TERMINAL.some((state) => event.type === `run.${state}`));
  expect(ends.map((event) => event.type)).toEqual(["run.completed"]);
  const seqs = events.map((event) => event.seq);
  expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
}

test(`${RUNS} runs, each with a kill of the process, all complete, once each`, {
  timeout: RUNS * 30_000,
}, async () => {
  for (let round = 0; round < RUNS; round += 1) await killDuringRun(round);

  // One task a round, although every creation may have been sent more than once.
  await expect
    .poll(
      async () => {
        let total = 0;
        let path: string | null = "/api/v1/tasks?limit=200";
        while (path) {
          const body: unknown = JSON.parse((await insist(path)).text);
          total += listSchema.parse(body).items.length;
          const cursor: unknown = Object(body).next_cursor;
          path = typeof cursor === "string" ? `/api/v1/tasks?limit=200&cursor=${cursor}` : null;
        }
        return total;
      },
      { timeout: 20_000 },
    )
    .toBe(RUNS);
});
