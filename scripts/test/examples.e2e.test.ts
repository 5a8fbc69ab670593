/** Each pipeline of `examples/` does what it says. */
import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestService } from "../../workers/test/service.ts";
import type { ApiEvent } from "../lib/api.ts";
import { rootPath } from "../lib/paths.ts";
import { type Graph, PipelineClient } from "../lib/pipeline-client.ts";

let service: TestService;
let client: PipelineClient;

beforeAll(async () => {
  service = await TestService.start();
  client = new PipelineClient(service.url, service.key);
});
afterAll(() => service.stop());

async function create(name: string): Promise<string> {
  const text = await readFile(rootPath("examples", name), "utf8");
  return (await client.createFrom(text)).id;
}

/** Reads a run's events until it ends. */
async function follow(
  id: string,
  run: number,
  see: (event: ApiEvent) => unknown = () => undefined,
): Promise<Graph> {
  for await (const event of client.events(id, run)) await see(event);
  return client.graph(id, run);
}

const statesOf = ({ nodes }: Graph) =>
  Object.fromEntries(nodes.map(({ name, state }) => [name, state]));
const reusedIn = ({ nodes }: Graph) =>
  nodes.flatMap(({ name, reused_from }) => (reused_from === null ? [] : name));

test("every example is run here", async () => {
  expect((await readdir(rootPath("examples"))).sort()).toEqual([
    "build.yaml",
    "release.yaml",
    "review.yaml",
    "skills",
  ]);
});

test("review.yaml counts by a matrix, and publishes when it is approved", async () => {
  const id = await create("review.yaml");
  await client.start(id, { least_words: 3 });
  const graph = await follow(id, 1, (event) =>
    event.type === "gate.opened" ? client.approve(id, 1, "approve", "fine") : undefined,
  );
  expect(graph.state, JSON.stringify(graph)).toBe("completed");
  expect(graph.nodes.filter(({ group }) => group === "count")).toHaveLength(3);
  expect(await client.get(id)).toMatchObject({
    outputs: { total: 16, short: ["texts/three.txt"] },
  });
  expect(await client.artifact(id, 1, "publish", "review.md")).toMatch(/^16 words, approved by /m);
});

test("build.yaml passes files on, and does not do again what has not changed", async () => {
  const id = await create("build.yaml");
  const first = await client.execute(id, { version: "1.0" });
  expect(first).toMatchObject({
    state: "completed",
    outputs: { file: "bundle-1.0.js", lines: "3" },
  });
  const second = await client.execute(id, { version: "1.1" });
  expect(second).toMatchObject({ state: "completed", outputs: { file: "bundle-1.1.js" } });
  const cached: unknown[] = [];
  await follow(id, 2, ({ type, step, hit }) => {
    if (type === "cache.looked_up" && hit) cached.push(step);
  });
  expect(cached).toEqual(["generate", "bundle", "test"]);
  const shipped = await client.artifact(id, 2, "ship", "release/bundle-1.1.js");
  expect(shipped).toContain('export const beta = "beta";');
});

test("release.yaml waits for its signal, fails, and is retried from its failure", async () => {
  const id = await create("release.yaml");
  await client.start(id);
  await client.signal(id, 1, "window-open", { by: "ops" });
  const first = await follow(id, 1);
  expect(statesOf(first)).toMatchObject({
    deploy: "completed",
    settle: "completed",
    check: "failed",
    "page-somebody": "completed",
    announce: "skipped",
  });
  await client.retry(id);
  const second = await follow(id, 2);
  expect(statesOf(second)).toMatchObject({ check: "completed", "page-somebody": "skipped" });
  expect(reusedIn(second)).toEqual(expect.arrayContaining(["window", "deploy", "deploy[2]"]));
  expect(await client.get(id)).toMatchObject({
    state: "completed",
    outputs: { announcement: "ops deployed shop-eu-small-canary, shop-eu-large, shop-us-small" },
  });
});
