/** The pipelines that are measured, and the figures that they are held to. */

export interface Step {
  readonly name: string;
  readonly script: string;
  readonly needs: readonly string[];
}

/** What is asked of a workload; null where nothing is. */
export interface Goal {
  readonly median_ms: number | null;
  /** So many times as fast as Workflows, in the same run. */
  readonly workflows_ratio: number | null;
}

export interface Workload {
  readonly name: string;
  readonly steps: readonly Step[];
  /** The same work as a Workflow; null where it is measured alone. */
  readonly workflow: "sequential" | "fan_out" | null;
  readonly goal: Goal;
  /** Runs that are measured at most: a long one repeats itself less. */
  readonly max_runs: number;
}

const FIB =
  "const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));\nexport default () => fib(10);";
const NULL = "export default () => null;";
/** As JSON, with its two quotes, 64 KiB. */
const TEXT_OF_64_KIB = `export default () => "x".repeat(${64 * 1024 - 2});`;

export const RESULT_64_KIB_BYTES = 64 * 1024;
const NEEDS_OF_A_STEP = 3;
const SEVERAL_RUNS = 10;
const FEW_RUNS = 3;

const nameOf = (index: number) => `s${index}`;

const sequence = (count: number): Step[] =>
  Array.from({ length: count }, (_, index) => ({
    name: nameOf(index),
    script: FIB,
    needs: index === 0 ? [] : [nameOf(index - 1)],
  }));

const fanOut = (count: number): Step[] =>
  Array.from({ length: count }, (_, index) => ({ name: nameOf(index), script: FIB, needs: [] }));

/**
 * As many layers as a layer has steps, whatever their number, so that only the size differs. Each
 * step needs three of the layer before, spread over it.
 */
export function square(count: number, script: string): Step[] {
  const layers = Math.round(Math.sqrt(count));
  const firstOf = (layer: number) => Math.ceil((layer * count) / layers);
  const steps: Step[] = [];
  for (let layer = 0; layer < layers; layer += 1) {
    const first = firstOf(layer);
    const firstBefore = layer === 0 ? first : firstOf(layer - 1);
    const widthBefore = first - firstBefore;
    const spread = Math.floor(widthBefore / NEEDS_OF_A_STEP);
    for (let index = first; index < firstOf(layer + 1); index += 1) {
      const needs = Array.from(
        { length: widthBefore === 0 ? 0 : NEEDS_OF_A_STEP },
        (_, need) => firstBefore + ((index - first + need * spread) % widthBefore),
      );
      steps.push({ name: nameOf(index), script, needs: needs.map(nameOf) });
    }
  }
  return steps;
}

const NO_GOAL: Goal = { median_ms: null, workflows_ratio: null };
const within = (median_ms: number, workflows_ratio: number | null = null): Goal => ({
  median_ms,
  workflows_ratio,
});

/** Sizes of the layered pipeline; the growth of its cost is told from all three. */
export const LAYERED_SIZES = [100, 1_000, 10_000] as const;
export const layeredName = (size: number): string => `${size} steps in layers`;
/** The last may cost so many times as much a step, from 1,000 to 10,000, as from 100 to 1,000. */
export const MARGINAL_COST_GOAL = 1.5;

export const WORKLOADS: readonly Workload[] = [
  {
    name: "40 steps, sequential",
    steps: sequence(40),
    workflow: "sequential",
    goal: within(100, 3),
    max_runs: SEVERAL_RUNS,
  },
  {
    name: "200 steps, fan-out",
    steps: fanOut(200),
    workflow: "fan_out",
    goal: within(250, 3),
    max_runs: SEVERAL_RUNS,
  },
  {
    name: "1000 steps, fan-out",
    steps: fanOut(1_000),
    workflow: "fan_out",
    goal: within(1_000),
    max_runs: SEVERAL_RUNS,
  },
  {
    name: "1000 steps, sequential",
    steps: sequence(1_000),
    workflow: "sequential",
    goal: within(2_000),
    max_runs: SEVERAL_RUNS,
  },
  ...LAYERED_SIZES.map((size) => ({
    name: layeredName(size),
    steps: square(size, NULL),
    workflow: null,
    goal: size === 10_000 ? within(10_000) : NO_GOAL,
    max_runs: size === 10_000 ? FEW_RUNS : SEVERAL_RUNS,
  })),
  {
    name: "10000 steps in layers, 64 KiB each",
    steps: square(10_000, TEXT_OF_64_KIB),
    workflow: null,
    goal: NO_GOAL,
    max_runs: 1,
  },
];
