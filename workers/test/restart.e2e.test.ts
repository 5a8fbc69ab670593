/** The service comes back by itself, with its state, and fires its cron handlers. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client, SCRIPTS } from "./client.ts";
import { TestService } from "./service.ts";

let service: TestService;
let client: Client;

beforeAll(async () => {
  service = await TestService.start();
  client = new Client(service);
});
afterAll(() => service.stop());

test("the built service boots on an empty state and executes a task in one call", async () => {
  expect((await client.call("/health", { key: null })).json).toMatchObject({ status: "healthy" });
  const task = await client.start({ command: "echo hello" }, "wait=30");
  expect(task).toMatchObject({ state: "completed", stdout: "hello\n" });
});

test("a task that runs when the runtime is killed is run again and completes", async () => {
  const task = await client.start({ script: SCRIPTS.sleep, inputs: 1_500 });
  await client.until(task.id, "running");
  await service.killAndRecover();
  expect(await client.settled(task.id)).toMatchObject({ state: "completed", result: 1_500 });
});

test("the cron handler ends well, before and after a restart", async () => {
  expect(await service.supervisor.fireCron("* * * * *")).toBe("ok");
  await service.killAndRecover();
  expect(await service.supervisor.fireCron("* * * * *")).toBe("ok");
});
