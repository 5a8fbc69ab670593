/** Searches of real trees against ripgrep and against a scan of every line: nothing is missed, nothing is added. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { searchSchema } from "../codebases/reading-schemas.ts";
import { codebaseSchema, snapshotSchema } from "../codebases/schemas.ts";
import { Client } from "./client.ts";
import { type CodeQuery, drawQueries, type Lines, ripgrep, scan, textOf } from "./code-queries.ts";
import { TestService } from "./service.ts";

const QUERIES_PER_TREE = 110;
const hasRipgrep = spawnSync("rg", ["--version"]).status === 0;
/** Packages at the versions that package.json pins. */
const TREES = ["hono", "yaml"];

let service: TestService;
let client: Client;

beforeAll(async () => {
  service = await TestService.start();
  client = new Client(service);
});
afterAll(() => service.stop());

/** Pushes a folder as `tar` packs it; returns the codebase's path once it is ready. */
async function push(root: string, name: string): Promise<string> {
  const created = await client.call("/api/v1/codebases", { json: { name } });
  const base = `/api/v1/codebases/${codebaseSchema.parse(created.json).id}`;
  const packed = spawnSync("tar", ["czf", "-", "."], { cwd: root, maxBuffer: 1 << 30 });
  const pushed = await client.call(`${base}/archive`, {
    body: new Uint8Array(packed.stdout),
    headers: { "content-type": "application/octet-stream" },
  });
  const { number } = snapshotSchema.parse(pushed.json);
  const state = async () => {
    const reply = await client.call(`${base}/snapshots/${number}`);
    return snapshotSchema.parse(reply.json).state;
  };
  await expect.poll(state, { timeout: 60_000 }).toBe("ready");
  return base;
}

async function search(base: string, query: CodeQuery): Promise<Lines> {
  const found = new Set<string>();
  let cursor: string | null = null;
  do {
    const parameters: Record<string, string> = {
      ...{ q: textOf(query), max_matches: "500", limit: "200" },
      ...(cursor !== null && { cursor }),
    };
    const reply = await client.call(`${base}/search?${new URLSearchParams(parameters)}`);
    expect(reply.status, `${textOf(query)}: ${reply.text}`).toBe(200);
    const page = searchSchema.parse(reply.json);
    for (const { path, matches, truncated } of page.items) {
      for (const { line } of matches) found.add(`${path}:${line}`);
      if (truncated) found.add(`${path}:truncated`);
    }
    cursor = page.next_cursor;
    if (cursor === null) expect(page.receipt).toMatchObject({ exhaustive: true });
  } while (cursor !== null);
  return found;
}

/** Of files with more matches than are shown only that they match is compared. */
function comparable(lines: Lines, truncated: ReadonlySet<string>): Set<string> {
  const shown = [...lines].map((place) => {
    const path = place.slice(0, place.lastIndexOf(":"));
    return truncated.has(path) ? `${path}:truncated` : place;
  });
  return new Set(shown);
}

describe.each(TREES)("of the sources of %s", (tree) => {
  const root = join("node_modules", tree);
  const paths = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  const texts = paths.map((path) => readFileSync(join(root, path), "utf8"));
  const queries = drawQueries(texts, QUERIES_PER_TREE, tree.length);

  it(`finds the lines of ${QUERIES_PER_TREE} queries that a scan finds`, async () => {
    const base = await push(root, tree);
    const wrong: string[] = [];
    for (const query of queries) {
      const found = await search(base, query);
      const oracles = [scan(paths, texts, query), ...(hasRipgrep ? [ripgrep(root, query)] : [])];
      const truncated = new Set(
        [...found]
          .filter((place) => place.endsWith(":truncated"))
          .map((place) => place.slice(0, -10)),
      );
      for (const expected of oracles) {
        const [ours, theirs] = [comparable(found, truncated), comparable(expected, truncated)];
        const missed = [...theirs].filter((place) => !ours.has(place)).slice(0, 3);
        const added = [...ours].filter((place) => !theirs.has(place)).slice(0, 3);
        if (missed.length + added.length > 0) {
          wrong.push(`${textOf(query)}: missed ${missed.join()} added ${added.join()}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});
