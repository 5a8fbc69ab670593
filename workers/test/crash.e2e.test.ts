/**
 * Runs that are underway when the process is killed with SIGKILL at random moments, requests in
 * flight included. CHAOS_RUNS says how many runs, half as many kills; CHAOS_SEED repeats the choices.
 */
import { randomUUID } from "node:crypto";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type Task, taskSchema } from "../tasks/schemas.ts";
import { Client } from "./client.ts";
import { Random, seedFrom } from "./random.ts";
import { TestService } from "./service.ts";
import { allEvents, endsRun } from "./sse.ts";

const RUNS = Number(process.env.CHAOS_RUNS || 20);
const RUNS_PER_KILL = 2;
const KILLS = Math.ceil(RUNS / RUNS_PER_KILL);
const SEED = seedFrom(process.env.CHAOS_SEED);
/** The kill comes so long after the requests were sent, or after they were answered. */
const IN_FLIGHT_MS = 60;
const RUNNING_MS = 500;
/** Everything that is acknowledged may end between so many kills and the next. */
const KILLS_BETWEEN_DRAINS = 2;
/** A run that the process has died under so often, twice with nothing beside it, is poison. */
const DEATHS_OF_POISON = 3;
const PROGRESS_LIMIT_MS = 15_000;
const TEST_TIMEOUT_MS = 120_000 + KILLS * 20_000;

const resultSchema = z.object({ epoch: z.int(), attempt: z.int() });

interface Kind {
  readonly body: object;
  /** Checks a completed task. */
  check(task: Task): void;
}

const SLEEP = "const sleep = (ms) => new Promise((done) => setTimeout(done, ms));";
const KINDS: readonly Kind[] = [
  {
    body: { script: "export default (input, { epoch, attempt }) => ({ epoch, attempt })" },
    check: (task) => expect(resultSchema.parse(task.result).attempt).toBe(1),
  },
  {
    body: {
      script: `${SLEEP} export default async (input, { epoch, attempt }) => { await sleep(300); return { epoch, attempt }; }`,
    },
    check: (task) => expect(resultSchema.parse(task.result).attempt).toBe(1),
  },
  {
    body: {
      script: `${SLEEP} export default async (input, { epoch, attempt }) => { for (let line = 0; line < 20; line += 1) { console.log(line); await sleep(15); } return { epoch, attempt }; }`,
    },
    check: (task) =>
      expect(task.stdout).toBe(Array.from({ length: 20 }, (_, line) => `${line}\n`).join("")),
  },
  {
    body: { command: "for i in 1 2 3; do echo $i; sleep 0.1; done" },
    check: (task) => expect(task.stdout).toBe("1\n2\n3\n"),
  },
  {
    body: {
      script: `${SLEEP} export default async (input, { epoch, attempt }) => { await sleep(100); if (attempt < 2) throw new Error("again"); return { epoch, attempt }; }`,
      retry: { max_attempts: 3, backoff: "fixed", initial_seconds: 0.05, jitter: false },
    },
    check: (task) => expect(resultSchema.parse(task.result).attempt).toBe(2),
  },
];

interface Run {
  readonly kind: Kind;
  readonly key: string;
  readonly name: string;
  /** Set once the service has acknowledged it. */
  id: string | null;
}

let service: TestService;
let client: Client;

beforeAll(async () => {
  service = await TestService.start();
  client = new Client(service);
});
afterAll(() => service.stop());

/** Sends a run's request once; null when there was no answer. */
async function submit({
  kind,
  key,
  name,
}: Run): Promise<{ status: number; task: Task | null } | null> {
  try {
    const reply = await client.call("/api/v1/tasks", {
      json: { name, execute: true, ...kind.body },
      headers: { prefer: "respond-async", "idempotency-key": key },
    });
    const task = reply.status === 201 ? taskSchema.parse(reply.json) : null;
    return { status: reply.status, task };
  } catch {
    return null;
  }
}

/** Repeats a run's request until it is acknowledged, as a client that had no answer does. */
async function insist(run: Run): Promise<Task> {
  for (;;) {
    const answer = await submit(run);
    if (answer?.task) return answer.task;
    // 409: the first request of this key may still be at work, until its claim runs out.
    if (answer) expect(answer.status).toBeOneOf([409, 503]);
    await delay(200);
  }
}

/** When a run that was underway at the kill made its next step, in ms after it; null if none was. */
async function firstProgress(runs: readonly Run[], killedAt: number): Promise<number | null> {
  const deadline = performance.now() + PROGRESS_LIMIT_MS;
  while (performance.now() < deadline) {
    const moments: number[] = [];
    let waiting = false;
    for (const { id } of runs) {
      if (id === null) continue;
      const task = await client.task(id);
      const ended = task.completed_at === null ? null : Date.parse(task.completed_at);
      if (ended !== null && ended < killedAt) continue;
      const begun = (await client.attempts(id)).map(({ started_at }) => Date.parse(started_at));
      const after = [...begun, ...(ended === null ? [] : [ended])].filter((at) => at >= killedAt);
      moments.push(...after);
      waiting ||= after.length === 0;
    }
    if (moments.length > 0) return Math.min(...moments) - killedAt;
    if (!waiting) return null;
    await delay(20);
  }
  throw new Error(`No run made progress within ${PROGRESS_LIMIT_MS} ms.\n${service.output}`);
}

/** Checks a run that has ended; returns whether it completed, or was taken for poison. */
async function checkRun(run: Run, id: string): Promise<"completed" | "poison"> {
  const task = await client.settled(id);
  const about = `${run.name} ${id}: ${task.error}`;
  const attempts = await client.attempts(id);
  expect(task.run, about).toBe(1);

  const events = await allEvents(await client.open(`/api/v1/tasks/${id}/events`));
  const [first] = events;
  if (!first) throw new Error(`${about}: it has no events.`);
  expect(
    events.map(({ seq }) => seq),
    about,
  ).toEqual(events.map((_, index) => first.seq + index));
  expect(events.filter(endsRun), about).toEqual([events.at(-1)]);
  if (task.error_code === "poison") {
    const deaths = attempts.filter(({ state }) => state !== "completed").length;
    expect(deaths, about).toBeGreaterThanOrEqual(DEATHS_OF_POISON);
    return "poison";
  }
  expect(task.state, about).toBe("completed");
  run.kind.check(task);

  const accepted = events.filter(
    ({ type, status }) => type === "attempt.finished" && status === "completed",
  );
  expect(accepted, about).toHaveLength(1);
  const epochs = events
    .filter(({ type }) => type === "attempt.started")
    .map(({ epoch }) => Number(epoch));
  expect(epochs, about).toEqual([...new Set(epochs)].sort((a, b) => a - b));
  expect(accepted[0]?.epoch, about).toBe(epochs.at(-1));
  const result = resultSchema.safeParse(task.result);
  if (result.success) expect(result.data.epoch, about).toBe(epochs.at(-1));

  expect(
    attempts.filter(({ state }) => state === "completed"),
    about,
  ).toHaveLength(1);
  return "completed";
}

const live = () => client.list({ state: "queued,running,paused" });

function summary(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  return `p50 ${at(0.5)} ms, max ${at(1)} ms (${sorted.length} times)`;
}

test(
  `${RUNS} runs and ${KILLS} kills: all acknowledged runs complete, each once`,
  async () => {
    console.log(`crash: CHAOS_SEED=${SEED} repeats the choices`);
    const random = new Random(SEED);
    const runs: Run[] = [];
    const pending: Promise<void>[] = [];
    const downtimes: number[] = [];
    const progress: number[] = [];
    let unanswered = 0;

    for (let kill = 0; kill < KILLS; kill += 1) {
      const round: Run[] = Array.from(
        { length: Math.min(RUNS_PER_KILL, RUNS - runs.length) },
        (_, index) => ({
          kind: random.pick(KINDS),
          key: randomUUID(),
          name: `run-${runs.length + index}`,
          id: null,
        }),
      );
      runs.push(...round);
      const submissions = round.map(async (run) => {
        const answer = await submit(run);
        run.id = answer?.task?.id ?? null;
      });
      // Early, since the claims of unanswered requests take half a minute to run out.
      if (kill < KILLS / 3 && random.chance(0.8)) await delay(random.below(IN_FLIGHT_MS));
      else {
        await Promise.all(submissions);
        await delay(random.below(RUNNING_MS));
      }
      const killedAt = Date.now();
      downtimes.push(await service.killAndRecover());
      await Promise.all(submissions);
      for (const run of round.filter(({ id }) => id === null)) {
        unanswered += 1;
        pending.push(
          insist(run).then((task) => {
            run.id = task.id;
          }),
        );
      }
      const after = await firstProgress(round, killedAt);
      if (after !== null) progress.push(after);
      if (kill % KILLS_BETWEEN_DRAINS === KILLS_BETWEEN_DRAINS - 1) {
        for (const { id } of runs) if (id !== null) await client.settled(id);
        await expect.poll(live, { timeout: 60_000, interval: 50 }).toEqual([]);
      }
    }
    await Promise.all(pending);

    let poisoned = 0;
    for (const run of runs) {
      if (run.id === null) throw new Error(`${run.name} was never acknowledged.`);
      if ((await checkRun(run, run.id)) === "poison") poisoned += 1;
    }
    // The same request once more is answered with the same task, which has run once.
    for (const run of runs) {
      const again = await insist(run);
      expect(again.id, run.name).toBe(run.id);
      expect((await client.task(again.id)).run, run.name).toBe(1);
    }
    const ids = runs.map(({ id }) => id).sort();
    expect(new Set(ids).size).toBe(RUNS);
    const listed = async () =>
      (await client.list({ state: "completed,failed" })).map(({ id }) => id).sort();
    await expect.poll(listed, { timeout: 20_000 }).toEqual(ids);
    console.log(
      `crash: ${RUNS} runs, ${KILLS} kills, ${unanswered} requests without an answer; lost 0, double 0, ${poisoned} taken for poison after ${DEATHS_OF_POISON} deaths; kill to answering again ${summary(downtimes)}; kill to progress ${summary(progress)}`,
    );
  },
  TEST_TIMEOUT_MS,
);
