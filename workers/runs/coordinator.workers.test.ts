/** The coordinator as a real Durable Object: eviction, alarms, projection, watchers, blobs. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { newSeed } from "../http/seed.ts";
import { writeDocument } from "../tasks/document.ts";
import { NO_FILES } from "../tasks/files.ts";
import { TASK_KIND } from "../tasks/kind.ts";
import { UPSERT_SQL } from "../tasks/repository.ts";
import { specSchema } from "../tasks/schemas.ts";
import { objectName, resourceId } from "./address.ts";
import { createRunClient } from "./client.ts";
import type { EventRow, Snapshot } from "./store-types.ts";

const PROJECT = "coordinator-tests";
const runs = createRunClient(env.RUN_COORDINATOR, TASK_KIND);
const stubOf = (id: string) => env.RUN_COORDINATOR.getByName(objectName(id));

const sleeper = (ms: number) =>
  `export default async () => { await new Promise((done) => setTimeout(done, ${ms})); return "slept" }`;

interface Options {
  readonly id?: string;
  readonly wait_ms?: number | null;
}

/** Creates a task; executes it and waits for its end unless `wait_ms` says otherwise. */
async function create(spec: Record<string, unknown>, options: Options = {}): Promise<Snapshot> {
  const { id = resourceId(newSeed(), PROJECT), wait_ms = 20_000 } = options;
  const parsed = specSchema.parse({ name: "test", ...spec });
  return runs.create({
    id,
    kind: TASK_KIND,
    project_id: PROJECT,
    document: writeDocument({ spec: parsed, files: NO_FILES, created_by: "test" }),
    start: wait_ms === null ? null : { wait_ms, request_id: `request-${id}` },
  });
}

async function until(id: string, status: string): Promise<Snapshot> {
  return vi.waitFor(
    async () => {
      const snapshot = await runs.read(id);
      expect(snapshot.run?.status).toBe(status);
      return snapshot;
    },
    { timeout: 15_000, interval: 50 },
  );
}

/** Resets the object as a crash would: what it had in memory is gone, what it runs is cut off. */
async function crash(id: string): Promise<void> {
  await runInDurableObject(stubOf(id), (_, state) => state.abort("crash")).catch(() => undefined);
}

const row = (id: string) =>
  env.DB.prepare("SELECT state, revision FROM tasks WHERE id = ?")
    .bind(id)
    .first<{ state: string; revision: number }>();

const types = (events: readonly EventRow[]) => events.map((event) => event.type);

describe("a run", () => {
  it("ends within the call that creates it, and lists show it soon after", async () => {
    const { resource, run, result } = await create({ script: "export default () => ({ n: 42 })" });
    expect(run?.status).toBe("completed");
    expect(result).toEqual({ kind: "inline", json: '{"n":42}' });
    await vi.waitFor(async () => {
      expect(await row(resource.id)).toEqual({
        state: "completed",
        revision: resource.changed_seq,
      });
    });
    const { results } = await env.DB.prepare(
      "SELECT topic, payload FROM outbox WHERE resource_id = ?",
    )
      .bind(resource.id)
      .all<{ topic: string; payload: string }>();
    const told: { type: string }[] = results.flatMap(({ payload }) => JSON.parse(payload));
    expect(told.map(({ type }) => type)).toEqual([
      "resource.created",
      "run.queued",
      "run.started",
      "run.completed",
    ]);
    expect(new Set(results.map(({ topic }) => topic))).toEqual(new Set(["task"]));
  });

  it("is stored once however often its creation is repeated", async () => {
    const id = resourceId(newSeed(), PROJECT);
    const first = await create({ script: "export default () => Math.random()" }, { id });
    const again = await create({ script: "export default () => Math.random()" }, { id });
    expect(again.resource.run).toBe(1);
    expect(again.result).toEqual(first.result);
  });

  it("is found again by a repeated execute, and begun anew by another", async () => {
    const { resource } = await create({ script: "export default () => 1" });
    const second = await runs.execute(resource.id, { wait_ms: 5_000, request_id: "second" });
    const repeated = await runs.execute(resource.id, { wait_ms: 5_000, request_id: "second" });
    expect([second.resource.run, repeated.resource.run]).toEqual([2, 2]);
    const third = await runs.execute(resource.id, { wait_ms: 5_000, request_id: "third" });
    expect(third.resource.run).toBe(3);
  });

  it("is found again by the request that began it when others have come after", async () => {
    const { resource } = await create({ script: sleeper(200) });
    const { id } = resource;
    await runs.execute(id, { wait_ms: 5_000, request_id: "second" });
    await runs.execute(id, { wait_ms: 0, request_id: "third" });
    const repeated = await runs.execute(id, { wait_ms: 5_000, request_id: "second" });
    expect(repeated.run).toMatchObject({ run: 2, status: "completed" });
    await until(id, "completed");
    await runs.execute(id, { wait_ms: 5_000, request_id: "second" });
    expect((await runs.read(id)).resource.run).toBe(3);
  });

  it("keeps a large result in the blob store, byte for byte", async () => {
    const { result } = await create({ script: 'export default () => "x".repeat(200_000)' });
    if (result?.kind !== "stored") throw new Error(`stored where? ${JSON.stringify(result)}`);
    expect(result.bytes).toBe(200_002);
    const object = await env.BLOBS.get(result.key);
    expect(await object?.json()).toBe("x".repeat(200_000));
  });

  it("drops the result of an attempt that a later attempt supersedes", async () => {
    const script =
      "export default (_, ctx) => { if (ctx.attempt === 1) throw new Error('once'); return null }";
    const retry = { max_attempts: 2, initial_seconds: 0.01 };
    const { run, result } = await create({ script, retry });
    expect(run).toMatchObject({ status: "completed", attempt: 2, error: null });
    expect(result).toBeNull();
  });
});

describe("eviction", () => {
  it("loses nothing that was acknowledged", async () => {
    const { resource } = await create({ script: "export default () => 7" });
    await evictDurableObject(stubOf(resource.id));
    const read = await runs.read(resource.id);
    expect(read.run?.status).toBe("completed");
    expect(read.result).toEqual({ kind: "inline", json: "7" });
    expect(read.resource.changed_seq).toBe(resource.changed_seq);
  });

  it("by a crash in the middle of an attempt dispatches it again under a new epoch", async () => {
    const { resource } = await create({ script: sleeper(400) }, { wait_ms: 0 });
    await crash(resource.id);
    const ended = await until(resource.id, "completed");
    const attempts = await runs.attempts(resource.id, null);
    expect(attempts.map(({ state }) => state)).toEqual(["lost", "completed"]);
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 1]);
    expect(attempts.map(({ epoch }) => epoch)).toEqual([1, 2]);
    expect(ended.run?.attempt).toBe(1);
  });

  it("by a crash under a call that waits leaves the caller with the answer", async () => {
    const { resource } = await create({ script: "export default () => 1" }, { wait_ms: null });
    const spec = specSchema.parse({ name: "slow", script: sleeper(600) });
    const document = writeDocument({ spec, files: NO_FILES, created_by: "test" });
    await runs.edit(resource.id, document, 1, null);
    const answer = runs.execute(resource.id, { wait_ms: 10_000, request_id: "one" });
    await until(resource.id, "running");
    await crash(resource.id);
    const { run, resource: after } = await answer;
    expect(run?.status).toBe("completed");
    expect(after.run).toBe(1);
  });

  it("by a crash in the middle of a stream leaves it without gap or repeat", async () => {
    const script = `export default async () => {
      for (let n = 0; n < 10; n += 1) { console.log(n); await new Promise((done) => setTimeout(done, 40)) }
    }`;
    const { resource } = await create({ script }, { wait_ms: 0 });
    const seqs: number[] = [];
    let crashed = false;
    for await (const event of runs.follow(resource.id, 1, 0, new AbortController().signal)) {
      seqs.push(event.seq);
      if (event.type === "log" && !crashed) {
        crashed = true;
        await crash(resource.id);
      }
    }
    expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] ?? 0) + index));
    expect((await runs.read(resource.id)).run?.status).toBe("completed");
  });

  it("while a retry waits leaves the alarm that starts it", async () => {
    const script =
      "export default (_, ctx) => { if (ctx.attempt === 1) throw new Error('once'); return 'ok' }";
    const { resource } = await create(
      { script, retry: { max_attempts: 2, initial_seconds: 0.5, jitter: false } },
      { wait_ms: 0 },
    );
    await vi.waitFor(async () => {
      expect((await runs.why(resource.id)).waiting_for?.type).toBe("retry");
    });
    await evictDurableObject(stubOf(resource.id));
    const ended = await vi.waitFor(
      async () => {
        const { results } = await env.DB.prepare("SELECT state FROM tasks WHERE id = ?")
          .bind(resource.id)
          .all<{ state: string }>();
        expect(results[0]?.state).toBe("completed");
        return runs.read(resource.id);
      },
      { timeout: 10_000 },
    );
    expect(ended.run?.attempt).toBe(2);
  });
});

describe("cancel", () => {
  it("ends a task that was never started", async () => {
    const { resource } = await create({ script: sleeper(1) }, { wait_ms: null });
    const { run } = await runs.cancel(resource.id);
    expect(run).toMatchObject({ run: 1, status: "cancelled", started_at: null });
  });

  it("stops a running attempt before it answers", async () => {
    const { resource } = await create({ script: sleeper(60_000) }, { wait_ms: 0 });
    const { run } = await runs.cancel(resource.id);
    expect(run?.status).toBe("cancelled");
    const [attempt] = await runs.attempts(resource.id, null);
    expect(attempt?.state).toBe("cancelled");
  });

  it("is refused once the run has ended, with what is allowed", async () => {
    const { resource } = await create({ script: "export default () => 1" });
    await expect(runs.cancel(resource.id)).rejects.toMatchObject({
      code: "illegal_transition",
      members: { state: "completed", allowed: ["execute", "update", "delete"] },
    });
  });
});

describe("timeout", () => {
  it("stops the attempt and says what the limit was", async () => {
    const { run } = await create({ script: sleeper(60_000), timeout_seconds: 0.2 });
    expect(run).toMatchObject({ status: "failed", error: { code: "timeout" } });
    expect(run?.error?.message).toContain("0.2 s");
  });
});

describe("what is allowed", () => {
  it("names no retry once all are used up", async () => {
    const { resource } = await create({ script: "export default () => nope()", max_retries: 1 });
    expect((await runs.why(resource.id)).allowed).toContain("retry");
    await runs.retry(resource.id, { wait_ms: 5_000, request_id: "again" });
    expect((await runs.why(resource.id)).allowed).toEqual(["execute", "update", "delete"]);
    await expect(
      runs.retry(resource.id, { wait_ms: 5_000, request_id: "once more" }),
    ).rejects.toMatchObject({ members: { allowed: ["execute", "update", "delete"] } });
  });
});

describe("the projection", () => {
  it("that fails does not fail the command, and is made up for", async () => {
    await env.DB.exec("ALTER TABLE tasks RENAME TO tasks_away");
    const { resource, run } = await create({ script: "export default () => 1" });
    expect(run?.status).toBe("completed");
    await env.DB.exec("ALTER TABLE tasks_away RENAME TO tasks");
    await vi.waitFor(async () => expect((await row(resource.id))?.state).toBe("completed"), {
      timeout: 10_000,
    });
  });

  it("never goes back to an older revision", async () => {
    const { resource } = await create({ script: "export default () => 1" });
    await vi.waitFor(async () => expect((await row(resource.id))?.state).toBe("completed"));
    const stale = JSON.stringify([
      {
        id: resource.id,
        project_id: PROJECT,
        name: "stale",
        task_type: "local",
        state: "running",
        created_at: 1,
        updated_at: 1,
        revision: 1,
        document: {},
      },
    ]);
    await env.DB.prepare(UPSERT_SQL).bind(stale).run();
    expect((await row(resource.id))?.state).toBe("completed");
  });
});

describe("deleting", () => {
  it("removes the row and the blobs, and the id is unknown from then on", async () => {
    const { resource } = await create({ script: 'export default () => "x".repeat(100_000)' });
    await vi.waitFor(async () => expect(await row(resource.id)).not.toBeNull());
    await runs.remove(resource.id, null);
    await expect(runs.read(resource.id)).rejects.toMatchObject({ code: "not_found" });
    await vi.waitFor(async () => expect(await row(resource.id)).toBeNull());
    await runDurableObjectAlarm(stubOf(resource.id));
    await vi.waitFor(async () => {
      const { objects } = await env.BLOBS.list({ prefix: `runs/${PROJECT}/${resource.id}/` });
      expect(objects).toEqual([]);
    });
  });
});

describe("following", () => {
  const chatty = `export default async () => {
    for (let n = 0; n < 20; n += 1) { console.log(n); await new Promise((done) => setTimeout(done, 30)) }
  }`;

  it("replays and goes on live without gap or repeat", async () => {
    const { resource } = await create({ script: chatty }, { wait_ms: 0 });
    const seen: EventRow[] = [];
    for await (const event of runs.follow(resource.id, 1, 0, new AbortController().signal)) {
      seen.push(event);
    }
    const seqs = seen.map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] ?? 0) + index));
    expect(types(seen).at(-1)).toBe("run.completed");
    const text = seen
      .filter(({ type }) => type === "log")
      .map(({ data }) => JSON.parse(data).text)
      .join("");
    expect(text).toBe(Array.from({ length: 20 }, (_, n) => `${n}\n`).join(""));
  });

  it("resumes after the last event that was seen", async () => {
    const { resource } = await create({ script: chatty }, { wait_ms: 0 });
    const first: EventRow[] = [];
    for await (const event of runs.follow(resource.id, 1, 0, new AbortController().signal)) {
      first.push(event);
      if (first.length === 6) break;
    }
    const last = first.at(-1)?.seq ?? 0;
    const rest: EventRow[] = [];
    for await (const event of runs.follow(resource.id, 1, last, new AbortController().signal)) {
      rest.push(event);
    }
    expect(rest[0]?.seq).toBe(last + 1);
    expect(types(rest).at(-1)).toBe("run.completed");
  });
});

describe("a stream", () => {
  /** How a stream ends: by itself, or not within five seconds. */
  async function ending(id: string, after: number, meanwhile: () => Promise<unknown>) {
    const gaveUp = AbortSignal.timeout(5_000);
    const stream = runs.follow(id, 1, after, gaveUp);
    const drained = (async () => {
      for await (const _ of stream);
    })();
    await meanwhile();
    await drained;
    return gaveUp.aborted ? "never" : "ended";
  }

  it("ends when the task is deleted before its first run", async () => {
    const { resource } = await create({ script: sleeper(1) }, { wait_ms: null });
    const { id } = resource;
    const watchers = () =>
      runInDurableObject(stubOf(id), (_, state) => state.getWebSockets(id).length);
    const remove = async () => {
      await vi.waitFor(async () => expect(await watchers()).toBe(1));
      await runs.remove(id, null);
    };
    expect(await ending(id, 0, remove)).toBe("ended");
  });

  it("ends with the run for a reader that claims to know what has not happened yet", async () => {
    const { resource } = await create({ script: sleeper(300) }, { wait_ms: 0 });
    expect(await ending(resource.id, 1_000_000, async () => undefined)).toBe("ended");
  });
});

describe("slots", () => {
  it("run ten attempts of one object at once and queue the others by priority", async () => {
    const ids: string[] = [];
    const home = objectName(resourceId(newSeed(), PROJECT));
    while (ids.length < 12) {
      const id = resourceId(newSeed(), PROJECT);
      if (objectName(id) === home) ids.push(id);
    }
    const [low = "", high = "", ...others] = ids;
    for (const id of others) await create({ script: sleeper(1_000) }, { id, wait_ms: 0 });
    await create({ script: sleeper(1), priority: -5 }, { id: low, wait_ms: 0 });
    await create({ script: sleeper(1), priority: 5 }, { id: high, wait_ms: 0 });
    expect((await runs.why(high)).waiting_for).toMatchObject({ type: "slot", position: 1 });
    expect((await runs.why(low)).waiting_for).toMatchObject({ type: "slot", position: 2 });
    const ended = await Promise.all(ids.map((id) => until(id, "completed")));
    expect(ended.length).toBe(12);
  });
});

describe("archiving", () => {
  it("moves the events of an old run to the blob store, from where they are read as before", async () => {
    const { resource } = await create({ script: "export default () => { console.log('kept') }" });
    const query = { run: null, stream: null, step: null, attempt: null, from: 0, to: null };
    const before = await runs.log(resource.id, query);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 2 * 86_400_000 });
    try {
      await stubOf(resource.id).wake();
      await vi.waitFor(async () => {
        await runDurableObjectAlarm(stubOf(resource.id));
        const listed = await env.BLOBS.list({
          prefix: `runs/${PROJECT}/${resource.id}/1/archive/`,
        });
        expect(listed.objects.length).toBe(2);
      });
      expect(await runs.log(resource.id, query)).toEqual(before);
      const { stdout, run } = await runs.read(resource.id);
      expect(stdout).toEqual({ text: "kept\n", bytes: 5 });
      expect(run?.status).toBe("completed");
      expect((await runs.attempts(resource.id, null)).length).toBe(1);
      const again = await runs.execute(resource.id, { wait_ms: 5_000, request_id: "later" });
      expect(again.run).toMatchObject({ run: 2, status: "completed" });
      const { events } = await runs.events(resource.id, 1, 0);
      const later = await runs.events(resource.id, 2, 0);
      const last = events.at(-1)?.seq ?? Number.POSITIVE_INFINITY;
      expect(later.events.every(({ seq, run: of }) => of !== 2 || seq > last)).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
});
