/** Runs every pipeline of `workloads.ts` warm, each beside the same steps as a Cloudflare Workflow. */
import { Agent } from "node:http";
import type { Companion } from "../scripts/lib/host-protocol.ts";
import { companionUrl, workflowsCompanion } from "./companions.ts";
import { type MeasuredService, withService } from "./fixture.ts";
import { ask } from "./http.ts";
import { watchHealth } from "./liveness.ts";
import { type MemoryUse, watchMemory } from "./memory.ts";
import { PipelineClient } from "./pipeline-client.ts";
import { showProgress } from "./progress.ts";
import { median } from "./statistics.ts";
import { WORKLOADS, type Workload } from "./workloads.ts";

/** Not measured: the first starts the isolate, the second lets it be optimized. */
const WARM_UP_RUNS = 2;

/**
 * A Workflow of 1,000 steps may keep the runtime from answering for longer than the supervisor bears
 * of the service; its runtime is not killed for that.
 */
const WATCHDOG_BESIDE_A_WORKFLOW_MS = 30_000;

export interface Series {
  readonly median_ms: number;
  readonly fastest_ms: number;
  readonly slowest_ms: number;
  readonly runs: number;
}

export interface PipelineFigures {
  readonly workload: string;
  readonly steps: number;
  readonly pipelzr: Series | null;
  /** Null where it is not compared. */
  readonly workflows: Series | null;
  /** As `workflows`, with the code of each step in an isolate. */
  readonly isolated_workflows: Series | null;
  readonly memory: MemoryUse | null;
  /** The longest that `/health` took meanwhile; null where a Workflow runs beside. */
  readonly health_ms: number | null;
  /** Why there are no figures; null when there are. */
  readonly failure: string | null;
}

type Run = () => Promise<number>;

function seriesOf(times: readonly number[]): Series | null {
  if (times.length === 0) return null;
  return {
    median_ms: median(times),
    fastest_ms: Math.min(...times),
    slowest_ms: Math.max(...times),
    runs: times.length,
  };
}

async function runWorkflow(
  agent: Agent,
  url: string,
  { workflow, steps }: Workload,
  isolated: boolean,
) {
  const answer = await ask(agent, {
    url: `${url}/${workflow}/${steps.length}${isolated ? "?isolated" : ""}`,
    method: "POST",
    headers: {},
    body: null,
  });
  const event: unknown = answer.status === 200 ? JSON.parse(answer.body).event : null;
  if (Object(event).type !== "workflow_completed" || Object(event).output !== steps.length) {
    throw new Error(`A Workflow did not complete: ${answer.status} ${answer.body.slice(0, 500)}`);
  }
  return answer.took_ms;
}

async function measure(
  workload: Workload,
  runs: number,
  service: MeasuredService,
  companion: Companion | null,
): Promise<PipelineFigures> {
  const { name, steps } = workload;
  // A connection each, opened by the warm-up and kept.
  const agent = new Agent({ keepAlive: true });
  try {
    showProgress(name, "create");
    const client = new PipelineClient(agent, service.url, service.key);
    const id = await client.create(name, steps);
    const runPipeline: Run = () => client.run(id, steps.length);
    const yardstick = (isolated: boolean): Run | null =>
      companion && (() => runWorkflow(agent, companionUrl(companion), workload, isolated));
    const runYardstick = yardstick(false);
    const runIsolated = yardstick(true);
    const warmUps = workload.max_runs === 1 ? 0 : WARM_UP_RUNS;
    for (let run = 1; run <= warmUps; run += 1) {
      showProgress(name, `warm-up ${run}/${warmUps}`);
      await runYardstick?.();
      await runIsolated?.();
      await runPipeline();
    }
    const ofPipeline: number[] = [];
    const ofYardstick: number[] = [];
    const ofIsolated: number[] = [];
    let memory: MemoryUse | null = null;
    let health_ms: number | null = null;
    for (let run = 1; run <= runs; run += 1) {
      showProgress(name, `run ${run}/${runs}`);
      // Side by side, so that a slow moment of the machine meets both.
      if (runYardstick) ofYardstick.push(await runYardstick());
      if (runIsolated) ofIsolated.push(await runIsolated());
      const memoryOfRun = await watchMemory(service.runtime);
      const healthOfRun = runYardstick ? null : watchHealth(service.url);
      ofPipeline.push(await runPipeline());
      if (healthOfRun) health_ms = Math.max(health_ms ?? 0, await healthOfRun());
      const used = await memoryOfRun();
      if (used && used.peak_bytes > (memory?.peak_bytes ?? 0)) memory = used;
    }
    return {
      workload: name,
      steps: steps.length,
      pipelzr: seriesOf(ofPipeline),
      workflows: seriesOf(ofYardstick),
      isolated_workflows: seriesOf(ofIsolated),
      memory,
      health_ms,
      failure: null,
    };
  } finally {
    agent.destroy();
  }
}

async function measureOnItsOwn(workload: Workload, runs: number): Promise<PipelineFigures> {
  const companion = workload.workflow && (await workflowsCompanion());
  try {
    const options = companion
      ? { companions: [companion], watchdogMs: WATCHDOG_BESIDE_A_WORKFLOW_MS }
      : {};
    return await withService(options, (service) => measure(workload, runs, service, companion));
  } catch (error) {
    const { name, steps } = workload;
    const failure = error instanceof Error ? error.message : String(error);
    const none = {
      pipelzr: null,
      workflows: null,
      isolated_workflows: null,
      memory: null,
      health_ms: null,
    };
    return { workload: name, steps: steps.length, ...none, failure };
  }
}

/**
 * Measures every workload whose name contains `only`, each with a service of its own, so that none
 * inherits another's memory, and none loses its figures by another's failure.
 */
export async function measurePipelines(maxRuns: number, only: string): Promise<PipelineFigures[]> {
  const figures: PipelineFigures[] = [];
  for (const workload of WORKLOADS.filter(({ name }) => name.includes(only))) {
    showProgress(workload.name, "start");
    figures.push(await measureOnItsOwn(workload, Math.min(maxRuns, workload.max_runs)));
  }
  return figures;
}
