/** Who is to blame when a file cannot be kept. */

import { env } from "cloudflare:workers";
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { offerUntilTaken } from "../backend-executor.ts";
import { BlobNotStored, type BlobWriter, copyFile, FileChanged } from "./artifact-copy.ts";
import { SandboxUnreachable } from "./sandbox.ts";
import {
  attempt,
  backend,
  expectNothingLeft,
  installFake,
  sandboxesOf,
  service,
} from "./test-support.ts";

const PATIENCE = { timeout: 20_000, interval: 20 };
const CONTENT = "kept";
const never = new AbortController().signal;

function streamOf(...pieces: readonly (string | Error)[]): ReadableStream<Uint8Array> {
  const left = [...pieces];
  return new ReadableStream({
    pull(controller) {
      const piece = left.shift();
      if (piece === undefined) controller.close();
      else if (piece instanceof Error) controller.error(piece);
      else controller.enqueue(new TextEncoder().encode(piece));
    },
  });
}

function copied(body: ReadableStream<Uint8Array>, blobs: BlobWriter = env.BLOBS, signal = never) {
  const sha256 = createHash("sha256").update(CONTENT).digest("hex");
  return copyFile({ key: "copied", body, bytes: CONTENT.length, sha256 }, blobs, signal);
}

const isStored = async () => (await env.BLOBS.head("copied")) !== null;

describe("a copy", () => {
  beforeEach(() => env.BLOBS.delete("copied"));

  it("keeps what it was told", async () => {
    await copied(streamOf("ke", "pt"));
    expect(await (await env.BLOBS.get("copied"))?.text()).toBe(CONTENT);
  });

  it.each([
    ["grows", [CONTENT, " and more"]],
    ["shrinks", ["ke"]],
    ["is another one", ["keep"]],
  ])("of a file that %s is none", async (_, pieces) => {
    await expect(copied(streamOf(...pieces))).rejects.toBeInstanceOf(FileChanged);
    expect(await isStored()).toBe(false);
  });

  it("that the sandbox breaks off can be tried again", async () => {
    const broken = streamOf("ke", new Error("connection lost"));
    await expect(copied(broken)).rejects.toBeInstanceOf(SandboxUnreachable);
    expect(await isStored()).toBe(false);
  });

  it("that the store refuses is the store's fault, whether it read of it or not", async () => {
    const refusing: BlobWriter = { put: async () => Promise.reject(new Error("no R2")) };
    const breaking: BlobWriter = {
      async put(_, body) {
        await body.getReader().read();
        throw new Error("no R2 any more");
      },
    };
    for (const blobs of [refusing, breaking]) {
      const broken = copied(streamOf("ke", "pt"), blobs);
      await expect(broken).rejects.toBeInstanceOf(BlobNotStored);
      await expect(broken).rejects.toThrow("no R2");
    }
  });

  it("that is aborted feeds the store no more", async () => {
    const abort = new AbortController();
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        controller.enqueue(new TextEncoder().encode("ke"));
        abort.abort("stop");
        await new Promise(() => undefined);
      },
    });
    const broken = copied(body, env.BLOBS, abort.signal);
    await expect(broken).rejects.toBeInstanceOf(SandboxUnreachable);
    expect(await isStored()).toBe(false);
  });
});

describe("an artifact", { timeout: 30_000 }, () => {
  beforeEach(installFake);
  afterEach(() => vi.restoreAllMocks());

  it("that grows while it is read fails the task, and says what to do", async () => {
    const owner = attempt({ command: "echo one > a.txt", artifacts: ["a.txt"] });
    vi.spyOn(owner, "artifactPlace").mockImplementation(async (_, path) => {
      for (const { id } of await sandboxesOf(owner)) {
        const sandbox = await service.connect(id, 60_000);
        await sandbox?.write([{ path: "~/workspace/a.txt", body: "one, two and three" }]);
      }
      return { status: "wanted", key: owner.keyOf(path) };
    });
    await offerUntilTaken(backend, owner.dispatch);
    await expect.poll(() => owner.isOver, PATIENCE).toBe(true);
    expect(owner.outcome).toMatchObject({ status: "failed", code: "artifact_changed" });
    await expectNothingLeft(owner);
  });

  it("that R2 does not take at once is offered again", async () => {
    let refusals = 2;
    const put: BlobWriter["put"] = async (...args) => {
      refusals -= 1;
      if (refusals >= 0) throw new Error("R2 is not there");
      return env.BLOBS.put(...args);
    };
    const blobs = { get: (key: string) => env.BLOBS.get(key), put };
    const owner = attempt({ command: "echo one > a.txt", artifacts: ["a.txt"] }, { blobs });
    await offerUntilTaken(backend, owner.dispatch);
    await expect.poll(() => owner.isOver, PATIENCE).toBe(true);
    expect(owner.outcome).toMatchObject({ status: "completed" });
    expect([...owner.artifacts.keys()]).toEqual(["a.txt"]);
    await expectNothingLeft(owner);
  });

  it("that is on its way at a stop does not arrive", async () => {
    let offered = 0;
    const reads: Promise<string>[] = [];
    const put: BlobWriter["put"] = async (_, body) => {
      offered += 1;
      // A store that is slow: nothing more is read before the stop is confirmed.
      const rest = new Promise<void>((resolve) => waiting.push(resolve)).then(() =>
        new Response(body).arrayBuffer().then(
          () => "all",
          () => "broken off",
        ),
      );
      reads.push(rest);
      if ((await rest) === "broken off") throw new Error("broken off");
    };
    const waiting: (() => void)[] = [];
    const blobs = { get: (key: string) => env.BLOBS.get(key), put };
    const command = "head -c 3000000 /dev/zero > a.bin";
    const owner = attempt({ command, artifacts: ["a.bin"] }, { blobs });
    await offerUntilTaken(backend, owner.dispatch);
    await expect.poll(() => offered, PATIENCE).toBe(1);
    await backend.stop(owner.dispatch, "cancel");
    await expect.poll(() => owner.isOver, PATIENCE).toBe(true);
    for (const goOn of waiting) goOn();
    expect(await Promise.all(reads)).toEqual(["broken off"]);
    expect(owner.outcome).toEqual({ status: "cancelled" });
    await expectNothingLeft(owner);
  });
});
