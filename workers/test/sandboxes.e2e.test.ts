/** Sandboxes at a fake E2B with real processes: what is shared, what it costs, what is out of reach. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type FakeE2B, startFakeE2B } from "../../containers/fakes/e2b/server.ts";
import { stepSchema } from "../pipelines/run-schemas.ts";
import { pipelineSchema } from "../pipelines/schemas.ts";
import { Client } from "./client.ts";
import { RunnerProcess } from "./runner-process.ts";
import { TestService } from "./service.ts";

const PATIENCE = { timeout: 40_000, interval: 50 };
const PIPELINES = "/api/v1/pipelines";
const SHARED = { task_type: "e2b", sandbox: { reuse: "run" } };
/** Above what a sandbox may live on after its run. */
const IDLE_SECONDS = 600;

let fake: FakeE2B;
let service: TestService;
let client: Client;

const variablesFor = (e2b: FakeE2B) => ({
  E2B_ENABLED: "true",
  E2B_API_KEY: e2b.apiKey,
  E2B_API_URL: e2b.apiUrl,
  E2B_SANDBOX_URL: e2b.sandboxUrl,
  E2B_MAX_CREATES_PER_SECOND: "100",
  E2B_SHARED_IDLE_SECONDS: String(IDLE_SECONDS),
  E2B_USD_PER_HOUR: "3600",
  SUBPROCESS_ENABLED: "true",
});

beforeAll(async () => {
  fake = await startFakeE2B();
  service = await TestService.start({ variables: variablesFor(fake) });
  client = new Client(service);
});
afterAll(async () => {
  await service?.stop();
  await fake?.stop();
});
afterEach(() => fake.faults.clear());

const begin = (command: string, more: object = {}) =>
  client.start({ task_type: "e2b", command, ...more });

const printed = (id: string, text: string) =>
  expect
    .poll(async () => (await client.task(id)).stdout, { ...PATIENCE, message: service.output })
    .toContain(text);

async function startPipeline(tasks: readonly object[], more: object = {}): Promise<string> {
  const reply = await client.call(PIPELINES, { json: { name: "test", tasks, ...more } });
  expect(reply.status, reply.text).toBe(201);
  const { id } = pipelineSchema.parse(reply.json);
  const started = await client.call(`${PIPELINES}/${id}/start`, { json: {} });
  expect(started.status, started.text).toBe(202);
  return id;
}

const stateOf = async (id: string) =>
  pipelineSchema.parse((await client.call(`${PIPELINES}/${id}`)).json).state;

async function stepOf(id: string, name: string) {
  const reply = await client.call(`${PIPELINES}/${id}/runs/1/steps/${name}`);
  expect(reply.status, reply.text).toBe(200);
  return stepSchema.parse(reply.json);
}

const ends = (id: string, state: string) =>
  expect.poll(() => stateOf(id), { ...PATIENCE, message: service.output }).toBe(state);

const sandboxes = () => fake.inspect().sandboxes;

const spentSchema = z.object({
  event: z.literal("e2b_sandbox_spent"),
  resource_id: z.string(),
  sandbox_seconds: z.number(),
});

/** What the log says that sandboxes of a resource lived. */
function spentOn(id: string): number[] {
  return service.output.split("\n").flatMap((line) => {
    const start = line.indexOf('{"level"');
    if (start < 0 || !line.includes("e2b_sandbox_spent")) return [];
    const { resource_id, sandbox_seconds } = spentSchema.parse(JSON.parse(line.slice(start)));
    return resource_id === id ? [sandbox_seconds] : [];
  });
}

describe("a sandbox that steps share", () => {
  test("ends with its run, and what it cost is what its steps did together", async () => {
    const id = await startPipeline([
      { ...SHARED, name: "setup", command: "sleep 0.3" },
      { ...SHARED, name: "one", needs: ["setup"], command: "sleep 1" },
      { ...SHARED, name: "two", needs: ["setup"], command: "sleep 1.5" },
    ]);
    await ends(id, "completed");
    await expect.poll(sandboxes, { timeout: 10_000 }).toEqual([]);
    await expect.poll(() => spentOn(id), PATIENCE).toHaveLength(1);
    const [total = 0] = spentOn(id);
    const steps = await Promise.all(["setup", "one", "two"].map((name) => stepOf(id, name)));
    const parts = steps.map(({ attempts }) => attempts?.[0]?.usage?.sandbox_seconds ?? 0);
    expect(Math.min(...parts)).toBeGreaterThan(0.3);
    const sum = parts.reduce((all, part) => all + part, 0);
    expect(sum).toBeLessThanOrEqual(total + 0.01);
    // What is in no part is the time from the end of the last step to that of the sandbox.
    expect(total - sum).toBeLessThan(1.5);
  });

  test("is made anew for nobody when it is lost while the run is failing", async () => {
    const before = fake.inspect().create_requests;
    const id = await startPipeline([
      { ...SHARED, name: "far", command: "echo up; sleep 300" },
      {
        name: "bad",
        script:
          "export default async () => { await new Promise((f) => setTimeout(f, 3000)); throw new Error('no'); }",
      },
    ]);
    await expect.poll(async () => (await stepOf(id, "bad")).state, PATIENCE).toBe("failed");
    for (const sandbox of sandboxes()) await fake.loseSandbox(sandbox.id);
    await ends(id, "failed");
    expect(await stepOf(id, "far")).toMatchObject({ state: "skipped", error: null });
    expect(fake.inspect().create_requests).toBe(before + 1);
    expect(sandboxes()).toEqual([]);
  });

  test("is a task's own outside of a pipeline", async () => {
    const { id } = await begin("echo up", SHARED);
    expect(await client.settled(id)).toMatchObject({ state: "completed" });
    await expect.poll(sandboxes, { timeout: 10_000 }).toEqual([]);
  });
});

test("a cancel that E2B cannot confirm tells its cost once the sandbox is killed", async () => {
  const { id } = await begin("echo up; sleep 300");
  await printed(id, "up");
  fake.faults.set({ refuse_all: true });
  await client.call(`/api/v1/tasks/${id}/cancel`, { method: "POST" });
  await client.settled(id);
  expect(await client.attempts(id)).toMatchObject([{ state: "cancelled", usage: null }]);
  fake.faults.clear();
  const used = async () => (await client.attempts(id))[0]?.usage?.sandbox_seconds ?? 0;
  await expect.poll(used, { ...PATIENCE, message: service.output }).toBeGreaterThan(1);
  expect(sandboxes()).toEqual([]);
});

describe("an E2B that is out of reach", () => {
  test("is told by why, in words that help, and rarely in the log", async () => {
    fake.faults.set({ refuse_all: true });
    const { id } = await begin("echo up");
    const why = async () => (await client.call(`/api/v1/tasks/${id}/why`)).text;
    await expect.poll(why, PATIENCE).toContain("Check E2B_API_URL and the network of the service");
    expect(await why()).toContain(fake.apiUrl);
    expect(await why()).toContain("then fails as dispatch_undeliverable");
    const lines = service.output.split("\n").filter((line) => line.includes(id));
    expect(lines.filter((line) => line.includes("remote_attempt_failed")).length).toBeLessThan(8);
    await client.call(`/api/v1/tasks/${id}/cancel`, { method: "POST" });
    await client.settled(id);
  });

  test("has the next executor take over", async () => {
    const runner = await RunnerProcess.start(client);
    fake.faults.set({ refuse_all: true });
    const { id } = await client.start({
      executors: ["e2b", "subprocess"],
      command: "echo elsewhere",
    });
    const task = await client.settled(id);
    await runner.stop();
    expect(task, service.output).toMatchObject({ state: "completed", stdout: "elsewhere\n" });
  });
});
