/** Attempts that report after they were given up: what they say is recorded and changes nothing. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { newSeed } from "../http/seed.ts";
import { writeDocument } from "../tasks/document.ts";
import { NO_FILES } from "../tasks/files.ts";
import { TASK_KIND } from "../tasks/kind.ts";
import { specSchema } from "../tasks/schemas.ts";
import { objectName, resourceId } from "./address.ts";
import { createRunClient } from "./client.ts";
import { KILL_GRACE_MS } from "./state.ts";
import type { Snapshot } from "./store-types.ts";

const PROJECT = "late-report-tests";
const runs = createRunClient(env.RUN_COORDINATOR, TASK_KIND);
const stubOf = (id: string) => env.RUN_COORDINATOR.getByName(objectName(id));

/** Keeps one artifact, whose storing the test can hold up; sleeps for `inputs` ms before it. */
const KEEPER = `export default async (ms, ctx) => {
  await new Promise((done) => setTimeout(done, ms));
  ctx.files.write("kept.txt", "x".repeat(1_000));
  return "kept";
}`;

async function create(spec: Record<string, unknown>): Promise<Snapshot> {
  const parsed = specSchema.parse({ name: "late", script: KEEPER, inputs: 0, ...spec });
  return runs.create({
    id: resourceId(newSeed(), PROJECT),
    kind: TASK_KIND,
    project_id: PROJECT,
    document: writeDocument({ spec: parsed, files: NO_FILES, created_by: "test" }),
    start: { wait_ms: 0, request_id: "first" },
  });
}

interface Hold {
  isHeld: boolean;
  isReleased: boolean;
}

/** Holds up the next artifact of the object; flags, since promises do not cross to an object. */
async function holdArtifact(id: string): Promise<Hold> {
  const hold: Hold = { isHeld: false, isReleased: false };
  await runInDurableObject(stubOf(id), (instance) => {
    const { BLOBS }: Env = Reflect.get(instance, "env");
    const put = BLOBS.put.bind(BLOBS);
    vi.spyOn(BLOBS, "put").mockImplementationOnce(async (...given: Parameters<typeof put>) => {
      hold.isHeld = true;
      while (!hold.isReleased) await scheduler.wait(10);
      return put(...given);
    });
  });
  return hold;
}

const held = (hold: Hold) => vi.waitFor(() => expect(hold.isHeld).toBe(true));

/** A task whose first run was cancelled and given up while its artifact is held up. */
async function givenUp(): Promise<{ id: string; first: Hold }> {
  const { resource } = await create({ inputs: 200, artifacts: ["kept.txt"] });
  const first = await holdArtifact(resource.id);
  await held(first);
  await runs.cancel(resource.id);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + KILL_GRACE_MS + 1_000 });
  await runDurableObjectAlarm(stubOf(resource.id));
  expect((await runs.read(resource.id)).run?.status).toBe("cancelled");
  return { id: resource.id, first };
}

async function refusals(id: string, run: number): Promise<number> {
  const { events } = await runs.events(id, run, 0);
  return events.filter((event) => event.type === "attempt.refused").length;
}

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("a report of a run that was given up", () => {
  it("leaves a run after it that has ended as it is", async () => {
    const { id, first } = await givenUp();
    const second = await runs.execute(id, { wait_ms: 5_000, request_id: "second" });
    expect(second.run).toMatchObject({ run: 2, status: "completed" });
    first.isReleased = true;
    await vi.waitFor(async () => expect(await refusals(id, 1)).toBe(1));
    expect((await runs.read(id)).run).toMatchObject({ run: 2, status: "completed" });
    const third = await runs.execute(id, { wait_ms: 5_000, request_id: "third" });
    expect(third.run).toMatchObject({ run: 3, status: "completed" });
  });

  it("leaves a run after it that is live in its place", async () => {
    const { id, first } = await givenUp();
    const second = await holdArtifact(id);
    await runs.execute(id, { wait_ms: 0, request_id: "second" });
    await held(second);
    first.isReleased = true;
    await vi.waitFor(async () => expect(await refusals(id, 1)).toBe(1));
    const third = runs.execute(id, { wait_ms: 0, request_id: "third" });
    await expect(third).rejects.toMatchObject({ code: "illegal_transition" });
    second.isReleased = true;
    await vi.waitFor(async () => {
      expect((await runs.read(id)).run).toMatchObject({ run: 2, status: "completed" });
    });
  });

  it("leaves no blob of a task that was deleted", async () => {
    const { id, first } = await givenUp();
    await runs.remove(id, null);
    await vi.waitFor(async () => {
      const gone = await runInDurableObject(stubOf(id), (_, state) =>
        state.storage.sql.exec("SELECT * FROM deletions").toArray(),
      );
      await runDurableObjectAlarm(stubOf(id));
      expect(gone).toEqual([]);
    });
    const { BLOBS } = env;
    const removed = vi.spyOn(BLOBS, "delete");
    first.isReleased = true;
    await vi.waitFor(() => expect(removed).toHaveBeenCalled());
    expect((await BLOBS.list({ prefix: `runs/${PROJECT}/${id}/` })).objects).toEqual([]);
  });
});

describe("a cancel whose object is reset", () => {
  it("is answered as done", async () => {
    const { resource } = await create({ inputs: 100, artifacts: ["kept.txt"] });
    const { id } = resource;
    await held(await holdArtifact(id));
    const answer = runs.cancel(id);
    await vi.waitFor(async () => expect((await runs.why(id)).waiting_for?.type).toBe("stop"));
    await runInDurableObject(stubOf(id), (_, state) => state.abort("crash")).catch(() => undefined);
    expect((await answer).run?.status).toBe("cancelled");
  });
});
