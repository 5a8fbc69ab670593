/** Renders figures: Prometheus text (0.0.4) and the JSON of the original service, pure. */
import { DETACHED_TYPES } from "../executors/detached.ts";
import type { AttemptFigure } from "./attempt-tally.ts";
import type { ExecutorFigures } from "./executor-figures.ts";
import { type Figure, HTTP_BUCKETS_MS, merge, quantile } from "./figures.ts";

/** Bounds of `task_durations.le_ms`, as the triggers of migration 0002 write them; -1 is the last. */
export const TASK_BUCKETS_MS: readonly number[] = [
  10, 50, 100, 500, 1_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000,
];

export interface StateCount {
  readonly state: string;
  readonly total: number;
}

export interface TaskCount extends StateCount {
  readonly task_type: string;
}

export interface TaskDuration {
  readonly task_type: string;
  readonly state: string;
  readonly le_ms: number;
  readonly total: number;
  readonly sum_ms: number;
}

export interface Measurements {
  readonly service: string;
  readonly version: string;
  readonly uptime_seconds: number;
  readonly http: readonly Figure[];
  readonly attempts: readonly AttemptFigure[];
  /** Calls that took effect and could not be written down. */
  readonly audit_entries_lost: number;
  readonly task_counts: readonly TaskCount[];
  readonly task_durations: readonly TaskDuration[];
  readonly pipeline_counts: readonly StateCount[];
  readonly invocation_counts: readonly StateCount[];
  readonly executors: ExecutorFigures;
}

/** What runners carry out. */
const RUNNER_TYPES = ["dagger", "subprocess"] as const;
const POOLS = ["shared", "project"] as const;
const LETTER_STATUSES = ["open", "redriven"] as const;

export function toPrometheus(measured: Measurements): string {
  const lines: string[] = [];
  const family = (...described: Parameters<typeof head>) => lines.push(...head(...described));
  family("pipelzr_info", "gauge", "The running version.");
  lines.push(sample("pipelzr_info", { service: measured.service, version: measured.version }, 1));
  family("pipelzr_uptime_seconds", "gauge", "Seconds since the first counted request.");
  lines.push(sample("pipelzr_uptime_seconds", {}, measured.uptime_seconds));
  family("pipelzr_http_requests_total", "counter", "Answered HTTP requests.");
  for (const { method, route, status, total } of measured.http) {
    lines.push(
      sample("pipelzr_http_requests_total", { method, route, status: `${status}` }, total),
    );
  }
  const duration = "pipelzr_http_request_duration_seconds";
  family(duration, "histogram", "Time from request to response headers.");
  for (const { method, route, buckets, sum_ms } of byRoute(measured.http)) {
    lines.push(...histogram(duration, { method, route }, HTTP_BUCKETS_MS, buckets, sum_ms));
  }
  family("pipelzr_tasks", "gauge", "Tasks by state, of the projects that the caller may see.");
  for (const { task_type, state, total } of measured.task_counts) {
    lines.push(sample("pipelzr_tasks", { task_type, state }, total));
  }
  family("pipelzr_pipelines", "gauge", "Pipelines by the state of their newest run, likewise.");
  for (const { state, total } of measured.pipeline_counts) {
    lines.push(sample("pipelzr_pipelines", { state }, total));
  }
  const invocations = "pipelzr_skill_invocations";
  family(invocations, "gauge", "Ended invocations of the skills that there are, likewise.");
  for (const { state, total } of measured.invocation_counts) {
    lines.push(sample(invocations, { state }, total));
  }
  const taken = "pipelzr_task_duration_seconds";
  family(taken, "histogram", "How long ended tasks took.");
  for (const { labels, buckets, sum_ms } of taskHistograms(measured.task_durations)) {
    lines.push(...histogram(taken, labels, TASK_BUCKETS_MS, buckets, sum_ms));
  }
  family("pipelzr_attempts_total", "counter", "Ended attempts, of the whole deployment.");
  for (const { executor, state, total } of measured.attempts) {
    lines.push(sample("pipelzr_attempts_total", { executor, state }, total));
  }
  family("pipelzr_audit_entries_lost_total", "counter", "Calls that no audit log could take down.");
  lines.push(sample("pipelzr_audit_entries_lost_total", {}, measured.audit_entries_lost));
  lines.push(...executorLines(measured.executors));
  return `${lines.join("\n")}\n`;
}

/** Series that are at 0 are there as well, so that a rule can be about them. */
function executorLines({ pools, dead_letters, spending }: ExecutorFigures): string[] {
  const kinds = RUNNER_TYPES.flatMap((executor) => POOLS.map((pool) => ({ executor, pool })));
  const inPools = (name: string, figure: "connected" | "queued") =>
    kinds.map((labels) => {
      const { executor, pool } = labels;
      const found = pools.find((each) => each.task_type === executor && each.pool === pool);
      return sample(name, labels, found?.[figure] ?? 0);
    });
  const letters = DETACHED_TYPES.flatMap((executor) =>
    LETTER_STATUSES.map((status) => {
      const isIt = (each: (typeof dead_letters)[number]) =>
        each.task_type === executor && each.status === status;
      return sample(LETTERS, { executor, status }, dead_letters.find(isIt)?.total ?? 0);
    }),
  );
  return [
    ...head(RUNNERS, "gauge", "Connected runners that can run the executor now."),
    ...inPools(RUNNERS, "connected"),
    ...head(QUEUED, "gauge", "Dispatches that wait for a runner."),
    ...inPools(QUEUED, "queued"),
    ...head(LETTERS, "gauge", "Dispatches that could not be delivered and are still kept."),
    ...letters,
    ...head(SECONDS, "counter", "How long sandboxes that have ended lived."),
    sample(SECONDS, { executor: "e2b" }, spending.sandbox_seconds),
    ...head(USD, "counter", "What sandboxes that have ended cost, by the price configured."),
    sample(USD, { executor: "e2b" }, spending.usd),
  ];
}

const RUNNERS = "pipelzr_runners_connected";
const QUEUED = "pipelzr_dispatches_queued";
const LETTERS = "pipelzr_dead_letters";
const SECONDS = "pipelzr_sandbox_seconds_total";
const USD = "pipelzr_sandbox_usd_total";

function head(name: string, type: "counter" | "gauge" | "histogram", help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

/** An error is a response of 400 or more; as in the original, refusals by the rate limit are none. */
export function toOriginalJson(measured: Measurements) {
  const endpoints: Record<string, ReturnType<typeof endpointFigures>> = {};
  for (const figure of byRoute(measured.http)) {
    const same = measured.http.filter(
      ({ method, route }) => method === figure.method && route === figure.route,
    );
    endpoints[`${figure.method} ${figure.route}`] = endpointFigures(figure, countErrors(same));
  }
  const requests = measured.http.reduce((sum, { total }) => sum + total, 0);
  const errors = countErrors(measured.http);
  return {
    uptime_seconds: measured.uptime_seconds,
    total_requests: requests,
    total_errors: errors,
    error_rate: rate(errors, requests),
    endpoints,
    tasks: byState(measured.task_counts),
    pipelines: byState(measured.pipeline_counts),
    invocations: byState(measured.invocation_counts),
    ...executorsJson(measured.executors),
  };
}

/** Over shared pools and those of projects together. */
function executorsJson({ pools, dead_letters, spending }: ExecutorFigures) {
  const sums = (counts: readonly (readonly [string, number])[]) => {
    const totals: Record<string, number> = {};
    for (const [name, count] of counts) totals[name] = (totals[name] ?? 0) + count;
    return totals;
  };
  return {
    runners_connected: sums(pools.map((each) => [each.task_type, each.connected] as const)),
    dispatches_queued: sums(pools.map((each) => [each.task_type, each.queued] as const)),
    dead_letters: sums(dead_letters.map((each) => [each.status, each.total] as const)),
    sandboxes: { seconds: spending.sandbox_seconds, usd: spending.usd },
  };
}

function byState(counts: readonly StateCount[]): Record<string, number> {
  const totals: Record<string, number> = {};
  for (const { state, total } of counts) totals[state] = (totals[state] ?? 0) + total;
  return totals;
}

function endpointFigures(figure: Figure, errors: number) {
  return {
    requests: figure.total,
    errors,
    error_rate: rate(errors, figure.total),
    avg_latency_ms: rounded(figure.total === 0 ? 0 : figure.sum_ms / figure.total),
    p50_latency_ms: rounded(quantile(figure.buckets, 0.5)),
    p99_latency_ms: rounded(quantile(figure.buckets, 0.99)),
  };
}

function countErrors(figures: readonly Figure[]): number {
  return figures
    .filter(({ status }) => status >= 400 && status !== 429)
    .reduce((sum, { total }) => sum + total, 0);
}

/** Figures of one method and route over all statuses. */
function byRoute(figures: readonly Figure[]): Figure[] {
  const merged = new Map<string, Figure>();
  for (const figure of figures) {
    const key = `${figure.method} ${figure.route}`;
    const known = merged.get(key);
    merged.set(key, known === undefined ? figure : merge(known, figure));
  }
  return [...merged.values()];
}

function taskHistograms(durations: readonly TaskDuration[]) {
  const found = new Map<string, { labels: Labels; buckets: number[]; sum_ms: number }>();
  for (const { task_type, state, le_ms, total, sum_ms } of durations) {
    const key = `${task_type} ${state}`;
    const entry = found.get(key) ?? {
      labels: { task_type, state },
      buckets: new Array<number>(TASK_BUCKETS_MS.length + 1).fill(0),
      sum_ms: 0,
    };
    const bound = TASK_BUCKETS_MS.indexOf(le_ms);
    const index = bound === -1 ? TASK_BUCKETS_MS.length : bound;
    entry.buckets[index] = (entry.buckets[index] ?? 0) + total;
    found.set(key, { ...entry, sum_ms: entry.sum_ms + sum_ms });
  }
  return found.values();
}

type Labels = Readonly<Record<string, string>>;

function histogram(
  name: string,
  labels: Labels,
  boundsMs: readonly number[],
  buckets: readonly number[],
  sumMs: number,
): string[] {
  let total = 0;
  const lines = buckets.map((count, index) => {
    total += count;
    const bound = boundsMs[index];
    const le = bound === undefined ? "+Inf" : String(bound / 1000);
    return sample(`${name}_bucket`, { ...labels, le }, total);
  });
  return [
    ...lines,
    sample(`${name}_sum`, labels, sumMs / 1000),
    sample(`${name}_count`, labels, total),
  ];
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function rate(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
