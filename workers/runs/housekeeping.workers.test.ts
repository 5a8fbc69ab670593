/** What an alarm does beside the runs: it makes up for what is behind, and holds up no deadline. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { newSeed } from "../http/seed.ts";
import { writeDocument } from "../tasks/document.ts";
import { NO_FILES } from "../tasks/files.ts";
import { TASK_KIND } from "../tasks/kind.ts";
import { specSchema } from "../tasks/schemas.ts";
import { objectName, projectPart, resourceId } from "./address.ts";
import { createRunClient } from "./client.ts";
import type { Snapshot } from "./store-types.ts";

const PROJECT = "housekeeping-tests";
const runs = createRunClient(env.RUN_COORDINATOR, TASK_KIND);
const stubOf = (id: string) => env.RUN_COORDINATOR.getByName(objectName(id));

async function create(
  spec: Record<string, unknown>,
  waitMs: number,
  id = resourceId(newSeed(), PROJECT),
): Promise<Snapshot> {
  const parsed = specSchema.parse({ name: "kept", ...spec });
  return runs.create({
    id,
    kind: TASK_KIND,
    project_id: PROJECT,
    document: writeDocument({ spec: parsed, files: NO_FILES, created_by: "test" }),
    start: { wait_ms: waitMs, request_id: "first" },
  });
}

async function stateInLists(id: string): Promise<string | undefined> {
  const found = await env.DB.prepare("SELECT state FROM tasks WHERE id = ?")
    .bind(id)
    .first<{ state: string }>();
  return found?.state;
}

/** Holds up what goes to D1; resolves to what lets it go. */
async function holdRelay(id: string): Promise<() => Promise<void>> {
  let isHeld = false;
  let isReleased = false;
  const relay = env.PROJECTION.getByName(projectPart(id));
  const held = runInDurableObject(relay, (_, state) =>
    state.blockConcurrencyWhile(async () => {
      isHeld = true;
      while (!isReleased) await scheduler.wait(10);
    }),
  );
  await vi.waitFor(() => expect(isHeld).toBe(true));
  return async () => {
    isReleased = true;
    await held;
  };
}

describe("housekeeping", () => {
  it("that hangs keeps no task from its deadline", async () => {
    const never = "export default () => new Promise((done) => setTimeout(done, 60_000))";
    const { resource } = await create({ script: "export default () => 1" }, 5_000);
    const release = await holdRelay(resource.id);
    try {
      const { run } = await create({ script: never, timeout_seconds: 2.5 }, 8_000);
      expect(run).toMatchObject({ status: "failed", error: { code: "timeout" } });
    } finally {
      await release();
    }
  });

  it("takes a task out of lists that is deleted while a projection is on its way", async () => {
    const { resource } = await create({ script: "export default () => 1" }, 5_000);
    await vi.waitFor(async () => expect(await stateInLists(resource.id)).toBe("completed"));
    let neighbor = resourceId(newSeed(), PROJECT);
    while (objectName(neighbor) !== objectName(resource.id)) {
      neighbor = resourceId(newSeed(), PROJECT);
    }
    const release = await holdRelay(resource.id);
    const sent = vi.spyOn(env.PROJECTION, "getByName");
    await create({ script: "export default () => 1" }, 5_000, neighbor);
    await vi.waitFor(() => expect(sent).toHaveBeenCalled());
    sent.mockRestore();
    await runs.remove(resource.id, null);
    await release();
    await vi.waitFor(async () => expect(await stateInLists(resource.id)).toBeUndefined(), {
      timeout: 5_000,
    });
  });

  it("is taken up by a call on an object that lost its alarm", async () => {
    await env.DB.exec("ALTER TABLE tasks RENAME TO tasks_away");
    const { resource } = await create({ script: "export default () => 1" }, 5_000);
    await runInDurableObject(stubOf(resource.id), async (_, state) => {
      await state.storage.deleteAlarm();
      await state.storage.sync();
      state.abort("crash");
    }).catch(() => undefined);
    await env.DB.exec("ALTER TABLE tasks_away RENAME TO tasks");
    await stubOf(resource.id).wake();
    await vi.waitFor(async () => expect(await stateInLists(resource.id)).toBe("completed"), {
      timeout: 3_000,
    });
  });
});
