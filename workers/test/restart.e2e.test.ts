import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { TestService } from "./service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start({ watchdogMs: 1_500 });
});
afterAll(() => service.stop());

const taskSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  attempt: z.int(),
  error: z.string().nullable(),
  stdout: z.string().nullable(),
  result: z.unknown(),
});

async function create(body: object, prefer = "respond-async") {
  const response = await service.fetch("/api/v1/tasks", {
    json: { execute: true, ...body },
    headers: { prefer },
  });
  const text = await response.text();
  expect(response.status, `${text}\n${service.output}`).toBe(201);
  return taskSchema.parse(JSON.parse(text));
}

async function get(id: string) {
  return taskSchema.parse(await (await service.fetch(`/api/v1/tasks/${id}`)).json());
}

test("the built service boots on an empty state and executes a task in one call", async () => {
  expect(await (await service.fetch("/health")).json()).toMatchObject({ status: "healthy" });
  const task = await create({ name: "hello", command: "echo hello" }, "wait=30");
  expect(task).toMatchObject({ state: "completed", stdout: "hello\n" });
});

test("a task that runs when the runtime is killed is run again and completes", async () => {
  const task = await create({
    name: "slow",
    script:
      "export default async () => { await new Promise((done) => setTimeout(done, 1500)); return 7; }",
  });
  await expect.poll(async () => (await get(task.id)).state, { timeout: 10_000 }).toBe("running");
  await service.killAndRecover();
  await expect
    .poll(async () => (await get(task.id)).state, { timeout: 30_000, interval: 100 })
    .toBe("completed");
  expect((await get(task.id)).result).toBe(7);
});

test("a task that computes without end fails, and its neighbours complete", async () => {
  const recovered = once(service.supervisor, "recovered");
  const neighbour = await create({
    name: "neighbour",
    script:
      "export default async () => { await new Promise((done) => setTimeout(done, 4000)); return 1; }",
  });
  await expect
    .poll(async () => (await get(neighbour.id)).state, { timeout: 10_000 })
    .toBe("running");
  // The call that starts it never gets its answer: the runtime that would give it hangs.
  const marker = `spin-${Date.now()}`;
  await create({ name: marker, script: "export default () => { for (;;); }" }).catch(
    () => undefined,
  );
  expect((await recovered)[0]).toBe("hung");

  const listSchema = z.object({
    items: z.array(z.looseObject({ id: z.string(), state: z.string() })),
  });
  await expect
    .poll(
      async () => {
        const response = await service.fetch(`/api/v1/tasks?name=${marker}`).catch(() => null);
        if (response?.status !== 200) return null;
        return listSchema.parse(await response.json()).items[0]?.state;
      },
      { timeout: 60_000, interval: 250 },
    )
    .toBe("failed");
  await expect
    .poll(async () => (await get(neighbour.id)).state, { timeout: 30_000, interval: 250 })
    .toBe("completed");
});

test("the cron handler ends well, before and after a restart", async () => {
  expect(await service.supervisor.fireCron("* * * * *")).toBe("ok");
  await service.killAndRecover();
  expect(await service.supervisor.fireCron("* * * * *")).toBe("ok");
});
