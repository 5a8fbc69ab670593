/** What `/metrics` says of runners, their queues, dead letters and sandboxes. */
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { poolName, SHARED_POOL } from "../executors/runner/pools.ts";
import {
  eventually,
  FakeOwner,
  newPool,
  ScriptedRunner,
} from "../executors/runner/test-support.ts";
import { isolate } from "../test/app.ts";
import { POOL_FIGURES_MS, purgeBills, saveBill, savePoolFigures } from "./executor-figures.ts";

const { call } = isolate();
let stranger: string;

beforeEach(async () => {
  const tables = ["pool_figures", "dead_letters", "dead_letter_counts", "sandbox_bills"];
  await env.DB.batch(
    [...tables, "sandbox_spending"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
  );
  const reply = await call("/api/v1/keys", {
    body: { name: "s", scopes: ["metrics:read"], projects: ["mine"] },
  });
  stranger = String(reply.body.key);
});
afterEach(() => vi.restoreAllMocks());

async function figures(key?: string): Promise<readonly string[]> {
  const reply = await call("/metrics", key === undefined ? {} : { key });
  expect(reply.status, reply.text).toBe(200);
  return reply.text.split("\n");
}

describe("figures of pools", () => {
  it("are those of the pools' runners and queues, as they change", async () => {
    const owner = new FakeOwner().install();
    const own = newPool(poolName("mine"));
    const first = await ScriptedRunner.join(newPool(SHARED_POOL), "s1");
    const second = await ScriptedRunner.join(own, "r1", {
      task_types: ["dagger"],
      unavailable: { subprocess: "not now" },
    });
    for (let n = 0; n < 3; n += 1) await own.offer(owner.dispatch({}, { project_id: "mine" }));
    await eventually(async () => {
      const lines = await figures();
      expect(lines).toContain('pipelzr_runners_connected{executor="subprocess",pool="shared"} 1');
      expect(lines).toContain('pipelzr_runners_connected{executor="dagger",pool="project"} 1');
      expect(lines).toContain('pipelzr_runners_connected{executor="subprocess",pool="project"} 0');
      expect(lines).toContain('pipelzr_dispatches_queued{executor="subprocess",pool="project"} 3');
    });
    const theirs = await figures(stranger);
    expect(theirs).toContain('pipelzr_dispatches_queued{executor="subprocess",pool="project"} 3');
    expect(theirs).toContain('pipelzr_runners_connected{executor="subprocess",pool="shared"} 0');
    first.close();
    second.close();
    await eventually(async () => {
      const lines = await figures();
      expect(lines.filter((line) => /^pipelzr_runners_connected.* 1$/.test(line))).toEqual([]);
    });
  });

  it("that are not renewed do not count", async () => {
    const figure = { project_id: "mine", task_type: "dagger", connected: 1, queued: 2 } as const;
    const now = Date.now();
    await savePoolFigures(env.DB, "project:mine", [figure], now - POOL_FIGURES_MS - 1);
    const line = 'pipelzr_dispatches_queued{executor="dagger",pool="project"}';
    expect(await figures()).toContain(`${line} 0`);
    await savePoolFigures(env.DB, "project:mine", [figure], now);
    expect(await figures()).toContain(`${line} 2`);
    await savePoolFigures(env.DB, "project:mine", [], now);
    expect(await figures()).toContain(`${line} 0`);
  });
});

describe("ended attempts", () => {
  const countOf = async (labels: string) => {
    const line = (await figures()).find((each) =>
      each.startsWith(`pipelzr_attempts_total{${labels}}`),
    );
    return Number(line?.split(" ").at(-1) ?? 0);
  };

  it("are counted by executor and by what they came to", async () => {
    const completed = 'executor="local",state="completed"';
    const failed = 'executor="local",state="failed"';
    const before = [await countOf(completed), await countOf(failed)];
    for (const command of ["true", "false"]) {
      await call("/api/v1/tasks", { body: { name: "t", command, execute: true } });
    }
    await eventually(async () => {
      const after = [await countOf(completed), await countOf(failed)];
      expect(after).toEqual(before.map((count) => count + 1));
    });
  });
});

describe("dead letters", () => {
  const line = (status: string) => `pipelzr_dead_letters{executor="dagger",status="${status}"}`;
  const insert = (id: string, project: string) =>
    env.DB.prepare(
      "INSERT INTO dead_letters (id, project_id, resource_id, run, step, epoch, task_type, reason, attempts, dead_at) VALUES (?1, ?2, ?1, 1, 0, 1, 'dagger', 'r', 9, 0)",
    )
      .bind(id, project)
      .run();

  it("are counted by whether they were redriven, until they are forgotten", async () => {
    await insert("a", "mine");
    await insert("b", "other");
    expect(await figures()).toEqual(
      expect.arrayContaining([`${line("open")} 2`, `${line("redriven")} 0`]),
    );
    expect(await figures(stranger)).toContain(`${line("open")} 1`);
    await env.DB.prepare("UPDATE dead_letters SET redriven_at = 5 WHERE id = 'a'").run();
    await env.DB.prepare("UPDATE dead_letters SET redriven_at = 6 WHERE id = 'a'").run();
    expect(await figures()).toEqual(
      expect.arrayContaining([`${line("open")} 1`, `${line("redriven")} 1`]),
    );
    await env.DB.prepare("DELETE FROM dead_letters").run();
    expect(await figures()).toEqual(
      expect.arrayContaining([`${line("open")} 0`, `${line("redriven")} 0`]),
    );
  });
});

describe("what sandboxes cost", () => {
  const seconds = 'pipelzr_sandbox_seconds_total{executor="e2b"}';

  it("counts each once, and stays when its bill is forgotten", async () => {
    const bill = { id: "a/1/0/1", project_id: "mine", sandbox_seconds: 1.5, usd: 0.25 };
    for (const at of [1, 2]) await saveBill(env.DB, bill, at);
    await saveBill(env.DB, { ...bill, id: "b", project_id: "other" }, 3);
    expect(await figures()).toEqual(
      expect.arrayContaining([`${seconds} 3`, 'pipelzr_sandbox_usd_total{executor="e2b"} 0.5']),
    );
    await purgeBills(env.DB, 10);
    expect(await figures(stranger)).toContain(`${seconds} 1.5`);
    const json = await call("/metrics", { headers: { accept: "application/json" } });
    expect(json.body).toMatchObject({ sandboxes: { seconds: 3, usd: 0.5 } });
  });
});
