/**
 * What neighbours cost a run: the same fan-out with none of them, and with all of them enabled and
 * down, in turns; and how many calls VISLZR is made for runs of several sizes.
 */
import { Agent } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { startFakeVislzr } from "../containers/fakes/vislzr/server.ts";
import { table } from "../scripts/demo/display.ts";
import type { Variables } from "../scripts/lib/dev-vars.ts";
import { freePort } from "../scripts/lib/probe.ts";
import { type MeasuredService, withService } from "./fixture.ts";
import { PipelineClient } from "./pipeline-client.ts";
import { showProgress } from "./progress.ts";
import { median } from "./statistics.ts";
import { layeredName, WORKLOADS, type Workload } from "./workloads.ts";

const COMPARED = "200 steps, fan-out";
const COUNTED = ["1000 steps, fan-out", layeredName(1_000), layeredName(10_000)];
const WARM_UP_RUNS = 5;
/** One after the other, so that couriers are at work on one while the next is measured. */
const RUNS_A_TURN = 10;
/** Share of the time that neighbours which are down may add. */
const GOAL = 0.05;
const CALLS_GOAL = 30;
const TOLD_WITHIN_MS = 120_000;
const POLL_MS = 100;

interface Turn {
  readonly off_ms: number;
  readonly down_ms: number;
}

export interface NeighbourFigures {
  readonly workload: string;
  /** Each time is the mean of `runs_a_turn` runs. */
  readonly turns: readonly Turn[];
  readonly runs_a_turn: number;
  readonly median_off_ms: number;
  readonly median_down_ms: number;
  /** Of the medians. */
  readonly added_share: number;
  readonly goal_share: number;
  readonly vislzr: readonly {
    readonly workload: string;
    readonly calls: number;
    /** From the end of the run until VISLZR has all of it. */
    readonly told_after_ms: number;
    readonly nodes: number;
    readonly relationships: number;
    readonly is_exact: boolean;
  }[];
}

function workloadOf(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found === undefined) throw new Error(`There is no workload "${name}".`);
  return found;
}

/** Nothing listens where these are. */
async function allDown(): Promise<Variables> {
  const url = `http://127.0.0.1:${await freePort()}`;
  return {
    ...{ COMMANDCENTRAL_ENABLED: "true", COMMANDCENTRAL_URL: url, COMMANDCENTRAL_TOKEN: "none" },
    ...{ COMMANDCENTRAL_AUDIT_PATH: "/api/v1/events/", COMMANDCENTRAL_STATE_TRACKER: "true" },
    ...{ VISLZR_ENABLED: "true", VISLZR_URL: url, IDEALZR_ENABLED: "true", IDEALZR_URL: url },
  };
}

/** Creates the pipeline of a workload and warms it up; returns what runs it. */
async function prepare(agent: Agent, { url, key }: MeasuredService, workload: Workload) {
  const client = new PipelineClient(agent, url, key);
  const { name, steps } = workload;
  const id = await client.create(name, steps);
  const run = () => client.run(id, steps.length);
  for (let warmUp = 1; warmUp <= WARM_UP_RUNS; warmUp += 1) await run();
  return run;
}

async function meanOf(run: () => Promise<number>): Promise<number> {
  let sum = 0;
  for (let each = 1; each <= RUNS_A_TURN; each += 1) sum += await run();
  return sum / RUNS_A_TURN;
}

async function compare(runs: number): Promise<Turn[]> {
  const workload = workloadOf(COMPARED);
  const agent = new Agent({ keepAlive: true });
  const turns: Turn[] = [];
  try {
    await withService({}, (off) =>
      allDown().then((variables) =>
        withService({ variables }, async (down) => {
          showProgress("neighbours", "warm-up");
          const runOff = await prepare(agent, off, workload);
          const runDown = await prepare(agent, down, workload);
          for (let run = 1; run <= runs; run += 1) {
            showProgress("neighbours", `turn ${run}/${runs}`);
            // Each goes first as often as the other.
            const isFirst = run % 2 === 1;
            const first = await meanOf(isFirst ? runOff : runDown);
            const second = await meanOf(isFirst ? runDown : runOff);
            turns.push({
              off_ms: isFirst ? first : second,
              down_ms: isFirst ? second : first,
            });
          }
        }),
      ),
    );
  } finally {
    agent.destroy();
  }
  return turns;
}

/** Runs a workload once beside a VISLZR that answers. */
async function count(workload: Workload): Promise<NeighbourFigures["vislzr"][number]> {
  const { name, steps } = workload;
  showProgress("neighbours", name);
  const vislzr = await startFakeVislzr();
  const agent = new Agent({ keepAlive: true });
  const needs = steps.reduce((sum, step) => sum + step.needs.length, 0);
  // The pipeline and its run are nodes as well, and each node but the pipeline is contained once.
  const [nodes, relationships] = [steps.length + 2, steps.length + 1 + needs];
  try {
    const variables = { VISLZR_ENABLED: "true", VISLZR_URL: vislzr.url };
    return await withService({ variables }, async ({ url, key }) => {
      const client = new PipelineClient(agent, url, key);
      await client.run(await client.create(name, steps), steps.length);
      const began = performance.now();
      const isTold = () => vislzr.relationships.size >= relationships;
      while (!isTold() && performance.now() - began < TOLD_WITHIN_MS) await delay(POLL_MS);
      return {
        ...{ workload: name, calls: vislzr.calls.length },
        told_after_ms: performance.now() - began,
        ...{ nodes: vislzr.nodes.size, relationships: vislzr.relationships.size },
        is_exact: vislzr.nodes.size === nodes && vislzr.relationships.size === relationships,
      };
    });
  } finally {
    agent.destroy();
    await vislzr.stop();
  }
}

export async function measureNeighbours(runs: number): Promise<NeighbourFigures> {
  showProgress("neighbours", "start");
  const turns = await compare(runs);
  const median_off_ms = median(turns.map(({ off_ms }) => off_ms));
  const median_down_ms = median(turns.map(({ down_ms }) => down_ms));
  const vislzr = [];
  for (const name of COUNTED) vislzr.push(await count(workloadOf(name)));
  const added_share = median_down_ms / median_off_ms - 1;
  const medians = { median_off_ms, median_down_ms, added_share, goal_share: GOAL };
  return { workload: COMPARED, runs_a_turn: RUNS_A_TURN, turns, ...medians, vislzr };
}

const ms = (value: number) => `${value.toFixed(0)} ms`;

export function neighboursTable({ vislzr }: NeighbourFigures): string {
  return table(
    ["a run", "calls to VISLZR", "told after its end", "nodes", "relationships", ""],
    vislzr.map(({ workload, calls, told_after_ms, nodes, relationships, is_exact }) => [
      ...[workload, String(calls), ms(told_after_ms), String(nodes), String(relationships)],
      is_exact ? "exact" : "NOT EXACT",
    ]),
  );
}

export function neighboursNotes(figures: NeighbourFigures): string[] {
  const { workload, median_off_ms, median_down_ms, added_share, vislzr } = figures;
  const share = `${(Math.abs(added_share) * 100).toFixed(1)} % ${added_share < 0 ? "less" : "more"}`;
  const [first] = vislzr;
  return [
    `${workload}: ${ms(median_off_ms)} with no neighbour, ${ms(median_down_ms)} with all of them down: ${share} (${added_share <= GOAL ? "within" : "MORE THAN"} ${GOAL * 100} %).`,
    `${first?.workload}: ${first?.calls} calls (${(first?.calls ?? 0) <= CALLS_GOAL ? "within" : "MORE THAN"} ${CALLS_GOAL}).`,
  ];
}

export function isToldExactly({ vislzr }: NeighbourFigures): boolean {
  return vislzr.every(({ is_exact }) => is_exact);
}
