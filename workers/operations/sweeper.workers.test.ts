import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { QUIET_MS, QUIET_RUNS_SQL, sweep } from "./sweeper.ts";

const NOW = 1_800_000_000_000;

async function task(
  id: string,
  state: string,
  updatedAt: number,
  wakeAt: number | null = updatedAt,
): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO tasks (id, project_id, name, task_type, state, created_at, updated_at, wake_at, revision, document)
     VALUES (?1, 'p', 'n', 'local', ?2, ?3, ?3, ?4, 1, '{}')`,
  )
    .bind(id, state, updatedAt, wakeAt)
    .run();
}

async function key(name: string, expiresAt: number): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO idempotency_keys
       (principal_id, key, route, fingerprint, resource_id, claim_id, claimed_at, expires_at)
     VALUES ('p', ?, 'r', 'f', 's', 'c', 0, ?)`,
  )
    .bind(name, expiresAt)
    .run();
}

describe("sweep", () => {
  beforeEach(async () => {
    await env.DB.batch([
      env.DB.prepare("DELETE FROM tasks"),
      env.DB.prepare("DELETE FROM pipelines"),
      env.DB.prepare("DELETE FROM idempotency_keys"),
    ]);
  });

  it("calls on live runs that have been quiet, and on no others", async () => {
    await task("quiet-running", "running", NOW - QUIET_MS);
    await task("quiet-queued", "queued", NOW - QUIET_MS - 1);
    await task("lively", "running", NOW - QUIET_MS + 1);
    await task("ended", "completed", NOW - 10 * QUIET_MS, null);
    const called: string[] = [];
    const report = await sweep(env.DB, async ({ id }) => called.push(id), NOW);
    expect(called.sort()).toEqual(["quiet-queued", "quiet-running"]);
    expect(report.called_on).toBe(2);
  });

  it("leaves a run at rest alone until its deadline is overdue", async () => {
    const long = NOW - 1_000 * QUIET_MS;
    await task("paused", "paused", long, null);
    await task("waiting", "running", long, null);
    await task("waiting-until", "running", long, NOW - QUIET_MS + 1);
    await task("overdue", "running", long, NOW - QUIET_MS);
    await task("paused-overdue", "paused", long, NOW - QUIET_MS - 1);
    const called: string[] = [];
    await sweep(env.DB, async ({ id }) => called.push(id), NOW);
    expect(called.sort()).toEqual(["overdue", "paused-overdue"]);
  });

  it("goes on past a run that cannot be called on", async () => {
    await task("broken", "running", NOW - QUIET_MS - 5);
    await task("fine", "running", NOW - QUIET_MS);
    const called: string[] = [];
    await sweep(
      env.DB,
      async ({ id }) => {
        if (id === "broken") throw new Error("the object is overloaded");
        called.push(id);
      },
      NOW,
    );
    expect(called).toEqual(["fine"]);
  });

  it("calls on every one of many in the course of time", async () => {
    const rows = Array.from({ length: 250 }, (_, n) => `quiet-${n}`);
    for (const id of rows) await task(id, "running", NOW - QUIET_MS);
    const called = new Set<string>();
    for (let n = 0; n < 20; n += 1) await sweep(env.DB, async ({ id }) => called.add(id), NOW);
    expect(called.size).toBe(rows.length);
  });

  it("reads what is due only, however many rest or have ended", async () => {
    for (const sql of Object.values(QUIET_RUNS_SQL)) {
      const [, table] = / FROM (\w+) /.exec(sql) ?? [];
      const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .bind(NOW)
        .all<{ detail: string }>();
      const plan = results.map(({ detail }) => detail).join("; ");
      expect(plan).toContain(`USING INDEX ${table}_by_wake (wake_at<?)`);
    }
  });

  it("calls on pipelines too, by their kind", async () => {
    await env.DB.prepare(
      `INSERT INTO pipelines (id, project_id, name, pipeline_type, state, created_at, updated_at, wake_at, revision, document)
       VALUES ('quiet', 'p', 'n', 'generic', 'running', ?1, ?1, ?1, 1, '{}')`,
    )
      .bind(NOW - QUIET_MS)
      .run();
    const called: unknown[] = [];
    await sweep(env.DB, async (quiet) => called.push(quiet), NOW);
    expect(called).toEqual([{ kind: "pipeline", id: "quiet" }]);
  });

  it("does its chores, and goes on past one that fails", async () => {
    await task("quiet", "running", NOW - QUIET_MS);
    const done: string[] = [];
    const chores = [
      async () => {
        throw new Error("the other side is away");
      },
      async () => void done.push("second"),
    ];
    const report = await sweep(env.DB, async () => undefined, NOW, chores);
    expect(done).toEqual(["second"]);
    expect(report.called_on).toBe(1);
  });

  it("forgets idempotency keys that have expired", async () => {
    await key("old", NOW);
    await key("new", NOW + 1);
    const report = await sweep(env.DB, async () => undefined, NOW);
    expect(report.expired_keys).toBe(1);
    const { results } = await env.DB.prepare("SELECT key FROM idempotency_keys").all();
    expect(results).toEqual([{ key: "new" }]);
  });
});
