/** Tasks that wait for a project's own runners, which go for good: shared ones take them over. */
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { poolName } from "../executors/runner/pools.ts";
import { completion, eventually, type ScriptedRunner } from "../executors/runner/test-support.ts";
import { isolate } from "../test/app.ts";
import { RegisteredRunner } from "./test-support.ts";

const isolated = isolate();
const { call } = isolated;

async function startTask(project_id: string, more: object = {}): Promise<string> {
  const task = { name: "left", task_type: "subprocess", command: "true", project_id, ...more };
  const reply = await call("/api/v1/tasks", {
    body: { ...task, execute: true },
    headers: { prefer: "respond-async" },
  });
  expect(reply.status, reply.text).toBe(201);
  return String(reply.body.id);
}

const why = async (id: string) => (await call(`/api/v1/tasks/${id}/why`)).text;

/** Waits until the pool has it in its queue, and returns what `why` says then. */
async function queuedIn(id: string, pool: string): Promise<string> {
  await expect.poll(() => why(id)).toContain(`the pool \\"${pool}\\"`);
  return why(id);
}

async function carriedOut(runner: ScriptedRunner, id: string): Promise<void> {
  await eventually(() => {
    const mine = runner.all("assign").filter(({ ref }) => ref.resource_id === id);
    expect(mine).toHaveLength(1);
  });
  const [frame] = runner.all("assign").filter(({ ref }) => ref.resource_id === id);
  if (!frame) throw new Error("nothing was assigned");
  const { attempt, epoch } = frame;
  runner.send({ type: "started", attempt, epoch }, completion({ attempt, epoch }));
  await eventually(async () => {
    expect((await call(`/api/v1/tasks/${id}`)).body).toMatchObject({ state: "completed" });
  });
}

it("runs at a shared runner what waited for one of the project that was revoked", async () => {
  const project_id = `p-${crypto.randomUUID()}`;
  const own = await RegisteredRunner.of(isolated, { project_id });
  const shared = await RegisteredRunner.of(isolated, { shared: true });
  const runner = await shared.join({ slots: 4 });
  const ids = [await startTask(project_id), await startTask(project_id)];
  for (const id of ids) {
    expect(await queuedIn(id, poolName(project_id))).toContain("Shared runners could run it");
  }
  expect(runner.all("assign")).toEqual([]);
  const removed = await call(`/api/v1/runners/${own.id}`, { method: "DELETE" });
  expect(removed.status).toBe(204);
  for (const id of ids) await carriedOut(runner, id);
  runner.close();
});

it("waits for a shared runner when there is none, and says which", async () => {
  const project_id = `p-${crypto.randomUUID()}`;
  const own = await RegisteredRunner.of(isolated, { project_id });
  const id = await startTask(project_id, { task_type: "dagger" });
  await queuedIn(id, poolName(project_id));
  await call(`/api/v1/runners/${own.id}`, { method: "DELETE" });
  expect(await queuedIn(id, "shared")).toContain("dagger");
  const shared = await RegisteredRunner.of(isolated, { shared: true });
  const runner = await shared.join({ task_types: ["dagger"] });
  await carriedOut(runner, id);
  expect(await env.RUNNER_POOL.getByName(poolName(project_id)).fits("dagger")).toBe(false);
  runner.close();
});
