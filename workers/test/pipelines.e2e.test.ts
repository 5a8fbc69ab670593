/** Pipelines over HTTP: definition, run, control, answers, streams, retry, bulk actions. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { z } from "zod";
import { problemSchema } from "../http/problem.ts";
import { graphSchema, stepListSchema, stepSchema, whyRunSchema } from "../pipelines/run-schemas.ts";
import { type Pipeline, pipelineListSchema, pipelineSchema } from "../pipelines/schemas.ts";
import { Client, type Reply } from "./client.ts";
import { TestService } from "./service.ts";

const PIPELINES = "/api/v1/pipelines";
const YAML = { "content-type": "application/yaml" };

let service: TestService;
let client: Client;

beforeAll(async () => {
  service = await TestService.start();
  client = new Client(service);
});
afterAll(() => service.stop());

const problemOf = (reply: Reply) => problemSchema.loose().parse(reply.json);

async function create(tasks: readonly object[], more: object = {}): Promise<Pipeline> {
  const reply = await client.call(PIPELINES, { json: { name: "test", tasks, ...more } });
  expect(reply.status, `${reply.text}\n${service.output}`).toBe(201);
  return pipelineSchema.parse(reply.json);
}

const post = (id: string, action: string, json: object = {}) =>
  client.call(`${PIPELINES}/${id}/${action}`, { json });

async function read<Schema extends z.ZodType>(
  schema: Schema,
  path: string,
): Promise<z.output<Schema>> {
  const reply = await client.call(`${PIPELINES}/${path}`);
  expect(reply.status, `${reply.text}\n${service.output}`).toBe(200);
  return schema.parse(reply.json);
}

const until = (id: string, state: Pipeline["state"]) =>
  expect
    .poll(async () => (await read(pipelineSchema, id)).state, { timeout: 30_000, interval: 50 })
    .toBe(state);

const waitsFor = (id: string, type: string) =>
  expect
    .poll(async () => (await read(whyRunSchema, `${id}/runs/latest/why`)).waiting[type], {
      timeout: 30_000,
      interval: 50,
    })
    .toBeGreaterThan(0);

describe("a definition", () => {
  test("in YAML runs in one call, values passing from step to step", async () => {
    const body = `
name: double
inputs: { type: object, required: [start], properties: { start: { type: number } } }
tasks:
  - name: make
    script: "export default ({ start }) => start"
    inputs: { start: "\${{ inputs.start }}" }
  - name: double
    needs: [make]
    script: "export default ({ value }) => value * 2"
    inputs: { value: "\${{ tasks.make.result }}" }
outputs: { answer: "\${{ tasks.double.result }}" }
execute: true
run_inputs: { start: 21 }
`;
    const reply = await client.call(PIPELINES, { body, headers: YAML, method: "POST" });
    expect(reply.status, reply.text).toBe(201);
    expect(pipelineSchema.parse(reply.json)).toMatchObject({
      state: "completed",
      run: 1,
      outputs: { answer: 42 },
      progress_percent: 100,
      total_tasks: 2,
      completed_tasks: 2,
      timeout_seconds: 3600,
    });
  });

  test("that is not valid is refused whole, each problem with its line", async () => {
    const body = "name: x\ntasks:\n  - name: a\n    needs: [b]\n    comand: x\n";
    const refused = await client.call(PIPELINES, { body, headers: YAML, method: "POST" });
    expect(refused.status).toBe(422);
    expect(problemOf(refused).errors).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ path: "tasks[0].comand", line: 5 }),
        expect.objectContaining({ line: 4 }),
      ]),
    );
    const validated = await client.call(`${PIPELINES}/validate`, { body, headers: YAML });
    expect(validated.json).toMatchObject({ valid: false });
  });

  test("changes by version: a run that was begun keeps its own", async () => {
    const { id } = await create([{ name: "hold", approval: true }]);
    expect((await post(id, "start")).status).toBe(202);
    await waitsFor(id, "approval");
    const patched = await client.call(`${PIPELINES}/${id}`, {
      method: "PATCH",
      json: { tasks: [{ name: "other", command: "true" }] },
    });
    expect(patched.json).toMatchObject({ version: 2, run: 1 });
    const stale = { "if-match": '"v1"' };
    const late = { method: "PATCH", json: { description: "late" }, headers: stale };
    expect((await client.call(`${PIPELINES}/${id}`, late)).status).toBe(412);
    expect((await post(id, "approve")).status).toBe(200);
    await until(id, "completed");
    const again = await post(id, "execute");
    expect(again.json).toMatchObject({ state: "completed", run: 2 });
    const steps = await read(stepListSchema, `${id}/runs/2/steps`);
    expect(steps.items.map(({ name }) => name)).toEqual(["other"]);
    expect((await read(stepListSchema, `${id}/runs/1/steps`)).items[0]?.name).toBe("hold");
  });
});

describe("a run", () => {
  test("refuses inputs that its definition does not take", async () => {
    const inputs = { type: "object", required: ["n"] };
    const { id } = await create([{ name: "a", command: "true" }], { inputs });
    const refused = await post(id, "start", { inputs: {} });
    expect(refused.status).toBe(422);
    expect(problemOf(refused).errors?.[0]?.path).toBe("inputs");
    expect((await post(id, "execute", { inputs: { n: 1 } })).status).toBe(200);
  });

  test("of a matrix tells of each item, and of the longest chain", async () => {
    const { id } = await create([
      { name: "list", script: "export default () => [1, 2, 3]" },
      {
        name: "each",
        needs: ["list"],
        strategy: { matrix: { n: "${{ tasks.list.result }}" }, max_parallel: 2 },
        script: "export default ({ n }) => { console.log('item', n); return n * n }",
        inputs: { n: "${{ matrix.n }}" },
      },
      {
        name: "sum",
        needs: ["each"],
        script: "export default ({ all }) => all.reduce((sum, { result }) => sum + result, 0)",
        inputs: { all: "${{ tasks.each.results }}" },
      },
    ]);
    expect((await post(id, "execute")).json).toMatchObject({ state: "completed" });
    expect(await read(stepSchema, `${id}/runs/1/steps/sum`)).toMatchObject({ result: 14 });
    expect(await read(stepSchema, `${id}/runs/1/steps/each%5B1%5D`)).toMatchObject({
      group: "each",
      matrix: { n: 2 },
      result: 4,
      stdout: "item 2\n",
    });
    const graph = await read(graphSchema, `${id}/runs/latest/graph`);
    expect(graph.edges).toEqual([
      { from: "list", to: "each" },
      { from: "each", to: "sum" },
    ]);
    expect(graph.critical_path.steps[0]).toBe("list");
    expect(graph.critical_path.steps.at(-1)).toBe("sum");
    const logs = await client.call(`${PIPELINES}/${id}/runs/1/logs?step=each%5B2%5D`);
    expect(logs.text).toBe("item 3\n");
    const absent = await client.call(`${PIPELINES}/${id}/runs/1/steps/nobody`);
    expect(absent.status).toBe(404);
    expect(problemOf(absent).detail).toContain("/steps");
  });

  test("pauses, resumes, takes a signal, and refuses what makes no sense", async () => {
    const { id } = await create([
      { name: "go", wait: { signal: "go" } },
      { name: "after", needs: ["go"], command: "true" },
    ]);
    await post(id, "start");
    await waitsFor(id, "signal");
    expect((await post(id, "start")).status).toBe(409);
    expect((await post(id, "approve")).status).toBe(409);
    expect((await post(id, "pause")).status).toBe(200);
    expect((await post(id, "signal", { name: "go", payload: { by: "test" } })).status).toBe(200);
    await until(id, "paused");
    expect((await post(id, "resume")).status).toBe(200);
    await until(id, "completed");
    expect(await read(stepSchema, `${id}/runs/1/steps/go`)).toMatchObject({
      result: { by: "test" },
    });
    expect((await post(id, "pause")).status).toBe(409);
  });

  test("is retried from what failed, as the dry run says, the rest reused", async () => {
    const { id } = await create([
      { name: "once", script: "export default () => Math.random()" },
      {
        name: "flaky",
        needs: ["once"],
        script: "export default (_, ctx) => { if (ctx.run === 1) throw new Error('no'); return 1 }",
      },
      { name: "last", needs: ["flaky"], command: "true" },
    ]);
    expect((await post(id, "execute")).json).toMatchObject({
      state: "failed",
      failed_steps: ["flaky"],
    });
    const first = await read(stepSchema, `${id}/runs/1/steps/once`);
    const plan = await post(id, "retry", { dry_run: true });
    expect(plan.json).toMatchObject({ dry_run: true, retry_of: 1, reuse: ["once"] });
    expect(plan.json).toMatchObject({ rerun: expect.arrayContaining(["flaky", "last"]) });
    expect((await post(id, "retry")).json).toMatchObject({ state: "completed", run: 2 });
    const reused = await read(stepSchema, `${id}/runs/2/steps/once`);
    expect(reused).toMatchObject({ reused_from: 1, result: first.result });
    expect((await post(id, "retry", { from: "nobody" })).status).toBeOneOf([404, 409, 422]);
  });

  test("is told live over a WebSocket and by SSE, and resumes after a seq", async () => {
    const { id } = await create([{ name: "a", command: "echo hi" }]);
    await post(id, "execute");
    const path = `${PIPELINES}/${id}/runs/1/events`;
    const sse = await client.call(path);
    const seqs = [...sse.text.matchAll(/^id: (\d+)$/gm)].map(([, seq]) => Number(seq));
    expect(seqs).toEqual([...seqs].sort((left, right) => left - right));
    const middle = seqs[Math.floor(seqs.length / 2)] ?? 0;
    const rest = await client.call(path, { headers: { "last-event-id": String(middle) } });
    expect([...rest.text.matchAll(/^id: (\d+)$/gm)].map(([, seq]) => Number(seq))).toEqual(
      seqs.filter((seq) => seq > middle),
    );
    expect((await client.call(`${path}?after=${seqs.at(-1)}`)).status).toBe(204);
  });

  test("cancels, and so does every run that a filter finds", async () => {
    const label = randomUUID();
    const hold = [{ name: "hold", wait: { seconds: 3_600 } }];
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      const { id } = await create(hold, { labels: { batch: label } });
      await post(id, "start");
      ids.push(id);
    }
    const listed = async (state: string) => {
      const reply = await client.call(`${PIPELINES}?label=batch=${label}&state=${state}`);
      return pipelineListSchema.parse(reply.json).items.length;
    };
    await expect.poll(() => listed("running,paused"), { timeout: 10_000 }).toBe(3);
    const bulk = `${PIPELINES}/bulk/cancel?label=batch=${label}&limit=2`;
    const first = await client.call(bulk, { method: "POST" });
    expect(first.json).toMatchObject({ matched: 2, failed: [], next_cursor: expect.any(String) });
    await expect.poll(() => listed("cancelled"), { timeout: 10_000 }).toBe(2);
    await client.call(bulk, { method: "POST" });
    await expect.poll(() => listed("cancelled"), { timeout: 10_000 }).toBe(3);
    const [id = ""] = ids;
    expect((await post(id, "cancel")).status).toBe(409);
    expect((await client.call(`${PIPELINES}/${id}`, { method: "DELETE" })).status).toBe(204);
    expect((await client.call(`${PIPELINES}/${id}/runs`)).status).toBe(404);
  });
});
