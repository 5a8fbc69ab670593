/** Creates and executes one warm local task a call, beside a bare Hono route in the same runtime. */
import { access, constants } from "node:fs/promises";
import { table } from "../scripts/demo/display.ts";
import { bareCompanion, companionUrl } from "./companions.ts";
import { withService } from "./fixture.ts";
import { type Call, load, type Measurement, medianOf } from "./load.ts";
import { showProgress } from "./progress.ts";

/** Clients at a time, and the calls of one measurement. */
const LOADS = [
  { clients: 1, requests: 1_000 },
  { clients: 16, requests: 1_600 },
  { clients: 64, requests: 2_400 },
];
/** Sixteen for each of the 64 objects that the tasks spread over, so that all of them are warm. */
const WARM_UP_REQUESTS = 1_024;
/** Linux has a file system in memory here. */
const RAM_DISK = "/dev/shm";

export interface Comparison {
  readonly clients: number;
  readonly task: Measurement;
  readonly bare: Measurement;
  /** The task's median latency in terms of the bare route's. */
  readonly p50_ratio: number;
}

export interface TaskFigures {
  readonly comparisons: readonly Comparison[];
  /**
   * The same with the state in memory; null where there is no RAM disk. A task waits for two commits
   * that are on the disk, and the bare route for none: what is left without the disk is the service.
   */
  readonly ram_disk_comparisons: readonly Comparison[] | null;
}

export function taskCall(url: string, key: string): Call {
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

function bareCall(url: string): Call {
  return {
    url: `${url}/`,
    method: "GET",
    headers: {},
    body: null,
    check(status) {
      if (status !== 200) throw new Error(`The bare route answered ${status}.`);
    },
  };
}

async function compare(task: Call, bare: Call, title: string, runs: number): Promise<Comparison[]> {
  showProgress(title, "warm-up");
  await load(task, 4, WARM_UP_REQUESTS);
  await load(bare, 4, WARM_UP_REQUESTS);
  const comparisons: Comparison[] = [];
  for (const { clients, requests } of LOADS) {
    const measured: { task: Measurement; bare: Measurement }[] = [];
    for (let run = 1; run <= runs; run += 1) {
      showProgress(title, `${clients} clients, run ${run}/${runs}`);
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

async function compareIn(title: string, runs: number, folder?: string): Promise<Comparison[]> {
  showProgress(title, "start");
  const companion = await bareCompanion();
  return withService({ companions: [companion], ...(folder && { folder }) }, async (service) => {
    const task = taskCall(service.url, service.key);
    return compare(task, bareCall(companionUrl(companion)), title, runs);
  });
}

const isWritable = (folder: string) =>
  access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );

export async function measureTasks(runs: number): Promise<TaskFigures> {
  const comparisons = await compareIn("tasks", runs);
  const ram_disk_comparisons = (await isWritable(RAM_DISK))
    ? await compareIn("tasks, state on a RAM disk", runs, RAM_DISK)
    : null;
  return { comparisons, ram_disk_comparisons };
}

const cells = (name: string, { clients, p50_ms, p99_ms, per_second }: Measurement) => [
  name,
  String(clients),
  `${p50_ms.toFixed(1)} ms`,
  `${p99_ms.toFixed(1)} ms`,
  `${per_second.toFixed(0)}/s`,
];

/** The RAM disk's rows stand beside the bare route of the same minutes. */
export function tasksTable({ comparisons, ram_disk_comparisons }: TaskFigures): string {
  const rowsOf = (compared: readonly Comparison[], suffix: string) =>
    compared.flatMap(({ task, bare, p50_ratio }) => [
      [...cells(`create + execute${suffix}`, task), `${p50_ratio.toFixed(1)} ×`],
      [...cells("bare route", bare), ""],
    ]);
  const rows = [
    ...rowsOf(comparisons, ""),
    ...rowsOf(ram_disk_comparisons ?? [], ", state on a RAM disk"),
  ];
  return table(["workload", "clients", "p50", "p99", "throughput", "p50 ratio"], rows);
}
