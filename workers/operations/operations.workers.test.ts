import { createExecutionContext, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { isolate } from "../test/app.ts";
import { TASK_BUCKETS_MS } from "./exposition.ts";
import { Limits } from "./limits.ts";
import { flush, metricsObject, observe } from "./recorder.ts";

describe("readiness", () => {
  it("asks everything that the service stands on, and names each executor", async () => {
    const reply = await isolate().call("/ready", { key: null });
    expect(reply.status).toBe(200);
    expect(reply.body).toMatchObject({
      status: "ready",
      checks: {
        database: "ok",
        durable_objects: "ok",
        queue: "ok",
        blobs: "ok",
        dynamic_workers: "ok",
        authentication: "ok",
        execution_backends: { local: "enabled", dagger: "enabled", e2b: "disabled" },
      },
    });
  });

  it("is 503 when one of them fails, without telling how", async () => {
    const { call, env: bindings } = isolate();
    const broken = vi.spyOn(bindings.DB, "prepare").mockImplementation(() => {
      throw new Error("secret internals");
    });
    const reply = await call("/ready", { key: null });
    broken.mockRestore();
    expect(reply.status).toBe(503);
    expect(reply.body).toMatchObject({ status: "not_ready", checks: { database: "failed" } });
    expect(reply.text).not.toContain("secret internals");
  });

  it("says when an executor that was asked for is not there", async () => {
    const variables = { E2B_ENABLED: "true", DAGGER_ENABLED: "false" };
    const reply = await isolate([], variables).call("/ready", { key: null });
    expect(reply.body).toMatchObject({
      checks: { execution_backends: { e2b: "unavailable", dagger: "disabled" } },
    });
  });
});

describe("task figures in D1", () => {
  beforeEach(async () => {
    await env.DB.batch(
      ["tasks", "task_counts", "task_durations"].map((table) =>
        env.DB.prepare(`DELETE FROM ${table}`),
      ),
    );
  });
  const insert = (id: string, state: string, duration: number | null) =>
    env.DB.prepare(
      "INSERT INTO tasks (id, project_id, name, task_type, state, created_at, updated_at, duration_ms, revision, document) VALUES (?1, 'p', 'n', 'local', ?2, 0, 0, ?3, 1, '{}') ON CONFLICT (id) DO UPDATE SET state = excluded.state, duration_ms = excluded.duration_ms",
    )
      .bind(id, state, duration)
      .run();
  const counts = async () => {
    const { results } = await env.DB.prepare(
      "SELECT state, total FROM task_counts WHERE total <> 0 ORDER BY state",
    ).all();
    return results;
  };

  it("are kept exact through inserts, upserts, updates and deletes", async () => {
    await insert("a", "pending", null);
    await insert("b", "pending", null);
    await insert("a", "running", null);
    await insert("a", "running", null);
    await insert("a", "completed", 5);
    await insert("a", "completed", 5);
    expect(await counts()).toEqual([
      { state: "completed", total: 1 },
      { state: "pending", total: 1 },
    ]);
    await env.DB.prepare("DELETE FROM tasks WHERE id = 'b'").run();
    expect(await counts()).toEqual([{ state: "completed", total: 1 }]);
  });

  it("put each duration in the bucket that the exposition knows", async () => {
    const durations = TASK_BUCKETS_MS.flatMap((bound) => [bound, bound + 1]);
    for (const [index, duration] of durations.entries()) {
      await insert(`t${index}`, "failed", duration);
    }
    await insert("t0", "failed", 10);
    await insert("t0", "running", null);
    await insert("t0", "failed", 9);
    const { results } = await env.DB.prepare(
      "SELECT le_ms, total, sum_ms FROM task_durations ORDER BY le_ms",
    ).all();
    const [infinite, first, ...rest] = results;
    expect(infinite).toEqual({ le_ms: -1, total: 1, sum_ms: 3_600_001 });
    expect(first).toEqual({ le_ms: 10, total: 2, sum_ms: 19 });
    expect(rest.map((row) => row.le_ms)).toEqual(TASK_BUCKETS_MS.slice(1));
    expect(rest.every((row) => row.total === 2)).toBe(true);
  });

  it("show a caller the projects that it may see", async () => {
    await insert("a", "failed", 3);
    const { call } = isolate();
    const stranger = await call("/api/v1/keys", {
      body: { name: "s", scopes: ["metrics:read"], projects: ["other"] },
    });
    const json = { accept: "application/json" };
    const all = await call("/metrics", { headers: json });
    expect(all.body).toMatchObject({ tasks: { failed: 1 } });
    const none = await call("/metrics", { headers: json, key: String(stranger.body.key) });
    expect(none.body.tasks).toEqual({});
    const text = await call("/metrics");
    expect(text.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text.text).toContain('pipelzr_tasks{task_type="local",state="failed"} 1');
  });
});

describe("HTTP figures", () => {
  it("of several isolates add up in the Metrics object", async () => {
    const { app, env: bindings } = isolate();
    const count = async () => {
      const { figures } = await metricsObject(env).snapshot();
      return figures.find(({ route }) => route === "/counted")?.total ?? 0;
    };
    const before = await count();
    app.get("/observe", (c) => {
      observe(c, { method: "GET", route: "/counted", status: 200, duration_ms: 3 });
      return c.body(null, 204);
    });
    for (const environment of [bindings, isolate().env]) {
      const request = new Request("https://pipelzr.test/observe");
      await app.fetch(request, environment, createExecutionContext());
      await flush(environment);
    }
    expect(await count()).toBe(before + 2);
  });
});

describe("the Limits object", () => {
  it("keeps leases and quotas through a restart", async () => {
    const stub = env.LIMITS.getByName("test");
    expect(await stub.acquire("slots", "a", 1, 60_000)).toMatchObject({ granted: true });
    expect(await stub.acquire("slots", "b", 1, 60_000)).toMatchObject({ position: 1 });
    await stub.takeTokens("k", 5, 100, 3600);
    await evictDurableObject(stub);
    const holders = await stub.holders("slots");
    expect(holders.held.map(({ holder }) => holder)).toEqual(["a"]);
    expect(holders.waiting.map(({ holder }) => holder)).toEqual(["b"]);
    await stub.release("slots", "a");
    expect(await stub.acquire("slots", "b", 1, 60_000)).toMatchObject({ granted: true });
    expect(await stub.renew("slots", "a", 1_000)).toEqual({ renewed: false, expires_at: 0 });
    expect(await stub.renew("slots", "b", 60_000)).toMatchObject({ renewed: true });
    expect(await stub.takeTokens("k", 5, 100, 3600)).toMatchObject({ remaining: 90 });
  });

  it("sweeps what has ended", async () => {
    const stub = env.LIMITS.getByName("sweep");
    const rows = await runInDurableObject(stub, (limits, state) => {
      if (!(limits instanceof Limits)) throw new Error("Another object answered.");
      limits.acquire("slots", "gone", 1, -1);
      for (let n = 0; n < 500; n += 1) limits.acquire("other", "b", 1, 1_000);
      return state.storage.sql.exec("SELECT holder FROM leases").toArray();
    });
    expect(z.array(z.object({ holder: z.string() })).parse(rows)).toEqual([{ holder: "b" }]);
  });
});
