/** Each skill of `examples/skills`, installed as `npm run seed` does, does what it says. */
import { gzipSync } from "node:zlib";
import { Client as McpClient, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type FakeModels, startFakeModels } from "../../containers/fakes/models/server.ts";
import { tarOf } from "../../workers/codebases/intake/test-support-archives.ts";
import { Client } from "../../workers/test/client.ts";
import { Pings } from "../../workers/test/pings.ts";
import { TestService } from "../../workers/test/service.ts";
import { Api } from "../lib/api.ts";
import { type Seeded, seedSkills } from "../lib/seeding.ts";
import { skillFolders } from "../lib/skill-folders.ts";

const SKILLS = "/api/v1/skills";
const FINDING = {
  path: "last.ts",
  line: 2,
  severity: "error",
  message: "The index is one past the end.",
  suggestion: null,
};
const REVIEW = { findings: [FINDING], summary: "It reads past the end." };
const FOLDERS = await skillFolders();

const testedSchema = z.object({
  passed: z.boolean(),
  items: z.array(z.object({ name: z.string(), verdict: z.string() })),
});

const exampledSchema = z.object({
  examples: z
    .array(
      z.object({
        inputs: z.record(z.string(), z.unknown()),
        outputs: z.unknown().optional(),
      }),
    )
    .min(1),
});

let models: FakeModels;
let pings: Pings;
let service: TestService;
let client: Client;
let seeded: readonly Seeded[];

beforeAll(async () => {
  models = await startFakeModels({
    responder: () => ({ content: [{ type: "json", value: REVIEW }] }),
  });
  pings = await Pings.start();
  service = await TestService.start({
    variables: {
      ANTHROPIC_API_KEY: models.apiKey,
      ANTHROPIC_BASE_URL: `${models.url}/v1`,
      OUTBOUND_ALLOW_HOSTS: pings.host,
    },
  });
  client = new Client(service);
  seeded = await seedSkills(new Api(service.url, service.key), null);
});
afterAll(async () => {
  await service?.stop();
  await Promise.all([models?.stop(), pings?.stop()]);
});

async function invoke(slug: string, inputs: unknown): Promise<unknown> {
  const reply = await client.call(`${SKILLS}/${slug}/invoke`, { json: { inputs } });
  expect(reply.status, reply.text).toBe(200);
  expect(reply.json, reply.text).toMatchObject({ state: "completed", error: null });
  return Object(reply.json).outputs;
}

test("all are created, and none is new when they are installed again", async () => {
  expect(seeded.map(({ slug, outcome }) => `${slug} ${outcome}`)).toEqual(
    FOLDERS.map((slug) => `${slug} created`),
  );
  const again = await seedSkills(new Api(service.url, service.key), null);
  expect(again).toEqual(seeded.map((each) => ({ ...each, outcome: "unchanged" })));
});

test.each(FOLDERS)("the examples of %s pass", async (slug) => {
  const reply = await client.call(`${SKILLS}/${slug}/test`, { json: {} });
  expect(reply.status, reply.text).toBe(200);
  const { passed, items } = testedSchema.parse(reply.json);
  expect(items.length).toBeGreaterThan(0);
  expect(passed, reply.text).toBe(true);
});

test.each(FOLDERS)("%s comes back from its export as it is", async (slug) => {
  const exported = await client.open(`${SKILLS}/${slug}/export?format=tar.gz`);
  const imported = await client.call(`${SKILLS}/import`, {
    method: "POST",
    body: await exported.blob(),
    headers: { "content-type": "application/octet-stream" },
  });
  expect(imported.json, imported.text).toMatchObject({ outcome: "unchanged" });
});

describe("over MCP", () => {
  const agent = new McpClient({ name: "test", version: "1" });

  beforeAll(async () => {
    const headers = { authorization: `Bearer ${service.key}` };
    await agent.connect(
      new StreamableHTTPClientTransport(new URL("/mcp", service.url), { requestInit: { headers } }),
    );
  });
  afterAll(() => agent.close());

  test("all are listed as tools", async () => {
    const { tools } = await agent.listTools();
    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(FOLDERS));
  });

  test.each(FOLDERS)("%s is called with its examples", async (slug) => {
    const reply = await client.call(`${SKILLS}/${slug}`);
    for (const { inputs, outputs } of exampledSchema.parse(reply.json).examples) {
      // The client holds what comes against the schema of the outputs.
      const result = await agent.callTool({ name: slug, arguments: inputs });
      expect(result.isError ?? false, JSON.stringify(result)).toBe(false);
      if (outputs !== undefined) expect(result.structuredContent).toEqual(outputs);
    }
  });
});

describe("over a codebase", () => {
  const NAME = "acme/shop";

  beforeAll(async () => {
    const created = await client.call("/api/v1/codebases", { json: { name: NAME } });
    const files = {
      "package.json": '{"dependencies": {"zod": "4.6.7"}}',
      "api/package.json": '{"dependencies": {"zod": "^3.0.0"}}',
      "src/cart.ts": "export {};\n// TODO(ada): empty it\n",
    };
    const archive = gzipSync(
      tarOf(Object.entries(files).map(([name, content]) => ({ name, content }))),
    );
    const path = `/api/v1/codebases/${Object(created.json).id}`;
    const pushed = await client.call(`${path}/archive`, {
      method: "POST",
      body: new Uint8Array(archive),
      headers: { "content-type": "application/octet-stream" },
    });
    expect(pushed.status, pushed.text).toBeLessThan(300);
    // It ends once the snapshot is ready.
    await (await client.open(`${path}/events?snapshot=1`)).text();
  });

  test("find-todos names the files as the codebase does", async () => {
    expect(await invoke("find-todos", { codebase: NAME })).toMatchObject({
      total: 1,
      owners: ["ada"],
      files: 3,
      todos: [{ path: "src/cart.ts", line: 2, kind: "TODO", text: "empty it" }],
    });
    expect(await invoke("find-todos", { codebase: NAME, folder: "api" })).toMatchObject({
      total: 0,
      files: 1,
    });
  });

  test("dependency-report finds what disagrees", async () => {
    const outputs = await invoke("dependency-report", { codebase: NAME });
    expect(outputs).toMatchObject({
      packages: 1,
      conflicts: [
        {
          name: "zod",
          versions: [
            { version: "^3.0.0", manifests: ["api/package.json"] },
            { version: "4.6.7", manifests: ["package.json"] },
          ],
        },
      ],
    });
  });

  test("a step of a pipeline goes by what is found", async () => {
    const created = await client.call("/api/v1/pipelines", {
      json: {
        name: "no more TODOs",
        tasks: [
          { name: "find", skill: "find-todos", inputs: { codebase: "${{ inputs.codebase }}" } },
          {
            name: "report",
            needs: ["find"],
            if: "${{ tasks.find.result.total > 0 }}",
            skill: "convert-data",
            inputs: {
              data: "${{ toJSON(tasks.find.result.todos) }}",
              ...{ from: "json", to: "csv", columns: ["path", "line", "text"] },
            },
          },
        ],
        outputs: { csv: "${{ tasks.report.result.text }}" },
      },
    });
    expect(created.status, created.text).toBe(201);
    const path = `/api/v1/pipelines/${Object(created.json).id}/execute`;
    const run = await client.call(path, { json: { inputs: { codebase: NAME } } });
    expect(run.json, run.text).toMatchObject({
      state: "completed",
      outputs: { csv: "path,line,text\r\nsrc/cart.ts,2,empty it\r\n" },
    });
  });
});

test("summarise-run takes runs as the API answers them", async () => {
  const created = await client.call("/api/v1/pipelines", {
    json: {
      name: "broken",
      tasks: [
        { name: "good", script: "export default () => 1" },
        { name: "bad", script: "export default () => { throw new Error('out of paper') }" },
        { name: "late", needs: ["bad"], script: "export default () => 2" },
      ],
      execute: true,
    },
  });
  const run = `/api/v1/pipelines/${Object(created.json).id}/runs/1`;
  const inputs = {
    run: (await client.call(run)).json,
    steps: (await client.call(`${run}/steps`)).json,
  };
  const outputs = await invoke("summarise-run", inputs);
  expect(outputs).toMatchObject({
    state: "failed",
    steps: 3,
    states: { completed: 1, failed: 1, skipped: 1 },
    failures: [{ step: "bad", error_code: "script_threw" }],
  });
  expect(Object(outputs).markdown).toContain("out of paper");
});

test("review-diff gives the model the change, and has its findings checked", async () => {
  const diff = "--- a/last.ts\n+++ b/last.ts\n@@ -1 +1 @@\n-a\n+b\n";
  expect(await invoke("review-diff", { diff, focus: "edges" })).toEqual(REVIEW);
  const asked = JSON.stringify(models.requests.at(-1)?.body);
  expect(asked).toContain(JSON.stringify(diff).slice(1, -1));
  expect(asked).toContain("Look at these above all: edges");
  expect(asked).toContain("careful reviewer");
});

test("http-check tells what an address answers, and what is not as expected", async () => {
  const url = `http://${pings.host}/up`;
  expect(await invoke("http-check", { url, contains: "pong", status: 200 })).toMatchObject({
    up: true,
    problems: [],
    status: 200,
    final_url: url,
  });
  expect(
    await invoke("http-check", { url, contains: "nothing", status: [201, 204] }),
  ).toMatchObject({
    up: false,
    problems: ["The status is 200, not 201 or 204.", "The text is not in the body."],
  });
  expect(await invoke("http-check", { url: "http://127.0.0.1:1/" })).toMatchObject({
    up: false,
    status: null,
    problems: [expect.stringContaining("not public")],
  });
});

test("changelog and convert-data work on what is handed in", async () => {
  const commits = ["fix: round once", { message: "feat: a cart", hash: "a".repeat(40) }];
  const written = await invoke("changelog", { commits, version: "1.1.0" });
  expect(written).toMatchObject({
    bump: "minor",
    markdown: "## 1.1.0\n\n### Features\n\n- a cart (aaaaaaa)\n\n### Fixes\n\n- round once\n",
  });
  const data = "name: shop\nports: [1, 2]\n";
  expect(await invoke("convert-data", { data, from: "yaml", to: "json", indent: 0 })).toEqual({
    text: '{"name":"shop","ports":[1,2]}\n',
    rows: null,
  });
});
