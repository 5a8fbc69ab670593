/** A run whose output is larger than a part of its archive. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { newSeed } from "../http/seed.ts";
import { writeDocument } from "../tasks/document.ts";
import { NO_FILES } from "../tasks/files.ts";
import { TASK_KIND } from "../tasks/kind.ts";
import { specSchema } from "../tasks/schemas.ts";
import { objectName, resourceId } from "./address.ts";
import { createRunClient } from "./client.ts";
import type { LogQuery } from "./logs.ts";
import type { EventRow, Snapshot } from "./store-types.ts";

const PROJECT = "archive-tests";
const runs = createRunClient(env.RUN_COORDINATOR, TASK_KIND);
const ID = resourceId(newSeed(), PROJECT);
const ALL: LogQuery = { run: 1, stream: null, step: null, attempt: null, from: 0, to: null };

/** Two attempts, each with 3 MiB on stdout and a line on stderr. */
const SCRIPT = `export default (_, ctx) => {
  for (let n = 0; n < 48; n += 1) console.log(String(ctx.attempt * 100 + n).padEnd(65_535, "é"));
  console.error("attempt " + ctx.attempt);
  if (ctx.attempt === 1) throw new Error("once");
}`;

async function eventsOf(run: number): Promise<EventRow[]> {
  const all: EventRow[] = [];
  for (let after = 0; ; ) {
    const { events } = await runs.events(ID, run, after);
    if (events.length === 0) return all.filter((event) => event.run === run);
    all.push(...events);
    after = events.at(-1)?.seq ?? after;
  }
}

async function slices(query: LogQuery): Promise<Uint8Array[]> {
  const { total } = await runs.log(ID, { ...query, from: 0, to: 0 });
  const ranges = [
    [0, 10],
    [total - 10, total],
    [Math.floor(total / 2) - 7, Math.floor(total / 2) + 70_000],
    [total, total],
  ];
  return Promise.all(
    ranges.map(async ([from = 0, to = 0]) => (await runs.log(ID, { ...query, from, to })).body),
  );
}

const QUERIES: readonly LogQuery[] = [
  ALL,
  { ...ALL, stream: "stderr" },
  { ...ALL, attempt: 2 },
  { ...ALL, attempt: 1, stream: "stdout" },
];

describe("an archived run", () => {
  const before: { snapshot?: Snapshot; events?: EventRow[]; slices?: Uint8Array[][] } = {};

  beforeAll(async () => {
    const spec = specSchema.parse({
      name: "chatty",
      script: SCRIPT,
      retry: { max_attempts: 2, initial_seconds: 0.01 },
    });
    const document = writeDocument({ spec, files: NO_FILES, created_by: "test" });
    const start = { wait_ms: 20_000, request_id: null };
    await runs.create({ id: ID, kind: TASK_KIND, project_id: PROJECT, document, start });
    before.snapshot = await runs.read(ID);
    before.events = await eventsOf(1);
    before.slices = await Promise.all(QUERIES.map(slices));
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 2 * 86_400_000 });
    const object = env.RUN_COORDINATOR.getByName(objectName(ID));
    await object.wake();
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(object);
      const { objects } = await env.BLOBS.list({ prefix: `runs/${PROJECT}/${ID}/1/archive/` });
      expect(objects.map(({ key }) => key.split("/").at(-1))).toContain("index.json");
      expect(objects.length).toBeGreaterThan(3);
    });
    vi.useRealTimers();
  }, 30_000);

  it("answers as it did before", async () => {
    expect(before.snapshot?.run?.status).toBe("completed");
    expect(await runs.read(ID)).toEqual(before.snapshot);
  });

  it("has every event in its place", async () => {
    const after = await eventsOf(1);
    expect(after.length).toBe(before.events?.length);
    expect(after).toEqual(before.events);
  });

  it("has every byte of its output in its place", async () => {
    expect(await Promise.all(QUERIES.map(slices))).toEqual(before.slices);
  });

  it("tells its attempts", async () => {
    const attempts = await runs.attempts(ID, 1);
    expect(attempts.map(({ state }) => state)).toEqual(["failed", "completed"]);
  });
});
