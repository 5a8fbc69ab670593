/**
 * `npm run bench`: creates and executes one warm local task a call, beside a bare Hono route in the
 * same runtime, and says how the two compare. `--runs N` repeats each measurement N times (5).
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { type Call, load, type Measurement, medianOf } from "../bench/load.ts";
import { table } from "./demo/display.ts";
import { freshDevVars } from "./lib/dev-vars.ts";
import { rootPath } from "./lib/paths.ts";
import { freePort } from "./lib/probe.ts";
import { prepareService } from "./lib/service.ts";

/** Clients at a time, and the calls of one measurement. */
const LOADS = [
  { clients: 1, requests: 1_000 },
  { clients: 16, requests: 1_600 },
  { clients: 64, requests: 2_400 },
];
/** Sixteen for each of the 64 objects that the tasks spread over, so that all of them are warm. */
const WARM_UP_REQUESTS = 1_024;

const { values: options } = parseArgs({ options: { runs: { type: "string", default: "5" } } });
const runs = Math.max(1, Number(options.runs) || 1);

async function bareWorker(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [rootPath("bench/bare.ts")],
    bundle: true,
    format: "esm",
    minify: true,
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

function taskCall(url: string, key: string): Call {
  const fib = "const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));";
  return {
    url: `${url}/api/v1/tasks`,
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      prefer: "wait=30",
    },
    body: JSON.stringify({
      name: "bench",
      script: `${fib}\nexport default (n) => fib(n);`,
      inputs: 10,
      execute: true,
    }),
    check(status, body) {
      const task: unknown = status === 201 ? JSON.parse(body) : null;
      if (Object(task).state !== "completed" || Object(task).result !== 55) {
        throw new Error(`A task did not complete: ${status} ${body.slice(0, 500)}`);
      }
    },
  };
}

function bareCall(port: number): Call {
  return {
    url: `http://127.0.0.1:${port}/`,
    method: "GET",
    headers: {},
    body: null,
    check(status) {
      if (status !== 200) throw new Error(`The bare route answered ${status}.`);
    },
  };
}

interface Comparison {
  readonly clients: number;
  readonly task: Measurement;
  readonly bare: Measurement;
  /** The task's median latency in terms of the bare route's. */
  readonly p50_ratio: number;
}

async function compare(task: Call, bare: Call): Promise<Comparison[]> {
  await load(task, 4, WARM_UP_REQUESTS);
  await load(bare, 4, WARM_UP_REQUESTS);
  const comparisons: Comparison[] = [];
  for (const { clients, requests } of LOADS) {
    const measured: { task: Measurement; bare: Measurement }[] = [];
    for (let run = 0; run < runs; run += 1) {
      // Side by side, so that a slow moment of the machine meets both.
      const ofBare = await load(bare, clients, requests);
      const ofTask = await load(task, clients, requests);
      measured.push({ task: ofTask, bare: ofBare });
    }
    const ofTask = medianOf(measured.map((run) => run.task));
    const ofBare = medianOf(measured.map((run) => run.bare));
    const p50_ratio = ofTask.p50_ms / ofBare.p50_ms;
    comparisons.push({ clients, task: ofTask, bare: ofBare, p50_ratio });
  }
  return comparisons;
}

function print(comparisons: readonly Comparison[]): void {
  const cells = (name: string, { clients, p50_ms, p99_ms, per_second }: Measurement) => [
    name,
    String(clients),
    `${p50_ms.toFixed(1)} ms`,
    `${p99_ms.toFixed(1)} ms`,
    `${per_second.toFixed(0)}/s`,
  ];
  const rows = comparisons.flatMap(({ task, bare, p50_ratio }) => [
    [...cells("create + execute", task), `${p50_ratio.toFixed(1)} ×`],
    [...cells("bare route", bare), ""],
  ]);
  console.log(table(["workload", "clients", "p50", "p99", "throughput", "p50 ratio"], rows));
}

async function main(): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), "pipelzr-bench-"));
  const variables = freshDevVars();
  const barePort = await freePort();
  const service = await prepareService({
    hostname: "127.0.0.1",
    port: await freePort(),
    data,
    variables: { ...variables, RATE_LIMIT_REQUESTS: "1000000000" },
    companions: [{ name: "bare", script: await bareWorker(), port: barePort }],
    onOutput: (text) => process.stderr.write(text),
  });
  try {
    await service.start();
    const machine = { cpu: cpus()[0]?.model.trim() ?? "unknown", cores: cpus().length };
    console.log(`${machine.cpu}, ${machine.cores} cores; median of ${runs} runs\n`);
    const call = taskCall(service.url, variables.PIPELZR_DEV_API_KEY);
    const comparisons = await compare(call, bareCall(barePort));
    print(comparisons);
    const results = rootPath("bench/results");
    await mkdir(results, { recursive: true });
    const file = join(results, "tasks.json");
    const record = { measured_at: new Date().toISOString(), machine, runs, comparisons };
    await writeFile(file, `${JSON.stringify(record, null, 2)}\n`);
    console.log("\nWritten to bench/results/tasks.json.");
  } finally {
    await service.stop();
    await rm(data, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`pipelzr: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
