import { describe, expect, it } from "vitest";
import { toOriginalJson, toPrometheus } from "./exposition.ts";
import { bucketOf, Figures, HTTP_BUCKETS_MS, quantile } from "./figures.ts";

describe("figures", () => {
  it("are taken once, and put back when they could not be handed over", () => {
    const figures = new Figures();
    figures.record("GET", "/a", 200, 0.1);
    figures.record("GET", "/a", 200, 70_000);
    const taken = figures.take();
    expect(taken).toEqual([
      {
        method: "GET",
        route: "/a",
        status: 200,
        total: 2,
        sum_ms: 70_000.1,
        buckets: [1, ...new Array<number>(HTTP_BUCKETS_MS.length - 1).fill(0), 1],
      },
    ]);
    expect(figures.take()).toEqual([]);
    figures.record("GET", "/a", 200, 0.4);
    figures.restore(taken);
    expect(figures.take()).toMatchObject([{ total: 3, sum_ms: 70_000.5 }]);
  });

  it("estimate quantiles within the bucket that holds them", () => {
    const buckets = new Array<number>(HTTP_BUCKETS_MS.length + 1).fill(0);
    expect(quantile(buckets, 0.5)).toBe(0);
    buckets[bucketOf(7)] = 98;
    buckets[bucketOf(70)] = 2;
    expect(quantile(buckets, 0.5)).toBeGreaterThan(5);
    expect(quantile(buckets, 0.5)).toBeLessThanOrEqual(10);
    expect(quantile(buckets, 0.99)).toBeGreaterThan(50);
    buckets.fill(0)[bucketOf(100_000)] = 5;
    expect(quantile(buckets, 0.5)).toBe(60_000);
  });
});

describe("the exposition", () => {
  const figures = new Figures();
  figures.record("GET", "/api/v1/tasks/{task_id}", 200, 3);
  figures.record("GET", "/api/v1/tasks/{task_id}", 404, 7);
  figures.record("GET", "/api/v1/tasks/{task_id}", 429, 1);
  const measured = {
    service: 'P"Z',
    version: "1",
    uptime_seconds: 5,
    http: figures.take(),
    task_counts: [
      { task_type: "local", state: "completed", total: 4 },
      { task_type: "e2b", state: "completed", total: 1 },
    ],
    pipeline_counts: [{ state: "running", total: 2 }],
    invocation_counts: [{ state: "failed", total: 6 }],
    task_durations: [
      { task_type: "local", state: "completed", le_ms: 10, total: 3, sum_ms: 12 },
      { task_type: "local", state: "completed", le_ms: -1, total: 1, sum_ms: 4_000_000 },
    ],
    attempts: [{ executor: "dagger", state: "lost", total: 2 }] as const,
    audit_entries_lost: 3,
    executors: {
      pools: [
        { task_type: "dagger", pool: "shared", connected: 2, queued: 0 },
        { task_type: "dagger", pool: "project", connected: 1, queued: 5 },
      ],
      dead_letters: [{ task_type: "e2b", status: "open", total: 3 }],
      spending: { sandbox_seconds: 12.5, usd: 0.25 },
    } as const,
  };

  it("is Prometheus text with cumulative buckets in seconds", () => {
    const lines = toPrometheus(measured).split("\n");
    expect(lines).toContain('pipelzr_info{service="P\\"Z",version="1"} 1');
    const labels = 'method="GET",route="/api/v1/tasks/{task_id}"';
    expect(lines).toContain(`pipelzr_http_requests_total{${labels},status="404"} 1`);
    const duration = "pipelzr_http_request_duration_seconds";
    expect(lines).toContain(`${duration}_bucket{${labels},le="0.005"} 2`);
    expect(lines).toContain(`${duration}_bucket{${labels},le="0.01"} 3`);
    expect(lines).toContain(`${duration}_bucket{${labels},le="+Inf"} 3`);
    expect(lines).toContain(`${duration}_count{${labels}} 3`);
    expect(lines).toContain('pipelzr_tasks{task_type="local",state="completed"} 4');
    expect(lines).toContain('pipelzr_pipelines{state="running"} 2');
    expect(lines).toContain('pipelzr_skill_invocations{state="failed"} 6');
    const task = 'task_type="local",state="completed"';
    expect(lines).toContain(`pipelzr_task_duration_seconds_bucket{${task},le="3600"} 3`);
    expect(lines).toContain(`pipelzr_task_duration_seconds_bucket{${task},le="+Inf"} 4`);
    expect(lines).toContain(`pipelzr_task_duration_seconds_sum{${task}} 4000.012`);
    expect(lines).toContain('pipelzr_attempts_total{executor="dagger",state="lost"} 2');
    expect(lines).toContain("pipelzr_audit_entries_lost_total 3");
    expect(lines).toContain('pipelzr_runners_connected{executor="dagger",pool="shared"} 2');
    expect(lines).toContain('pipelzr_runners_connected{executor="subprocess",pool="project"} 0');
    expect(lines).toContain('pipelzr_dispatches_queued{executor="dagger",pool="project"} 5');
    expect(lines).toContain('pipelzr_dead_letters{executor="e2b",status="open"} 3');
    expect(lines).toContain('pipelzr_dead_letters{executor="e2b",status="redriven"} 0');
    expect(lines).toContain('pipelzr_sandbox_seconds_total{executor="e2b"} 12.5');
    expect(lines).toContain('pipelzr_sandbox_usd_total{executor="e2b"} 0.25');
    for (const line of lines.slice(0, -1)) {
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{.+\})? -?[\d.]+)$/);
    }
  });

  it("is the original's JSON, in which a refusal by the rate limit is no error", () => {
    expect(toOriginalJson(measured)).toMatchObject({
      total_requests: 3,
      total_errors: 1,
      tasks: { completed: 5 },
      pipelines: { running: 2 },
      invocations: { failed: 6 },
      runners_connected: { dagger: 3 },
      dispatches_queued: { dagger: 5 },
      dead_letters: { open: 3 },
      sandboxes: { seconds: 12.5, usd: 0.25 },
      endpoints: { "GET /api/v1/tasks/{task_id}": { requests: 3, errors: 1 } },
    });
  });
});
