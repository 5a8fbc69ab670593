/**
 * Runs of many steps that are underway when the process is killed with SIGKILL at random moments.
 * CHAOS_PIPELINE_RUNS says how many; CHAOS_SEED repeats the choices.
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PipelineClient } from "./pipeline-client.ts";
import { Random, seedFrom } from "./random.ts";
import { TestService } from "./service.ts";
import { endsRun, type TaskEvent } from "./sse.ts";

const RUNS = Number(process.env.CHAOS_PIPELINE_RUNS || 10);
const RUNS_PER_ROUND = 2;
const ROUNDS = Math.ceil(RUNS / RUNS_PER_ROUND);
/** Fewer deaths than a step would be taken for poison after. */
const MAX_KILLS_PER_ROUND = 2;
const RETRIES = Math.ceil(RUNS / 3);
const SEED = seedFrom(process.env.CHAOS_SEED);
/** Kills come so long after the start of a run, or after the process is back. */
const RUN_MS = 1_200;
const RETRY_MS = 350;
const PROGRESS_LIMIT_MS = 15_000;
const TIMEOUT_MS = 60_000 + RUNS * 15_000;

const LAYERS = 8;
const WIDTH = 5;
const FAN_OUT = 7;
const SLEEP = "const sleep = (ms) => new Promise((done) => setTimeout(done, ms));";

interface Dag {
  readonly tasks: readonly object[];
  readonly outputs: Readonly<Record<string, string>>;
  /** What the outputs have to be. */
  readonly expected: unknown;
}

/** 50 steps: layers of sums over the layer above, a fan-out over what the last one makes, a retry. */
function dag(random: Random): Dag {
  const tasks: object[] = [];
  let above: { name: string; value: number }[] = [];
  for (let layer = 0; layer < LAYERS; layer += 1) {
    const row = Array.from({ length: WIDTH }, (_, column) => {
      const needs = above.filter(() => random.chance(0.5));
      const own = random.below(100);
      const name = `s${layer}_${column}`;
      tasks.push({
        name,
        needs: needs.map((need) => need.name),
        script: `${SLEEP} export default async ({ own, values, ms }) => { await sleep(ms); return values.reduce((sum, value) => sum + value, own); }`,
        inputs: {
          own,
          values: needs.map((need) => `\${{ tasks.${need.name}.result }}`),
          ms: 10 + random.below(60),
        },
      });
      return { name, value: needs.reduce((sum, need) => sum + need.value, own) };
    });
    above = row;
  }
  const total = above.reduce((sum, { value }) => sum + value, 0);
  tasks.push(
    {
      name: "list",
      needs: above.map(({ name }) => name),
      script: `export default (values) => Array.from({ length: ${FAN_OUT} }, (_, n) => n + values.reduce((sum, value) => sum + value, 0))`,
      inputs: above.map(({ name }) => `\${{ tasks.${name}.result }}`),
    },
    {
      name: "each",
      needs: ["list"],
      strategy: { matrix: { n: "${{ tasks.list.result }}" }, max_parallel: 3 },
      script: `${SLEEP} export default async (n) => { await sleep(30); return n * 2; }`,
      inputs: "${{ matrix.n }}",
    },
    {
      name: "flaky",
      needs: ["list"],
      script: `${SLEEP} export default async (_, { attempt }) => { await sleep(20); if (attempt < 3) throw new Error("again"); return attempt; }`,
      retry: { max_attempts: 3, backoff: "fixed", initial_seconds: 0.05, jitter: false },
    },
    {
      name: "sum",
      needs: ["each", "flaky"],
      script: "export default ({ all, flaky }) => [all.map(({ result }) => result), flaky]",
      inputs: { all: "${{ tasks.each.results }}", flaky: "${{ tasks.flaky.result }}" },
    },
  );
  const doubled = Array.from({ length: FAN_OUT }, (_, n) => (n + total) * 2);
  return {
    tasks,
    outputs: { sum: "${{ tasks.sum.result }}", last: `\${{ tasks.s${LAYERS - 1}_0.result }}` },
    expected: { sum: [doubled, 3], last: above[0]?.value },
  };
}

let service: TestService;
let client: PipelineClient;

beforeAll(async () => {
  console.log(`pipeline crash: CHAOS_SEED=${SEED} repeats the choices`);
  service = await TestService.start();
  client = new PipelineClient(service);
});
afterAll(() => service.stop());

/** Checks that a run ended once, and that of each step one result was accepted: the newest's. */
function expectOnce(events: readonly TaskEvent[], about: string): void {
  expect(events.filter(endsRun), about).toEqual([events.at(-1)]);
  const seqs = events.map(({ seq }) => seq);
  expect(seqs, about).toEqual([...new Set(seqs)].sort((a, b) => a - b));
  const started = Map.groupBy(
    events.filter(({ type }) => type === "attempt.started"),
    ({ step }) => String(step),
  );
  const accepted = Map.groupBy(
    events.filter(({ type, status }) => type === "attempt.finished" && status === "completed"),
    ({ step }) => String(step),
  );
  for (const [step, begun] of started) {
    const epochs = begun.map(({ epoch }) => Number(epoch));
    expect(epochs, `${about} ${step}`).toEqual([...new Set(epochs)].sort((a, b) => a - b));
    const results = accepted.get(step) ?? [];
    expect(results.length, `${about} ${step}`).toBe(1);
    expect(results[0]?.epoch, `${about} ${step}`).toBe(epochs.at(-1));
  }
}

/** When a run that lost an attempt by a kill began the next one, in ms after the kill. */
function progressAfter(events: readonly TaskEvent[], killedAt: number): number | null {
  const lost = events.find(({ type, at }) => type === "attempt.lost" && Date.parse(at) >= killedAt);
  const next = events.find(
    ({ type, seq }) => lost !== undefined && seq > lost.seq && type === "attempt.started",
  );
  return next ? Date.parse(next.at) - killedAt : null;
}

function summary(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  return `p50 ${at(0.5)} ms, max ${at(1)} ms (${sorted.length} times)`;
}

async function kill(kills: number[], downtimes: number[]): Promise<void> {
  kills.push(Date.now());
  downtimes.push(await service.killAndRecover());
}

describe("killed at random moments", () => {
  test(
    `${RUNS} runs of 50 steps come to the right outputs, each result accepted once`,
    async () => {
      const random = new Random(SEED);
      const downtimes: number[] = [];
      const progress: number[] = [];
      let lost = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const count = Math.min(RUNS_PER_ROUND, RUNS - round * RUNS_PER_ROUND);
        const dags = Array.from({ length: count }, () => dag(random));
        const ids: string[] = [];
        for (const { tasks, outputs } of dags) ids.push(await client.create(tasks, { outputs }));
        for (const id of ids) expect((await client.post(id, "start")).status).toBe(202);
        const kills: number[] = [];
        for (let left = 1 + random.below(MAX_KILLS_PER_ROUND); left > 0; left -= 1) {
          await delay(random.below(RUN_MS));
          await kill(kills, downtimes);
        }
        for (const [index, id] of ids.entries()) {
          const about = `seed ${SEED} round ${round} ${id}`;
          const ended = await client.settled(id, 1);
          expect(ended, `${about}: ${ended.error}\n${service.output}`).toMatchObject({
            state: "completed",
            outputs: dags[index]?.expected,
            total_tasks: LAYERS * WIDTH + FAN_OUT + 3,
          });
          const events = await client.events(id, 1);
          expectOnce(events, about);
          lost += events.filter(({ type }) => type === "attempt.lost").length;
          progress.push(...kills.flatMap((at) => progressAfter(events, at) ?? []));
        }
      }
      expect(Math.max(0, ...progress)).toBeLessThan(PROGRESS_LIMIT_MS);
      console.log(
        `pipeline crash: ${RUNS} runs of 50 steps, ${downtimes.length} kills, ${lost} attempts cut off; lost 0, double 0; kill to answering again ${summary(downtimes)}; kill to progress ${summary(progress)}`,
      );
    },
    TIMEOUT_MS,
  );

  test(
    `${RETRIES} retries from failure with a fan-out reuse what they may, and complete`,
    async () => {
      const random = new Random(SEED, 1);
      const downtimes: number[] = [];
      for (let round = 0; round < RETRIES; round += 1) {
        const about = `seed ${SEED} retry ${round}`;
        const id = await client.create(
          [
            {
              name: "list",
              script:
                "export default () => Array.from({ length: 8 }, (_, n) => ({ n, salt: Math.random() }))",
            },
            {
              name: "each",
              needs: ["list"],
              strategy: { matrix: { of: "${{ tasks.list.result }}" }, fail_fast: false },
              script: `${SLEEP} export default async ({ n, salt }, { run }) => { await sleep(run === 1 ? 0 : 40); if (n % 2 === 1 && run === 1) throw new Error("no"); return [n, salt, Math.random()]; }`,
              inputs: "${{ matrix.of }}",
            },
            {
              name: "sum",
              needs: ["each"],
              script:
                "export default (all) => all.map(({ matrix, result }) => [result[0], matrix.of.salt === result[1]])",
              inputs: "${{ tasks.each.results }}",
            },
          ],
          { outputs: { sum: "${{ tasks.sum.result }}" }, max_parallel: 3, stop_on_failure: false },
        );
        expect((await client.post(id, "execute")).status, about).toBe(200);
        expect((await client.run(id, 1)).state, about).toBe("failed");
        const retried = await client.post(id, "retry", {}, { prefer: "respond-async" });
        expect(retried.status, about).toBe(202);
        await delay(random.below(RETRY_MS));
        await kill([], downtimes);
        const ended = await client.settled(id, 2);
        expect(ended, `${about}: ${ended.error}`).toMatchObject({
          state: "completed",
          outputs: { sum: Array.from({ length: 8 }, (_, n) => [n, true]) },
          reused_tasks: 5,
        });
        for (const name of ["list", "each[0]", "each[2]", "each[4]", "each[6]"]) {
          const [before, after] = [await client.step(id, 1, name), await client.step(id, 2, name)];
          expect(after, `${about} ${name}`).toMatchObject({
            reused_from: 1,
            result: before.result,
          });
        }
        const events = await client.events(id, 2);
        expectOnce(events, about);
        const ran = new Set(events.flatMap(({ step }) => (step ? [String(step)] : [])));
        expect([...ran].sort(), about).toEqual([
          "each",
          ...[1, 3, 5, 7].map((n) => `each[${n}]`),
          "sum",
        ]);
      }
      console.log(
        `pipeline crash: ${RETRIES} retries, as many kills; kill to answering again ${summary(downtimes)}`,
      );
    },
    TIMEOUT_MS,
  );
});
