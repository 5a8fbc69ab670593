/**
 * What a companion runner adds: how soon its attempts start, how soon their output is seen, how soon
 * they stop, and what becomes of them when a runner hangs. The runners are real processes beside the
 * service; what is timed are the service's own events, or what a client of it sees.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { z } from "zod";
import { table } from "../scripts/demo/display.ts";
import { Client, type TaskEvent } from "../scripts/lib/client.ts";
import { LocalRunner } from "../scripts/lib/local-runner.ts";
import { companionUrl, queueCompanion } from "./companions.ts";
import { type MeasuredService, withService } from "./fixture.ts";
import { showProgress } from "./progress.ts";
import { quantile } from "./statistics.ts";

const DISPATCHES = 200;
const WARM_UP = 20;
const LINES = 200;
const LINE_PAUSE_SECONDS = 0.02;
const CANCELS = 10;
const BURST_LINES = 100_000;
const SLOTS = 4;
const QUEUE_TASKS = 50;
const QUEUE_TASK_SECONDS = 0.2;

export interface Spread {
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly max_ms: number;
}

export interface ExecutorFigures {
  /** From the commit that makes an attempt ready to the event that it has started. */
  readonly ready_to_started: Spread;
  /** A message of a queue whose consumer does nothing, in the same runtime at the same time. */
  readonly queue_delivery: Spread;
  /** From the write of a line to its event at a subscriber. */
  readonly log_line: Spread;
  /** From the call to the answer that the process is dead. */
  readonly cancel: Spread;
  /** Many short tasks at once on a runner with few slots. */
  readonly queue: {
    readonly tasks: number;
    readonly slots: number;
    readonly task_seconds: number;
    /** From the first call until the last has ended. */
    readonly seconds: number;
    /** The same over what the tasks would take by themselves. */
    readonly times_ideal: number;
  };
  /** From the moment a runner hangs until its attempt has started at another one. */
  readonly redone_ms: number;
  readonly burst: {
    readonly lines: number;
    readonly seconds: number;
    /** Lines that a subscriber did not see, or saw more than once or out of order. */
    readonly wrong: number;
  };
}

const delaysSchema = z.array(z.number());
const atOf = (event: TaskEvent): number => z.coerce.date().parse(event.at).getTime();

function spread(values: readonly number[]): Spread {
  return {
    p50_ms: quantile(values, 0.5),
    p95_ms: quantile(values, 0.95),
    max_ms: Math.max(...values),
  };
}

class Bench {
  readonly #client: Client;
  readonly #queueUrl: string;

  constructor({ url, key }: MeasuredService, queueUrl: string) {
    this.#client = new Client(url, key);
    this.#queueUrl = queueUrl;
  }

  #start(command: string, more: object = {}) {
    const task = { name: "bench", task_type: "subprocess", command, ...more };
    return this.#client.start(task);
  }

  /** Begins a task and resolves once it has printed something. */
  async #begun(command: string): Promise<string> {
    const { id } = await this.#start(command);
    for await (const { type } of this.#client.events(id)) if (type === "log") return id;
    throw new Error("A task ended without having printed anything.");
  }

  async dispatches() {
    const ready: number[] = [];
    for (let n = 0; n < WARM_UP + DISPATCHES; n += 1) {
      showProgress("dispatch", `${n}/${DISPATCHES}`);
      // One after the other, so that both see the machine in the same state.
      await fetch(this.#queueUrl, { method: "POST" });
      const { id } = await this.#start("true");
      let queuedAt = 0;
      for await (const event of this.#client.events(id)) {
        if (event.type === "run.queued") queuedAt = atOf(event);
        if (event.type === "attempt.started") ready.push(atOf(event) - queuedAt);
      }
    }
    const delays = delaysSchema.parse(await (await fetch(this.#queueUrl)).json());
    return {
      ready_to_started: spread(ready.slice(WARM_UP)),
      queue_delivery: spread(delays.slice(WARM_UP)),
    };
  }

  /** Lines that say when they were written, as a subscriber sees them. */
  async logLines(): Promise<Spread> {
    showProgress("log lines");
    const loop = `for n in $(seq ${LINES}); do date +%s%3N; sleep ${LINE_PAUSE_SECONDS}; done`;
    const { id } = await this.#start(loop);
    const delays: number[] = [];
    for await (const event of this.#client.events(id)) {
      if (event.type !== "log") continue;
      const now = Date.now();
      const lines = String(event.text).trim().split("\n");
      delays.push(...lines.map((line) => now - Number(line)));
    }
    if (delays.length !== LINES) throw new Error(`${delays.length} of ${LINES} lines were seen.`);
    return spread(delays);
  }

  async cancels(): Promise<Spread> {
    const times: number[] = [];
    for (let n = 1; n <= CANCELS; n += 1) {
      showProgress("cancel", `${n}/${CANCELS}`);
      const id = await this.#begun("echo up; sleep 600");
      const began = performance.now();
      const { state, error } = await this.#client.cancel(id);
      times.push(performance.now() - began);
      if (state !== "cancelled" || error !== null) throw new Error(`It is ${state}: ${error}`);
    }
    return spread(times);
  }

  async queue(): Promise<ExecutorFigures["queue"]> {
    showProgress(`${QUEUE_TASKS} short tasks`);
    const began = performance.now();
    const one = async () => {
      const { id } = await this.#start(`sleep ${QUEUE_TASK_SECONDS}`);
      for await (const { type } of this.#client.events(id)) if (type === "run.completed") return;
      throw new Error("A short task did not complete.");
    };
    await Promise.all(Array.from({ length: QUEUE_TASKS }, one));
    const seconds = (performance.now() - began) / 1_000;
    const ideal = Math.ceil(QUEUE_TASKS / SLOTS) * QUEUE_TASK_SECONDS;
    const shape = { tasks: QUEUE_TASKS, slots: SLOTS, task_seconds: QUEUE_TASK_SECONDS };
    return { ...shape, seconds, times_ideal: seconds / ideal };
  }

  /** Stops the runner that has a task, as a machine that hangs, once another one is there. */
  async redone(runner: LocalRunner, service: MeasuredService): Promise<number> {
    showProgress("a runner that hangs");
    const id = await this.#begun("echo up; sleep 4");
    return withRunner(service, async () => {
      const { pid } = runner;
      if (pid === null) throw new Error("There is no runner to stop.");
      process.kill(pid, "SIGSTOP");
      const hungAt = Date.now();
      try {
        for await (const event of this.#client.events(id)) {
          const isAnew = event.type === "attempt.started" && atOf(event) > hungAt;
          if (isAnew) return atOf(event) - hungAt;
        }
      } finally {
        process.kill(pid, "SIGCONT");
      }
      throw new Error("The task was not begun anew.");
    });
  }

  async burst() {
    showProgress("100,000 lines");
    const began = performance.now();
    const { id } = await this.#start(`seq ${BURST_LINES}`);
    let text = "";
    for await (const event of this.#client.events(id)) {
      if (event.type === "log") text += String(event.text);
    }
    const seconds = (performance.now() - began) / 1_000;
    const seen = text.split("\n").slice(0, -1);
    let wrong = Math.abs(seen.length - BURST_LINES);
    for (const [index, line] of seen.entries()) if (Number(line) !== index + 1) wrong += 1;
    return { lines: BURST_LINES, seconds, wrong };
  }
}

async function withRunner<T>(
  { url, key }: MeasuredService,
  use: (runner: LocalRunner) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "pipelzr-bench-runner-"));
  let output = "";
  const connected = Promise.withResolvers<void>();
  const runner = new LocalRunner({
    ...{ url, key, folder },
    flags: ["--allow-subprocess", "--no-dagger", "--slots", `${SLOTS}`],
    onOutput(text) {
      output += text;
      if (output.includes("connected to")) connected.resolve();
    },
  });
  try {
    await runner.start();
    await Promise.race([
      connected.promise,
      once(AbortSignal.timeout(30_000), "abort").then(() => {
        throw new Error(`The runner did not connect:\n${output}`);
      }),
    ]);
    return await use(runner);
  } finally {
    await runner.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

export async function measureExecutors(): Promise<ExecutorFigures> {
  showProgress("executors", "start");
  const companion = await queueCompanion();
  const options = { companions: [companion], variables: { SUBPROCESS_ENABLED: "true" } };
  return withService(options, (service) => {
    const bench = new Bench(service, companionUrl(companion));
    return withRunner(service, async (runner) => {
      const dispatches = await bench.dispatches();
      const log_line = await bench.logLines();
      const cancel = await bench.cancels();
      const burst = await bench.burst();
      const queue = await bench.queue();
      const redone_ms = await bench.redone(runner, service);
      return { ...dispatches, log_line, cancel, queue, redone_ms, burst };
    });
  });
}

const cells = (name: string, { p50_ms, p95_ms, max_ms }: Spread) => [
  name,
  ...[p50_ms, p95_ms, max_ms].map((ms) => `${ms.toFixed(0)} ms`),
];

export function executorsTable(figures: ExecutorFigures): string {
  const { ready_to_started, queue_delivery, log_line, cancel } = figures;
  return table(
    ["what", "p50", "p95", "most"],
    [
      cells("ready → started on a runner", ready_to_started),
      cells("of that, a bare queue's delivery", queue_delivery),
      cells("line written → seen by a subscriber", log_line),
      cells("cancel → process dead, confirmed", cancel),
    ],
  );
}

/** The figures that are no spread, in words. */
export function executorsNotes({ queue, redone_ms, burst }: ExecutorFigures): string[] {
  return [
    `${queue.tasks} tasks of ${queue.task_seconds} s at once on ${queue.slots} slots: done in ${queue.seconds.toFixed(1)} s, ${queue.times_ideal.toFixed(2)} × what they take by themselves.`,
    `A runner that hangs: its task has started at another one after ${(redone_ms / 1_000).toFixed(1)} s.`,
    `${burst.lines} lines at once: seen in ${burst.seconds.toFixed(1)} s, ${burst.wrong} of them missing, doubled or out of order.`,
  ];
}
