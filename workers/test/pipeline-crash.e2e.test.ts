/**
 * Pipelines whose process is killed with SIGKILL at random moments, two runs under way at a time.
 * CHAOS_RUNS says how many runs, half as many as of tasks; CHAOS_SEED repeats the choices.
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Pipeline, pipelineSchema } from "../pipelines/schemas.ts";
import { Client } from "./client.ts";
import { Random, seedFrom } from "./random.ts";
import { TestService } from "./service.ts";
import { allEvents, endsRun, type TaskEvent } from "./sse.ts";

const PIPELINES = "/api/v1/pipelines";
const RUNS = Math.ceil(Number(process.env.CHAOS_RUNS || 20) / 2);
const SEED = seedFrom(process.env.CHAOS_SEED);
const KILLS_PER_RUN = 1;
const KILLS_OF_A_RETRY = 2;
const BETWEEN_KILLS_MS = 400;
const RUNS_AT_ONCE = 2;
const END_LIMIT_MS = 60_000;

let service: TestService;
let client: Client;

beforeAll(async () => {
  service = await TestService.start();
  client = new Client(service);
});
afterAll(() => service.stop());

const NAP = "await new Promise((done) => setTimeout(done, 20));";
const WIDTH = 10;

/** Fifty steps: four layers of ten, a fan-out that is known late, a step that is tried again, a gate. */
function definition(name: string) {
  const layer = (depth: number) =>
    Array.from({ length: WIDTH }, (_, index) => ({
      name: `l${depth}_${index}`,
      needs: depth === 0 ? [] : [0, 1, 2].map((off) => `l${depth - 1}_${(index + off) % WIDTH}`),
      script: `export default async ({ n }) => { ${NAP} return n; }`,
      inputs: { n: depth * WIDTH + index },
    }));
  const last = layer(3).map(({ name: step }) => step);
  return {
    name,
    max_parallel: 8,
    tasks: [
      ...[0, 1, 2, 3].flatMap(layer),
      { name: "list", needs: last, script: "export default () => [1, 2, 3, 4, 5, 6]" },
      {
        name: "square",
        needs: ["list"],
        strategy: { matrix: { n: "${{ tasks.list.result }}" }, max_parallel: 3 },
        inputs: { n: "${{ matrix.n }}" },
        script: `export default async ({ n }) => { ${NAP} return n * n; }`,
      },
      {
        name: "flaky",
        needs: ["square"],
        script:
          "export default (_, ctx) => { if (ctx.attempt < 2) throw new Error('again'); return ctx.attempt; }",
        retry: { max_attempts: 3, backoff: "fixed", initial_seconds: 0.05, jitter: false },
      },
      {
        name: "sum",
        needs: ["square", "flaky"],
        if: "${{ success() }}",
        inputs: { all: "${{ tasks.square.results }}" },
        script: "export default ({ all }) => all.reduce((sum, { result }) => sum + result, 0)",
      },
    ],
    outputs: { sum: "${{ tasks.sum.result }}", attempts: "${{ tasks.flaky.result }}" },
  };
}

async function read(id: string): Promise<Pipeline> {
  const reply = await client.call(`${PIPELINES}/${id}`);
  expect(reply.status, `${reply.text}\n${service.output}`).toBe(200);
  return pipelineSchema.parse(reply.json);
}

const hasEnded = ({ state }: Pipeline) => ["completed", "failed", "cancelled"].includes(state);

const ended = (id: string) =>
  expect
    .poll(async () => hasEnded(await read(id)), { timeout: END_LIMIT_MS, interval: 50 })
    .toBe(true);

/** Milliseconds until a run that was underway has more steps behind it, or has ended. */
async function progressOf(id: string, before: number, since: number): Promise<number> {
  for (;;) {
    const now = await read(id);
    if (now.completed_tasks > before || hasEnded(now)) return performance.now() - since;
    if (performance.now() - since > END_LIMIT_MS)
      throw new Error(`No progress.\n${service.output}`);
    await delay(10);
  }
}

/** Each step's result was accepted once, by the newest of its dispatches. */
function acceptedOnce(events: readonly TaskEvent[]): void {
  const accepted = new Map<unknown, number>();
  const started = new Map<unknown, number>();
  for (const { type, step, status, epoch } of events) {
    if (type === "attempt.started") started.set(step, Number(epoch));
    if (type !== "attempt.finished" || status !== "completed") continue;
    expect(accepted.has(step), `${step} was accepted twice`).toBe(false);
    expect(started.get(step), `the newest dispatch of ${step}`).toBe(Number(epoch));
    accepted.set(step, Number(epoch));
  }
  expect(events.filter(endsRun)).toEqual([events.at(-1)]);
  const [first] = events;
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, at) => Number(first?.seq) + at));
}

test(
  `${RUNS} runs of a 50-step graph, each with a kill: all complete, each step once`,
  async () => {
    console.log(`pipeline crash: CHAOS_SEED=${SEED} repeats the choices`);
    const random = new Random(SEED);
    const progress: number[] = [];
    const ids: string[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      const created = await client.call(PIPELINES, { json: definition(`crash ${run}`) });
      const { id } = pipelineSchema.parse(created.json);
      ids.push(id);
      const start = await client.call(`${PIPELINES}/${id}/start`, { method: "POST" });
      expect(start.status, start.text).toBe(202);
      for (let kill = 0; kill < KILLS_PER_RUN; kill += 1) {
        await delay(random.below(BETWEEN_KILLS_MS));
        const { completed_tasks: before } = await read(id);
        const since = performance.now();
        await service.killAndRecover();
        progress.push(await progressOf(id, before, since));
      }
      // Runs beside each other would wait for each other's suspects, and that is not measured here.
      if (run % RUNS_AT_ONCE === RUNS_AT_ONCE - 1) await Promise.all(ids.map(ended));
    }
    for (const id of ids) {
      await ended(id);
      const pipeline = await read(id);
      expect(pipeline.state, `${pipeline.error}\n${service.output}`).toBe("completed");
      expect(pipeline.outputs).toEqual({ sum: 91, attempts: 2 });
      expect(pipeline.total_tasks).toBe(49);
      acceptedOnce(await allEvents(await client.open(`${PIPELINES}/${id}/runs/1/events`)));
    }
    const sorted = progress.toSorted((a, b) => a - b);
    const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
    console.log(
      `pipeline crash: ${RUNS} runs, ${progress.length} kills; lost 0, double 0; kill to progress p50 ${at(0.5)} ms, max ${at(1)} ms`,
    );
  },
  120_000 + RUNS * 20_000,
);

test("a retry from failure that is killed at random moments reuses and completes", async () => {
  const random = new Random(SEED);
  const created = await client.call(PIPELINES, {
    json: {
      name: "retried",
      stop_on_failure: false,
      tasks: [
        { name: "seed", script: "export default () => Math.random()" },
        { name: "list", needs: ["seed"], script: "export default () => [...Array(12).keys()]" },
        {
          name: "item",
          needs: ["list"],
          strategy: { matrix: { n: "${{ tasks.list.result }}" }, fail_fast: false },
          inputs: { n: "${{ matrix.n }}" },
          script: `export default async ({ n }, ctx) => { ${NAP} if (n % 3 === 0 && ctx.run === 1) throw new Error('not yet'); return ctx.run * 100 + n; }`,
        },
        {
          name: "gather",
          needs: ["item", "seed"],
          inputs: { all: "${{ tasks.item.results }}", seed: "${{ tasks.seed.result }}" },
          script:
            "export default ({ all, seed }) => ({ seed, all: all.map(({ result }) => result) })",
        },
      ],
      outputs: { gathered: "${{ tasks.gather.result }}", seed: "${{ tasks.seed.result }}" },
    },
  });
  const { id } = pipelineSchema.parse(created.json);
  const first = await client.call(`${PIPELINES}/${id}/execute`, { method: "POST" });
  expect(pipelineSchema.parse(first.json)).toMatchObject({ state: "failed", failed_tasks: 4 });
  const retry = await client.call(`${PIPELINES}/${id}/retry`, {
    method: "POST",
    headers: { prefer: "respond-async" },
  });
  expect(retry.status, retry.text).toBe(202);
  for (let kill = 0; kill < KILLS_OF_A_RETRY; kill += 1) {
    await delay(random.below(80));
    await service.killAndRecover();
  }
  await ended(id);
  const { state, error, outputs } = await read(id);
  expect(state, `${error}\n${service.output}`).toBe("completed");
  const all = [...Array(12).keys()].map((n) => (n % 3 === 0 ? 200 + n : 100 + n));
  expect(outputs).toMatchObject({ gathered: { all } });
  const seed: unknown = Reflect.get(Object(outputs), "seed");
  expect(outputs).toMatchObject({ gathered: { seed } });
});
