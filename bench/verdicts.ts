/** Holds the figures of pipelines against their goals, and lays them out. */
import { table } from "../scripts/demo/display.ts";
import type { PipelineFigures } from "./pipelines.ts";
import {
  LAYERED_SIZES,
  layeredName,
  MARGINAL_COST_GOAL,
  RESULT_64_KIB_BYTES,
  WORKLOADS,
} from "./workloads.ts";

const BYTES_OF_A_MIB = 1024 * 1024;

export interface Verdict {
  readonly workload: string;
  readonly workflows_ratio: number | null;
  readonly isolated_ratio: number | null;
  /** Null where nothing is asked. */
  readonly held: boolean | null;
}

export interface Growth {
  /** What a further step costs, from the first to the second size and from there to the last. */
  readonly to_1000_ms_per_step: number;
  readonly to_10000_ms_per_step: number;
  readonly ratio: number;
  readonly held: boolean;
}

const goalOf = (name: string) => WORKLOADS.find((workload) => workload.name === name)?.goal;

export function judge(figures: PipelineFigures): Verdict {
  const { workload, pipelzr, workflows, isolated_workflows: isolated, failure } = figures;
  const ratio = pipelzr && workflows && workflows.median_ms / pipelzr.median_ms;
  const isolated_ratio = pipelzr && isolated && isolated.median_ms / pipelzr.median_ms;
  const { median_ms = null, workflows_ratio = null } = goalOf(workload) ?? {};
  const held = [
    ...(median_ms === null || !pipelzr ? [] : [pipelzr.median_ms <= median_ms]),
    ...(workflows_ratio === null || ratio === null ? [] : [ratio >= workflows_ratio]),
  ];
  const ratios = { workflows_ratio: ratio, isolated_ratio };
  if (failure !== null) return { workload, ...ratios, held: false };
  return { workload, ...ratios, held: held.length === 0 ? null : held.every(Boolean) };
}

/** How the cost of a step grows with their number; null when a size has no figure. */
export function growthOf(figures: readonly PipelineFigures[]): Growth | null {
  const medianOf = (size: number) =>
    figures.find((figure) => figure.workload === layeredName(size))?.pipelzr?.median_ms;
  const [small, middle, large] = LAYERED_SIZES;
  const [ofSmall, ofMiddle, ofLarge] = LAYERED_SIZES.map(medianOf);
  if (ofSmall === undefined || ofMiddle === undefined || ofLarge === undefined) return null;
  const to_1000_ms_per_step = (ofMiddle - ofSmall) / (middle - small);
  const to_10000_ms_per_step = (ofLarge - ofMiddle) / (large - middle);
  const ratio = to_10000_ms_per_step / to_1000_ms_per_step;
  return { to_1000_ms_per_step, to_10000_ms_per_step, ratio, held: ratio <= MARGINAL_COST_GOAL };
}

const milliseconds = (value: number | null | undefined) =>
  value === null || value === undefined ? "" : `${value.toFixed(value < 100 ? 1 : 0)} ms`;
const mebibytes = (bytes: number | undefined) =>
  bytes === undefined ? "" : `${(bytes / BYTES_OF_A_MIB).toFixed(0)} MiB`;
const times = (ratio: number | null) => (ratio === null ? "" : `${ratio.toFixed(1)} ×`);
const yesOrNo = (held: boolean | null) => (held === null ? "" : held ? "held" : "missed");

function goalText(workload: string): string {
  const { median_ms = null, workflows_ratio = null } = goalOf(workload) ?? {};
  const parts = [
    ...(median_ms === null ? [] : [`≤ ${median_ms} ms`]),
    ...(workflows_ratio === null ? [] : [`≥ ${workflows_ratio} ×`]),
  ];
  return parts.join(", ");
}

export function timesTable(figures: readonly PipelineFigures[]): string {
  const rows = figures.map((figure) => {
    const { workflows_ratio, isolated_ratio, held } = judge(figure);
    return [
      figure.workload,
      figure.failure === null ? milliseconds(figure.pipelzr?.median_ms) : "failed",
      milliseconds(figure.workflows?.median_ms),
      times(workflows_ratio),
      milliseconds(figure.isolated_workflows?.median_ms),
      times(isolated_ratio),
      goalText(figure.workload),
      yesOrNo(held),
    ];
  });
  const headings = [
    "workload",
    "PIPELZR",
    "Workflows",
    "ratio",
    "in isolates",
    "ratio",
    "goal",
    "",
  ];
  return table(headings, rows);
}

export function memoryTable(figures: readonly PipelineFigures[]): string {
  const rows = figures.map(({ workload, memory, health_ms }) => [
    workload,
    mebibytes(memory?.before_bytes),
    mebibytes(memory?.peak_bytes),
    memory === null ? "" : mebibytes(memory.peak_bytes - memory.before_bytes),
    milliseconds(health_ms),
  ]);
  const headings = ["memory of the runtime", "before", "peak", "grown by", "/health at most"];
  return table(headings, rows);
}

/** Sentences that the tables have no place for. */
export function notes(figures: readonly PipelineFigures[]): string[] {
  const growth = growthOf(figures);
  const stored = mebibytes(RESULT_64_KIB_BYTES * LAYERED_SIZES[2]);
  return [
    ...(growth === null
      ? []
      : [
          `A further step costs ${growth.to_10000_ms_per_step.toFixed(2)} ms from 1000 to 10000 steps, ` +
            `${growth.to_1000_ms_per_step.toFixed(2)} ms from 100 to 1000: ${growth.ratio.toFixed(2)} × ` +
            `(goal ≤ ${MARGINAL_COST_GOAL} ×, ${yesOrNo(growth.held)}).`,
        ]),
    `The results of 64 KiB in every step are ${stored} in all.`,
    "A step of PIPELZR runs code of its user in an isolate. The first Workflow calls a function of its own, the second",
    "one runs the same code in an isolate, too. The goal is held against the first.",
    ...figures.flatMap(({ workload, failure }) =>
      failure === null ? [] : [`${workload} failed: ${failure}`],
    ),
  ];
}
