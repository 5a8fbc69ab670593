/** Invokes one warm TypeScript skill a call, beside a task of the same script, and counts afterwards. */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { table } from "../scripts/demo/display.ts";
import { Api } from "../scripts/lib/api.ts";
import { withService } from "./fixture.ts";
import { type Call, load, type Measurement, medianOf } from "./load.ts";
import { showProgress } from "./progress.ts";
import { taskCall } from "./tasks.ts";

/** Clients at a time, and the calls of one measurement. */
const LOADS = [
  { clients: 1, requests: 1_000 },
  { clients: 16, requests: 1_600 },
  { clients: 64, requests: 2_400 },
];
/** Sixteen for each of the 64 objects that invocations spread over, so that all of them are warm. */
const WARM_UP_REQUESTS = 1_024;
const BURST = 64;
/** The counts of a skill follow its invocations by a projection. */
const COUNTED_WITHIN_MS = 30_000;
const POLL_MS = 50;
const SLUG = "bench-fib";

const countsSchema = z.object({
  invocation_count: z.number(),
  success_count: z.number(),
  failure_count: z.number(),
  success_rate: z.number(),
  avg_duration_ms: z.number(),
});
type Counts = z.output<typeof countsSchema>;

export interface SkillFigures {
  readonly comparisons: readonly { readonly skill: Measurement; readonly task: Measurement }[];
  /** So many at once, and what the skill's counts rose by. */
  readonly burst: { readonly invocations: number; readonly counted: number };
  /** Over all that was measured. */
  readonly total: { readonly invocations: number; readonly counts: Counts };
}

class SkillBench {
  readonly #api: Api;
  readonly #call: Call;
  readonly #task: Call;
  #completed = 0;

  constructor(url: string, key: string) {
    this.#api = new Api(url, key);
    this.#task = taskCall(url, key);
    this.#call = {
      ...this.#task,
      url: `${url}/api/v1/skills/${SLUG}/invoke`,
      body: JSON.stringify({ inputs: { n: 10 } }),
      check: (status, body) => {
        const invocation: unknown = status === 200 ? JSON.parse(body) : null;
        if (Object(invocation).state !== "completed" || Object(invocation).outputs?.fib !== 55) {
          throw new Error(`An invocation did not complete: ${status} ${body.slice(0, 500)}`);
        }
        this.#completed += 1;
      },
    };
  }

  async measure(runs: number): Promise<SkillFigures> {
    await this.#create();
    showProgress("skills", "warm-up");
    await load(this.#call, 4, WARM_UP_REQUESTS);
    await load(this.#task, 4, WARM_UP_REQUESTS);
    const comparisons = [];
    for (const { clients, requests } of LOADS) {
      const measured: { skill: Measurement; task: Measurement }[] = [];
      for (let run = 1; run <= runs; run += 1) {
        showProgress("skills", `${clients} clients, run ${run}/${runs}`);
        // Side by side, so that a slow moment of the machine meets both.
        const task = await load(this.#task, clients, requests);
        measured.push({ task, skill: await load(this.#call, clients, requests) });
      }
      comparisons.push({
        skill: medianOf(measured.map(({ skill }) => skill)),
        task: medianOf(measured.map(({ task }) => task)),
      });
    }
    showProgress("skills", "counts");
    const before = await this.#counted();
    // Those that open the connections are the burst.
    await load(this.#call, BURST, 0);
    const counts = await this.#counted();
    return {
      comparisons,
      burst: {
        invocations: BURST,
        counted: counts.invocation_count - before.invocation_count,
      },
      total: { invocations: this.#completed, counts },
    };
  }

  async #create(): Promise<void> {
    const fib = "const fib = (n: number): number => (n < 2 ? n : fib(n - 1) + fib(n - 2));";
    const response = await this.#api.call("POST", "/skills", {
      json: {
        ...{ name: "Fibonacci", slug: SLUG, category: "execution" },
        implementation: {
          type: "typescript",
          script: `${fib}\nexport default ({ n }: { n: number }) => ({ fib: fib(n) });`,
        },
        inputs: {
          type: "object",
          properties: { n: { type: "integer", minimum: 0 } },
          required: ["n"],
        },
        outputs: {
          type: "object",
          properties: { fib: { type: "integer" } },
          required: ["fib"],
        },
      },
    });
    await response.body?.cancel();
  }

  /** The skill's counts once they have all that completed, or after a while as they are. */
  async #counted(): Promise<Counts> {
    const until = performance.now() + COUNTED_WITHIN_MS;
    for (;;) {
      const response = await this.#api.call("GET", `/skills/${SLUG}`);
      const counts = countsSchema.parse(await response.json());
      // One is counted when it is seen first, and as a success when its end is.
      const ended = counts.success_count + counts.failure_count;
      if (ended >= this.#completed || performance.now() > until) return counts;
      await delay(POLL_MS);
    }
  }
}

export async function measureSkills(runs: number): Promise<SkillFigures> {
  showProgress("skills", "start");
  return withService({}, ({ url, key }) => new SkillBench(url, key).measure(runs));
}

/** Whether every invocation was counted once. */
export function isExact({ burst, total }: SkillFigures): boolean {
  const { invocation_count, success_count, failure_count } = total.counts;
  return (
    burst.counted === burst.invocations &&
    invocation_count === total.invocations &&
    success_count === total.invocations &&
    failure_count === 0
  );
}

const cells = (name: string, { clients, p50_ms, p99_ms, per_second }: Measurement) => [
  name,
  String(clients),
  `${p50_ms.toFixed(1)} ms`,
  `${p99_ms.toFixed(1)} ms`,
  `${per_second.toFixed(0)}/s`,
];

export function skillsTable({ comparisons }: SkillFigures): string {
  const rows = comparisons.flatMap(({ skill, task }) => [
    cells("invoke a skill", skill),
    cells("create + execute a task", task),
  ]);
  return table(["workload", "clients", "p50", "p99", "throughput"], rows);
}

export function skillsNotes({ burst, total }: SkillFigures): string[] {
  const { invocation_count, success_count, avg_duration_ms } = total.counts;
  return [
    `${burst.invocations} at once raise the skill's count by ${burst.counted}.`,
    `${total.invocations} invocations in all: ${invocation_count} are counted, ${success_count} as successes, with a mean of ${avg_duration_ms.toFixed(1)} ms.`,
  ];
}
