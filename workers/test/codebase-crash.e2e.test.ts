/** Snapshots survive the death of the runtime at any moment: they come in whole, and are never mixed. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { blobOid } from "../codebases/intake/git-objects.ts";
import { manifestRoot } from "../codebases/intake/manifest.ts";
import { fileListSchema, searchSchema } from "../codebases/reading-schemas.ts";
import { codebaseSchema, pushedSchema, snapshotSchema } from "../codebases/schemas.ts";
import { Client } from "./client.ts";
import { Random } from "./random.ts";
import { TestService } from "./service.ts";

const KILLS = 3;
const ROOT = join("node_modules", "yaml");
/** The files of a package, as `tar` packs them. */
const FILES = readdirSync(ROOT, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));

let service: TestService;
let client: Client;

beforeAll(async () => {
  service = await TestService.start();
  client = new Client(service);
});
afterAll(() => service.stop());

async function create(name: string): Promise<string> {
  const created = await client.call("/api/v1/codebases", { json: { name } });
  return `/api/v1/codebases/${codebaseSchema.parse(created.json).id}`;
}

const tarOf = (paths: readonly string[]) => {
  const { stdout } = spawnSync("tar", ["czf", "-", "--mode=0644", ...paths], {
    cwd: ROOT,
    maxBuffer: 1 << 30,
  });
  return { body: new Uint8Array(stdout), headers: { "content-type": "application/octet-stream" } };
};

const entries = FILES.map((path) => {
  const content = readFileSync(join(ROOT, path));
  return { path, oid: blobOid(content), size: content.byteLength, mode: "file" as const };
});

/** Answers may be missing while the runtime is down. */
async function snapshotOf(base: string) {
  const reply = await client.call(`${base}/snapshots/1`).catch(() => null);
  return reply?.status === 200 ? snapshotSchema.parse(reply.json) : null;
}

test(`an archive is read whole although the runtime dies ${KILLS} times meanwhile`, async () => {
  const base = await create("archive");
  const pushed = await client.call(`${base}/archive`, tarOf(FILES));
  expect(pushed.status, pushed.text).toBe(202);
  const random = new Random(17);
  for (let kill = 0; kill < KILLS; kill += 1) {
    // At another moment each time; what has to hold does not depend on which.
    await delay(random.below(300));
    await service.killAndRecover();
    const seen = await client.call(`${base}/files?limit=1000`);
    expect(seen.status, seen.text).toBeOneOf([200, 404]);
    if (seen.status === 200) {
      expect(fileListSchema.parse(seen.json).items).toHaveLength(FILES.length);
    }
  }
  await expect.poll(async () => (await snapshotOf(base))?.state, { timeout: 60_000 }).toBe("ready");
  expect(await snapshotOf(base)).toMatchObject({
    root: manifestRoot(entries),
    counts: { files: FILES.length },
  });
  await expect
    .poll(
      async () => {
        const symbols = (await snapshotOf(base))?.symbols;
        return symbols !== undefined && symbols.of > 0 && symbols.parsed === symbols.of;
      },
      { timeout: 60_000 },
    )
    .toBe(true);
  const found = await client.call(`${base}/search?q=sym:parseDocument&limit=200`);
  expect(searchSchema.parse(found.json)).toMatchObject({ receipt: { exhaustive: true } });
});

test("contents that were acknowledged are there after a death, and only the others are asked for", async () => {
  const base = await create("manifest");
  const files = entries.map(({ path, oid, size }) => [path, oid, size]);
  const begun = await client.call(`${base}/manifest`, { json: { files, ref: "main" } });
  expect(begun.status, begun.text).toBe(201);
  const half = FILES.slice(0, FILES.length / 2);
  const sent = await client.call(`${base}/snapshots/1/blobs`, tarOf(half));
  expect(sent.status, sent.text).toBe(200);
  await service.killAndRecover();
  const oidsOf = (paths: readonly string[]) =>
    new Set(entries.filter(({ path }) => paths.includes(path)).map(({ oid }) => oid));
  const known = oidsOf(half);
  const missing = await client.call(`${base}/snapshots/1/missing`);
  const { items } = missing.json as { items: { oid: string }[] };
  expect(items.filter(({ oid }) => known.has(oid))).toEqual([]);
  const rest = await client.call(`${base}/snapshots/1/blobs`, tarOf(FILES.slice(FILES.length / 2)));
  expect(pushedSchema.parse(rest.json)).toMatchObject({
    missing: [],
    snapshot: { state: "ready", ref: "main", root: manifestRoot(entries) },
  });
});
