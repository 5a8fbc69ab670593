interface Step {
  readonly name?: string | null;
  readonly state: string;
  readonly group?: string | null;
  readonly items?: number | null;
  readonly attempt?: number | null;
  readonly reused_from?: number | null;
  readonly cache?: { readonly hit: boolean } | null;
  readonly started_at?: string | null;
  readonly completed_at?: string | null;
  readonly duration_ms?: number | null;
  readonly error?: string | null;
  readonly error_code?: string | null;
}

interface Inputs {
  readonly run: Step & { readonly run?: number | null };
  readonly steps?: readonly Step[] | { readonly items: readonly Step[] } | null;
  /** How many of the slowest steps, and of the failures. */
  readonly top?: number;
}

const DEFAULT_TOP = 5;
const MAX_MESSAGE_CHARS = 300;

export default function summarise({ run, steps, top = DEFAULT_TOP }: Inputs) {
  const all = steps == null ? [run] : "items" in steps ? steps.items : steps;
  // A matrix is counted by its items, which have times and failures of their own.
  const counted = all.filter(({ items }) => items == null);
  const states: Record<string, number> = {};
  for (const { state } of counted) states[state] = (states[state] ?? 0) + 1;
  const failures = counted
    .filter(({ state }) => state === "failed")
    .sort((left, right) => endOf(left).localeCompare(endOf(right)))
    .slice(0, top)
    .map((step) => ({
      step: nameOf(step),
      error_code: step.error_code ?? null,
      message: shortened(step.error ?? "no reason was recorded"),
    }));
  const slowest = counted
    .filter(({ duration_ms, reused_from }) => duration_ms != null && reused_from == null)
    .sort((left, right) => timeOf(right) - timeOf(left))
    .slice(0, top)
    .map((step) => ({
      step: nameOf(step),
      duration_ms: timeOf(step),
      attempts: step.attempt ?? 1,
    }));
  const summary = {
    state: run.state,
    duration_ms: run.duration_ms ?? null,
    steps: counted.length,
    states,
    retried: counted.filter(({ attempt }) => (attempt ?? 1) > 1).map(nameOf),
    reused: counted.filter(({ reused_from }) => reused_from != null).length,
    cache_hits: counted.filter(({ cache }) => cache?.hit === true).length,
    slowest,
    failures,
  };
  return { ...summary, markdown: markdownOf(titleOf(run), summary) };
}

interface Summary {
  readonly state: string;
  readonly duration_ms: number | null;
  readonly states: Readonly<Record<string, number>>;
  readonly retried: readonly string[];
  readonly reused: number;
  readonly cache_hits: number;
  readonly slowest: readonly { readonly step: string; readonly duration_ms: number }[];
  readonly failures: readonly { readonly step: string; readonly message: string }[];
}

function markdownOf(title: string, summary: Summary): string {
  const { state, duration_ms, states, retried, reused, cache_hits } = summary;
  const took = duration_ms === null ? "" : ` after ${inTime(duration_ms)}`;
  const counts = Object.entries(states).map(([each, count]) => `${count} ${each}`);
  const notes = [
    ...(retried.length > 0 ? [`retried: ${retried.map(code).join(", ")}`] : []),
    ...(reused > 0 ? [`${reused} reused from earlier runs`] : []),
    ...(cache_hits > 0 ? [`${cache_hits} from the cache`] : []),
  ];
  return [
    `## ${title}: ${state}${took}`,
    `${[...counts, ...notes].join("; ")}.`,
    ...section(
      "Failures, the first one first",
      summary.failures.map(({ step, message }) => `- ${code(step)}: ${message}`),
    ),
    ...section(
      "Slowest steps",
      summary.slowest.map((step) => `- ${code(step.step)}: ${inTime(step.duration_ms)}`),
    ),
  ].join("\n\n");
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`### ${title}`, lines.join("\n")];
}

/** The run of a pipeline has a number and no name, a task has a name. */
function titleOf({ name, run }: Inputs["run"]): string {
  const number = run == null ? "" : ` ${run}`;
  return name == null ? `Run${number}` : `${name}${number && `, run${number}`}`;
}

const nameOf = ({ name }: Step) => name ?? "run";
const timeOf = ({ duration_ms }: Step) => duration_ms ?? 0;
const endOf = ({ completed_at, started_at }: Step) => completed_at ?? started_at ?? "";
const code = (text: string) => `\`${text}\``;

function inTime(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${(seconds / 60).toFixed(1)} min`;
}

function shortened(message: string): string {
  const line = message.trim().replaceAll(/\s+/g, " ");
  return line.length > MAX_MESSAGE_CHARS ? `${line.slice(0, MAX_MESSAGE_CHARS)}…` : line;
}
