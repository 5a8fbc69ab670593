/** A task that computes without end takes the whole process along, and must not take its neighbours. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client, SCRIPTS } from "./client.ts";
import { TestService } from "./service.ts";

const INNOCENTS = 5;
const SLEEP_MS = 2_000;
/** The longest silence of the service. */
const SILENCE_LIMIT_MS = 15_000;
const END_LIMIT_MS = 90_000;

let service: TestService;
let client: Client;
const silences: number[] = [];

beforeAll(async () => {
  service = await TestService.start();
  service.supervisor.on("recovered", (_, downtimeMs) => silences.push(downtimeMs));
  client = new Client(service);
});
afterAll(() => service.stop());

test("for(;;){} beside five innocents: it fails as poison, they complete", async () => {
  const innocents = await Promise.all(
    Array.from({ length: INNOCENTS }, () =>
      client.start({ name: "innocent", script: SCRIPTS.sleep, inputs: SLEEP_MS }),
    ),
  );
  for (const { id } of innocents) await client.until(id, "running");
  const loop = await client.create({
    name: "loop",
    script: "export default () => { for (;;) {} }",
  });

  const began = performance.now();
  const since = () => performance.now() - began;
  // The call that starts it has no answer: the process that would give it hangs.
  const execution = client
    .act(loop.id, "execute", { headers: { prefer: "respond-async" } })
    .catch(() => null);
  await expect.poll(() => silences.length, { timeout: END_LIMIT_MS }).toBeGreaterThan(0);
  const answeredMs = since();
  await execution;

  const end = async (id: string) => {
    const task = await client.task(id).catch(() => null);
    return task?.completed_at ? task.state : null;
  };
  await expect.poll(() => end(loop.id), { timeout: END_LIMIT_MS }).toBe("failed");
  const convictedMs = since();
  for (const { id } of innocents) {
    await expect.poll(() => end(id), { timeout: END_LIMIT_MS }).toBe("completed");
  }
  const doneMs = since();

  const failed = await client.task(loop.id);
  expect(failed).toMatchObject({ state: "failed", error_code: "poison" });
  expect(failed.error).toMatch(/endless loop/);
  for (const { id } of innocents) expect((await client.task(id)).result).toBe(SLEEP_MS);
  expect(Math.max(...silences)).toBeLessThan(SILENCE_LIMIT_MS);
  // What it did leaves no trace: the next task runs as ever.
  expect(await client.start({ command: "echo alive" }, "wait=30")).toMatchObject({
    state: "completed",
    stdout: "alive\n",
  });
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  console.log(
    `poison: answers again after ${seconds(answeredMs)}, silent ${silences.map(seconds).join(", ")}; ` +
      `the loop failed after ${seconds(convictedMs)}, all ${INNOCENTS} innocents done after ${seconds(doneMs)}`,
  );
});
