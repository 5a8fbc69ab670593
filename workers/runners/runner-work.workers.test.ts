/** What runners do over HTTP beside their WebSocket: exchanges, files to read, files to keep. */
import { env } from "cloudflare:workers";
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { attemptKey, type DetachedRef } from "../executors/detached.ts";
import { MAX_ARTIFACT_BYTES, MAX_RESULT_BYTES } from "../executors/port.ts";
import { type FromRunner, MAX_EXCHANGE_BYTES, RUNNER_PATHS } from "../executors/runner/protocol.ts";
import {
  completion,
  entriesOf,
  eventually,
  FakeOwner,
  helloFrame,
} from "../executors/runner/test-support.ts";
import { isolate } from "../test/app.ts";
import { RegisteredRunner, type SignedInit } from "./test-support.ts";

const isolated = isolate();
let owner: FakeOwner;
beforeEach(() => {
  owner = new FakeOwner().install();
});
afterEach(() => vi.restoreAllMocks());

const MEBIBYTE = 1024 * 1024;
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A runner of a project of its own that has one dispatch. */
async function working(wanted: Parameters<FakeOwner["dispatch"]>[0] = {}) {
  const project_id = `p-${crypto.randomUUID()}`;
  const registered = await RegisteredRunner.of(isolated, { project_id });
  const runner = await registered.join();
  const dispatch = owner.dispatch(wanted, { project_id });
  const pool = env.RUNNER_POOL.getByName(`project:${project_id}`);
  await pool.offer(dispatch);
  await runner.assigned(dispatch);
  return { registered, runner, dispatch, pool };
}

function query(ref: DetachedRef, more: Record<string, string>): string {
  const { epoch } = ref;
  return `?${new URLSearchParams({ attempt: attemptKey(ref), epoch: String(epoch), ...more })}`;
}

describe("blobs", () => {
  const work = {
    files: { kind: "stored", key: "work/files.json", bytes: 2 },
    mounts: [{ path: "a b.txt", key: "work/a b+c.txt" }],
    tree: { path: "code", key: "work/tree.tar.gz", files: 1, bytes: 4 },
  } as const;
  const get = (by: RegisteredRunner, ref: DetachedRef, key: string) =>
    by.call(RUNNER_PATHS.blobs + query(ref, { key }));

  it("of an attempt's files, mounts and tree are for its runner", async () => {
    await env.BLOBS.put("work/files.json", "{}");
    await env.BLOBS.put("work/a b+c.txt", "mounted");
    await env.BLOBS.put("work/tree.tar.gz", "tree");
    await env.BLOBS.put("other.txt", "not for it");
    const { registered, dispatch } = await working({ work });
    expect(await get(registered, dispatch, "work/files.json")).toMatchObject({
      status: 200,
      text: "{}",
    });
    expect((await get(registered, dispatch, "work/a b+c.txt")).text).toBe("mounted");
    expect((await get(registered, dispatch, "work/tree.tar.gz")).text).toBe("tree");
    const foreign = await get(registered, dispatch, "other.txt");
    expect(foreign).toMatchObject({ status: 404, body: { code: "not_found" } });
    const other = await RegisteredRunner.of(isolated, { project_id: dispatch.project_id });
    expect(await get(other, dispatch, "work/files.json")).toMatchObject({
      status: 409,
      body: { code: "conflict", fenced: true },
    });
    const stale = { ...dispatch, epoch: 2 };
    expect((await get(registered, stale, "work/files.json")).status).toBe(409);
  });

  it("that are gone are not found, and neither are those of what has ended", async () => {
    const { registered, runner, dispatch } = await working({
      work: { mounts: [{ path: "a", key: "gone" }] },
    });
    expect((await get(registered, dispatch, "gone")).status).toBe(404);
    runner.send(completion({ attempt: attemptKey(dispatch), epoch: 1 }));
    await runner.next("complete_ack");
    expect((await get(registered, dispatch, "gone")).status).toBe(409);
  });
});

describe("artifacts", () => {
  const put = (
    by: RegisteredRunner,
    ref: DetachedRef,
    path: string,
    body: Uint8Array,
    more: Record<string, string> = {},
    init: SignedInit = {},
  ) =>
    by.call(RUNNER_PATHS.artifacts + query(ref, { path, ...more }), {
      method: "PUT",
      body,
      digest: "-",
      headers: { "content-length": String(body.byteLength) },
      ...init,
    });

  it.each([
    ["empty", 0, false],
    ["small", 1_000, false],
    ["large", 5 * MEBIBYTE, false],
    ["large, with its digest", 20 * MEBIBYTE, true],
  ])("that are %s are stored with their digest, and reported", async (_, size, isSaid) => {
    const { registered, dispatch } = await working();
    const body = new Uint8Array(size).map((_, index) => (index * 7) % 251);
    const sha256 = digest(body);
    const reply = await put(registered, dispatch, "out/ä b.bin", body, isSaid ? { sha256 } : {});
    expect(reply.status, reply.text).toBe(204);
    expect(owner.step(dispatch).reports).toEqual([
      { type: "artifact", path: "out/ä b.bin", bytes: size, sha256 },
    ]);
    const stored = await env.BLOBS.get(`pool-tests/${attemptKey(dispatch)}/out/ä b.bin`);
    expect(stored?.customMetadata).toEqual({ sha256 });
    expect(digest(new Uint8Array((await stored?.arrayBuffer()) ?? new ArrayBuffer()))).toBe(sha256);
  });

  it.each([
    ["small", 10, 400, "bad_request"],
    // Whether it broke off or is another is not told apart where it is stored as it comes.
    ["large", 5 * MEBIBYTE, 503, "unavailable"],
  ])("that are %s and not what their digest says are not kept", async (_, size, status, code) => {
    const { registered, dispatch } = await working();
    const reply = await put(registered, dispatch, "x", new Uint8Array(size), {
      sha256: "00".repeat(32),
    });
    expect(reply).toMatchObject({ status, body: { code } });
    expect(owner.types(dispatch)).toEqual([]);
    expect(await env.BLOBS.get(`pool-tests/${attemptKey(dispatch)}/x`)).toBeNull();
  });

  it("are bounded for all of an attempt together", async () => {
    const { registered, dispatch, pool } = await working();
    const name = { runner_id: registered.id, attempt: attemptKey(dispatch), epoch: 1 };
    const half = MAX_ARTIFACT_BYTES / 2;
    for (const path of ["a", "b", "b"]) {
      expect(await pool.placeArtifact(name, path, half)).toMatchObject({ status: "wanted" });
    }
    const reply = await put(registered, dispatch, "c", new Uint8Array(1));
    expect(reply).toMatchObject({ status: 413, body: { code: "payload_too_large" } });
    expect((await put(registered, dispatch, "b", new Uint8Array(1))).status).toBe(204);
    expect((await put(registered, dispatch, "c", new Uint8Array(1))).status).toBe(204);
  });

  it("of what is not the runner's any more are a conflict, and have it killed", async () => {
    const { registered, runner, dispatch } = await working();
    const body = new Uint8Array(3);
    expect((await put(registered, { ...dispatch, epoch: 7 }, "x", body)).status).toBe(409);
    owner.again(dispatch);
    expect(await put(registered, dispatch, "x", body)).toMatchObject({
      status: 409,
      body: { fenced: true },
    });
    await runner.next("fenced");
  });

  it("wait for an owner that is away: the runner sends them again", async () => {
    const { registered, dispatch } = await working();
    owner.isDown = true;
    const reply = await put(registered, dispatch, "x", new Uint8Array(3));
    expect(reply).toMatchObject({ status: 503, body: { code: "unavailable" } });
    owner.isDown = false;
    expect((await put(registered, dispatch, "x", new Uint8Array(3))).status).toBe(204);
  });

  it.each(["", "/etc/passwd", "../up", "a//b", "a/../b"])("are not at %j", async (path) => {
    const { registered, dispatch } = await working();
    const reply = await put(registered, dispatch, path, new Uint8Array(1));
    expect(reply).toMatchObject({ status: 422, body: { errors: [{ path: "query.path" }] } });
  });

  it("need their size", async () => {
    const { registered, dispatch } = await working();
    const reply = await put(
      registered,
      dispatch,
      "x",
      new Uint8Array(1),
      {},
      {
        headers: { "content-length": "many" },
      },
    );
    expect(reply.status).toBe(400);
  });
});

describe("the long-poll", () => {
  async function polling() {
    const project_id = `p-${crypto.randomUUID()}`;
    const registered = await RegisteredRunner.of(isolated, { project_id });
    const session = crypto.randomUUID();
    const post = (body: string) =>
      registered.call(RUNNER_PATHS.exchange, {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      });
    const exchange = (frames: readonly FromRunner[], wait_ms = 0, named = session) =>
      post(JSON.stringify({ session: named, frames, wait_ms }));
    const pool = env.RUNNER_POOL.getByName(`project:${project_id}`);
    return { project_id, exchange, post, session, pool, registered };
  }

  it("carries a dispatch from its assignment to its end", async () => {
    const { project_id, exchange, pool } = await polling();
    const heard: string[] = [];
    const until = async (type: string, frames: readonly FromRunner[] = []) => {
      let next = frames;
      await eventually(async () => {
        const reply = await exchange(next, 500);
        next = [];
        expect(reply.status, reply.text).toBe(200);
        heard.push(reply.text);
        expect(heard.join()).toContain(`"type":"${type}"`);
      });
    };
    await until("welcome", [helloFrame()]);
    const dispatch = owner.dispatch({}, { project_id });
    const waiting = exchange([], 5_000);
    await pool.offer(dispatch);
    expect((await waiting).text).toContain('"type":"assign"');
    const name = { attempt: attemptKey(dispatch), epoch: 1 };
    await until("log_ack", [
      { type: "started", ...name },
      { type: "log", ...name, from: 0, entries: entriesOf("polled") },
    ]);
    await until("complete_ack", [completion(name, 1)]);
    expect(owner.text(dispatch)).toBe("polled");
    expect(owner.types(dispatch)).toEqual(["started", "output", "ended"]);
  });

  it("ends with its runner, whose work is for others at once", async () => {
    const { project_id, exchange, post, session, pool, registered } = await polling();
    const state = async () => (await isolated.call(`/api/v1/runners/${registered.id}`)).body;
    await exchange([helloFrame()]);
    expect(await state()).toMatchObject({ state: "connected" });
    const dispatch = owner.dispatch({}, { project_id });
    await pool.offer(dispatch);
    await eventually(async () => expect((await exchange([], 500)).text).toContain("assign"));
    const waiting = exchange([], 20_000);
    const draining = { type: "heartbeat", running: [], unavailable: {}, draining: true };
    const frames = [{ ...draining, task_types: ["subprocess"] }];
    await post(JSON.stringify({ session, frames, wait_ms: 0, ends: true }));
    expect(await state()).toMatchObject({ state: "offline", running: 0 });
    expect((await waiting).status).toBe(200);
    expect((await exchange([])).status).toBe(409);
    const other = await RegisteredRunner.of(isolated, { project_id });
    await (await other.join()).assigned(dispatch);
  });

  it("begins with a hello, in every session", async () => {
    const { exchange } = await polling();
    expect(await exchange([])).toMatchObject({ status: 409, body: { code: "conflict" } });
    expect((await exchange([helloFrame()])).status).toBe(200);
    expect((await exchange([], 0, "another-session")).status).toBe(409);
  });

  it("refuses what is no frame, naming it, and goes on in another session", async () => {
    const { exchange, post, session } = await polling();
    expect((await exchange([helloFrame()])).status).toBe(200);
    const reply = await post(
      JSON.stringify({ session, frames: [{ ...helloFrame(), slots: 0 }], wait_ms: 0 }),
    );
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body).toMatchObject({
      frames: [
        { type: "refused", code: "frame_invalid", message: expect.stringContaining('"slots"') },
      ],
    });
  });

  it.each(["", "{", "[]", '{"session":"session-1","frames":[]}'])(
    "refuses %j, which is no exchange",
    async (body) => {
      const { post } = await polling();
      expect(await post(body)).toMatchObject({ status: 400, body: { code: "bad_request" } });
    },
  );

  it.each([
    ["unstorable", '{"a":1e999}', "output_invalid"],
    ["too deep", `${"[".repeat(200)}${"]".repeat(200)}`, "output_invalid"],
    ["at its limit", JSON.stringify("x".repeat(MAX_RESULT_BYTES - 2)), null],
    ["too large", JSON.stringify("x".repeat(MAX_RESULT_BYTES)), "output_too_large"],
  ])("takes an end whose result is %s", async (_, result, code) => {
    const { project_id, exchange, post, pool, session } = await polling();
    await exchange([helloFrame()]);
    const dispatch = owner.dispatch({}, { project_id });
    await pool.offer(dispatch);
    await eventually(async () => expect((await exchange([], 500)).text).toContain("assign"));
    const name = { attempt: attemptKey(dispatch), epoch: 1 };
    const end = JSON.stringify(completion(name)).replace('"result":null', `"result":${result}`);
    const body = `{"session":"${session}","wait_ms":0,"frames":[${end}]}`;
    expect((await post(body)).status).toBe(200);
    await eventually(() => expect(owner.types(dispatch)).toEqual(["ended"]));
    expect(owner.step(dispatch).reports).toMatchObject([
      { outcome: code === null ? { status: "completed" } : { status: "failed", code } },
    ]);
  });

  it("takes no more at once than it may hold", async () => {
    const { post } = await polling();
    const reply = await post("x".repeat(MAX_EXCHANGE_BYTES + 1));
    expect(reply).toMatchObject({ status: 413, body: { code: "payload_too_large" } });
  });
});
