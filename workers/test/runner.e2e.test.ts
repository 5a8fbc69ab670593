/** Tasks on a real runner, from the request to the process and back, and what kills do to them. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { ARCHIVE_END, writeEntry } from "../executors/tree-archive.ts";
import { Client } from "./client.ts";
import { RunnerProcess } from "./runner-process.ts";
import { TestService } from "./service.ts";
import { allEvents } from "./sse.ts";

const PATIENCE = { timeout: 60_000, interval: 50 };
const TASKS = "/api/v1/tasks";

let service: TestService;
let client: Client;
let runner: RunnerProcess;

beforeAll(async () => {
  service = await TestService.start({ variables: { SUBPROCESS_ENABLED: "true" } });
  client = new Client(service);
  runner = await RunnerProcess.start(client);
});
afterAll(async () => {
  await runner?.stop();
  await service?.stop();
});

const begin = (command: string, more: object = {}) =>
  client.start({ task_type: "subprocess", command, ...more });

const printed = (id: string, text: string) =>
  expect
    .poll(async () => (await client.task(id)).stdout, { ...PATIENCE, message: runner.output })
    .toContain(text);

const typesOf = async (id: string) =>
  (await allEvents(await client.open(`${TASKS}/${id}/events`))).map(({ type }) => type);

test("a task on a runner ends as one at home does", async () => {
  const { id } = await begin(
    'mkdir out; cat in.txt | tr a-z A-Z > out/shout.txt; echo "said $WORD"; echo "n=3" >> "$PIPELZR_OUTPUT"',
    {
      files: { "in.txt": "hello" },
      environment: { WORD: "it" },
      artifacts: ["out/*.txt"],
    },
  );
  const task = await client.settled(id);
  expect(task, runner.output).toMatchObject({
    state: "completed",
    exit_code: 0,
    stdout: "said it\n",
    result: { n: "3" },
    artifact_files: [{ path: "out/shout.txt", bytes: 5 }],
  });
  const kept = await client.call(`${TASKS}/${id}/artifacts/content?path=out/shout.txt`);
  expect(kept.text).toBe("HELLO");
});

test("a codebase stands in the workspace, and a failure points to its lines", async () => {
  const base = "/api/v1/codebases";
  const made = await client.call(base, { method: "POST", json: { name: "shop" } });
  const { id: codebase } = z.object({ id: z.string() }).parse(made.json);
  const content = "export const answer = 42;\n";
  const oid = createHash("sha1").update(`blob ${content.length}\0${content}`).digest("hex");
  const files = [["src/main.ts", oid, content.length]];
  await client.call(`${base}/${codebase}/manifest`, { method: "POST", json: { files } });
  const entry = { path: "any", kind: "file", content: Buffer.from(content) } as const;
  const blobs = gzipSync(Buffer.concat([...writeEntry(entry), ARCHIVE_END]));
  const path = `${base}/${codebase}/snapshots/1/blobs`;
  const headers = { "content-type": "application/octet-stream" };
  const pushed = await client.call(path, { method: "POST", body: blobs, headers });
  expect(pushed.json, pushed.text).toMatchObject({ snapshot: { state: "ready" } });
  for (const _ of ["fetched", "kept"]) {
    const { id } = await begin(
      "cat code/src/main.ts; echo $PWD/code/src/main.ts:1:14 >&2; exit 1",
      {
        codebase: "shop",
      },
    );
    expect(await client.settled(id), runner.output).toMatchObject({
      state: "failed",
      stdout: content,
      codebase: { snapshot: 1, files: 1 },
      locations: [{ path: "src/main.ts", line: 1, column: 14 }],
    });
  }
});

test("a skill of Python has its inputs, its secret and its files, and gives outputs", async () => {
  await client.call("/api/v1/secrets", { json: { name: "PY_TOKEN", value: "py-secret-value" } });
  const script = [
    "import json, os",
    'data = json.load(open("data.json"))',
    'inputs = json.load(open(os.environ["PIPELZR_INPUT"]))',
    'print("token is", os.environ["PY_TOKEN"])',
    'out = {"sum": sum(data) + inputs["n"]}',
    'open(os.environ["PIPELZR_OUTPUT"], "w").write(json.dumps(out))',
  ].join("\n");
  const made = await client.call("/api/v1/skills", {
    json: {
      name: "Python sum",
      category: "execution",
      implementation: { type: "python", script, executor: "subprocess" },
      permissions: { executors: ["subprocess"], secrets: ["PY_TOKEN"] },
      files: { "data.json": "[1, 2, 3]" },
      outputs: { type: "object", properties: { sum: { type: "integer" } } },
    },
  });
  expect(made.status, made.text).toBe(201);
  const done = await client.call("/api/v1/skills/python-sum/invoke", {
    json: { inputs: { n: 4 } },
    headers: { prefer: "wait=60" },
  });
  expect(done.json, runner.output).toMatchObject({
    state: "completed",
    outputs: { sum: 10 },
    stdout: "token is ***\n",
  });
});

test("a cancel is confirmed when the process is dead", async () => {
  const { id } = await begin("echo up; sleep 300");
  await printed(id, "up");
  const since = performance.now();
  const reply = await client.call(`${TASKS}/${id}/cancel`, { method: "POST" });
  expect(reply.json).toMatchObject({ state: "cancelled", error: null });
  expect(performance.now() - since).toBeLessThan(10_000);
});

test("a runner that is killed loses its task, and it is done again", async () => {
  const { id } = await begin("echo up; sleep 2; echo down");
  await printed(id, "up");
  await runner.kill();
  await runner.run();
  expect(await client.settled(id)).toMatchObject({
    state: "completed",
    attempt: 1,
    stdout: "up\ndown\n",
  });
  const types = await typesOf(id);
  expect(types.filter((type) => type === "attempt.started")).toHaveLength(2);
  expect(types.filter((type) => type === "attempt.lost")).toHaveLength(1);
});

test("a service that is killed finds the task where it left it", async () => {
  const { id } = await begin("for n in 1 2 3 4 5 6 7 8 9 10; do echo $n; sleep 0.3; done");
  await printed(id, "2");
  await service.killAndRecover();
  expect(await client.settled(id)).toMatchObject({
    state: "completed",
    stdout: "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n",
  });
  const types = await typesOf(id);
  expect(types.filter((type) => type === "attempt.started")).toHaveLength(1);
});

test("a pipeline passes data between steps at home and on a runner", async () => {
  const tasks = [
    { name: "list", script: "export default () => [1, 2, 3]" },
    {
      name: "each",
      needs: ["list"],
      strategy: { matrix: { n: "${{ tasks.list.result }}" } },
      task_type: "subprocess",
      command: 'echo "square=$((${{ matrix.n }} * ${{ matrix.n }}))" >> "$PIPELZR_OUTPUT"',
    },
    {
      name: "sum",
      needs: ["each"],
      inputs: "${{ tasks.each.results }}",
      script:
        "export default (all) => all.reduce((sum, { result }) => sum + Number(result.square), 0)",
    },
  ];
  const reply = await client.call("/api/v1/pipelines", {
    json: { name: "mixed", tasks, outputs: { sum: "${{ tasks.sum.result }}" }, execute: true },
    headers: { prefer: "wait=60" },
  });
  expect(reply.json, reply.text).toMatchObject({ state: "completed", outputs: { sum: 14 } });
});
