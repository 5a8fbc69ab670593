/** How files of earlier steps count in the step cache: by what is in them, not by who made them. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { newSeed } from "../http/seed.ts";
import { contentDigest } from "../security/hash.ts";
import type { TaskInput } from "./test-support.ts";
import {
  create as createPipeline,
  eventsOfType,
  execute,
  PROJECT,
  resultOf,
  retry,
  runs,
} from "./test-support-runs.ts";

/** Writes the texts that it is given, by path. */
const WRITE =
  "export default (texts, ctx) => { for (const [path, text] of Object.entries(texts)) ctx.files.write(path, text) }";
const RANDOM = "export default () => Math.random()";
const digest = (text: string) => contentDigest(new TextEncoder().encode(text));

/** A step that takes files and is run only when one of them changed. */
const USE: TaskInput = {
  name: "use",
  needs: ["make"],
  script: RANDOM,
  use_artifacts: [{ from: "make" }],
  cache: true,
};
const make = (more: Record<string, unknown> = {}): TaskInput => ({
  name: "make",
  script: WRITE,
  inputs: "${{ inputs.texts }}",
  artifacts: ["*.txt"],
  ...more,
});

/** A pipeline that shares nothing with those of other tests: the cache is the whole project's. */
function create(tasks: readonly TaskInput[]): Promise<string> {
  const environment = { TEST: newSeed() };
  return createPipeline(tasks.map((task) => ({ ...task, environment })));
}

async function lookUp(id: string, run: number, step = "use") {
  return (await runs.step(id, run, step)).cache;
}

const runWith = (id: string, texts: Record<string, string>) => execute(id, { inputs: { texts } });

/** Blobs of the files that a step of a run kept. */
async function blobs(id: string, run: number, step: string) {
  const prefix = `runs/${PROJECT}/${id}/${run}/artifacts/${step}/`;
  return (await env.BLOBS.list({ prefix, include: ["customMetadata"] })).objects;
}

/** Stores the files of a step as versions before digests did. */
async function forgetDigests(id: string, run: number, step: string): Promise<void> {
  for (const { key } of await blobs(id, run, step)) {
    const object = await env.BLOBS.get(key);
    await env.BLOBS.put(key, (await object?.arrayBuffer()) ?? "");
  }
}

describe("a cached step that takes files", () => {
  it("is not run again behind a cached step, whose files keep their digests", async () => {
    const last = { ...USE, name: "last", needs: ["use"], use_artifacts: [{ from: "use" }] };
    const id = await create([
      make({ cache: true, inputs: { "a.txt": "a" } }),
      {
        ...USE,
        script:
          "export default (_, ctx) => { ctx.files.write('b.txt', ctx.files.read('a.txt') + 'b'); return Math.random() }",
        artifacts: ["b.txt"],
      },
      last,
    ]);
    await execute(id);
    await execute(id);
    for (const step of ["make", "use", "last"]) {
      expect(await lookUp(id, 2, step), step).toMatchObject({
        hit: true,
        from: { resource_id: id, run: 1 },
      });
      expect(await resultOf(id, step, 2), step).toEqual(await resultOf(id, step, 1));
    }
    const stored = await eventsOfType(id, "artifact.stored", 2);
    expect(stored).toMatchObject([
      { step: "make", path: "a.txt", sha256: digest("a") },
      { step: "use", path: "b.txt", sha256: digest("ab") },
    ]);
    expect((await runs.step(id, 2, "use")).artifacts).toMatchObject([{ sha256: digest("ab") }]);
    expect(await blobs(id, 2, "use")).toMatchObject([{ customMetadata: { sha256: digest("ab") } }]);
  });

  it("is not run again when the step before it made the same files anew", async () => {
    const id = await create([make(), USE]);
    await runWith(id, { "a.txt": "a", "b.txt": "b" });
    await runWith(id, { "b.txt": "b", "a.txt": "a" });
    expect(await lookUp(id, 2)).toMatchObject({ hit: true, from: { resource_id: id, run: 1 } });
  });

  it("says which files are other than before", async () => {
    const id = await create([make(), USE]);
    await runWith(id, { "same.txt": "same", "changed.txt": "1", "gone.txt": "x" });
    await runWith(id, { "same.txt": "same", "changed.txt": "2", "new.txt": "x" });
    const names = ["changed.txt", "gone.txt", "new.txt"].map(
      (path) => `use_artifacts: make/${path}`,
    );
    expect(await lookUp(id, 2)).toEqual({ hit: false, differs: names });
    expect(await eventsOfType(id, "cache.looked_up", 2)).toMatchObject([{ differs: names }]);
  });

  it("tells items of a matrix apart, and the folder that files go into", async () => {
    const each = make({
      name: "each",
      strategy: { matrix: { n: [0, 1] } },
      inputs: { "out.txt": "${{ matrix.n == 0 && 'fixed' || inputs.text }}" },
    });
    const use = { ...USE, needs: ["each"], use_artifacts: [{ from: "each", path: "in" }] };
    const id = await create([each, use]);
    await execute(id, { inputs: { text: "1" } });
    await execute(id, { inputs: { text: "2" } });
    expect(await lookUp(id, 2)).toEqual({
      hit: false,
      differs: ["use_artifacts: each[1]/out.txt"],
    });
  });

  it("counts files that a retry takes over from an earlier run alike", async () => {
    const id = await create([make(), USE]);
    const texts = { "a.txt": "a" };
    await runWith(id, texts);
    expect((await retry(id, "use")).run).toMatchObject({ run: 2, reused: 1 });
    expect(await lookUp(id, 2)).toMatchObject({ hit: true, from: { resource_id: id, run: 1 } });
    await runWith(id, texts);
    await retry(id, "use");
    expect((await runs.step(id, 4, "make")).state.reused_from?.run).toBe(3);
    expect(await lookUp(id, 4)).toMatchObject({ hit: true, from: { resource_id: id, run: 1 } });
  });

  it("counts files without a digest by the run that made them", async () => {
    const id = await create([make(), USE]);
    await runWith(id, { "a.txt": "a" });
    await forgetDigests(id, 1, "make");
    await retry(id, "use");
    expect(await lookUp(id, 2)).toEqual({ hit: false, differs: ["use_artifacts: make"] });
    await retry(id, "use");
    expect(await lookUp(id, 3)).toMatchObject({ hit: true, from: { resource_id: id, run: 2 } });
    await runWith(id, { "a.txt": "a" });
    expect(await lookUp(id, 4)).toMatchObject({ hit: true, from: { resource_id: id, run: 1 } });
  });

  it("takes the digests of files from the cache, and computes those that are not in it", async () => {
    const id = await create([make({ cache: true, inputs: { "a.txt": "a" } }), USE]);
    await execute(id);
    const entry = await entryOf(id, "make");
    const withDigest = (sha256: string | undefined) =>
      env.BLOBS.put(
        entry.key,
        JSON.stringify({
          ...entry.value,
          artifacts: entry.value.artifacts.map((kept) => ({ ...kept, sha256 })),
        }),
      );
    await withDigest("noted");
    await execute(id);
    expect((await runs.step(id, 2, "make")).artifacts).toMatchObject([{ sha256: "noted" }]);
    await withDigest(undefined);
    await execute(id);
    expect((await runs.step(id, 3, "make")).artifacts).toMatchObject([{ sha256: digest("a") }]);
    expect(await lookUp(id, 3)).toMatchObject({ hit: true, from: { resource_id: id, run: 1 } });
  });

  it("names the parts alone after what an earlier version noted", async () => {
    const id = await create([make(), USE]);
    await runWith(id, { "a.txt": "a" });
    const key = `cache/${PROJECT}/newest/${id}/use.json`;
    const noted = await env.BLOBS.get(key);
    const { parts }: { parts: object } = (await noted?.json()) ?? { parts: {} };
    await env.BLOBS.put(key, JSON.stringify(parts));
    await runWith(id, { "a.txt": "b" });
    expect(await lookUp(id, 2)).toEqual({ hit: false, differs: ["use_artifacts"] });
  });
});

interface Entry {
  readonly origin: { readonly resource_id: string; readonly step: string };
  readonly artifacts: readonly object[];
}

/** The cache's entry of a step. */
async function entryOf(id: string, step: string): Promise<{ key: string; value: Entry }> {
  const { objects } = await env.BLOBS.list({ prefix: `cache/${PROJECT}/`, delimiter: "/" });
  for (const { key } of objects) {
    const value = await (await env.BLOBS.get(key))?.json<Entry>();
    if (value?.origin.resource_id === id && value.origin.step === step) return { key, value };
  }
  throw new Error(`the cache has nothing of ${step}`);
}
