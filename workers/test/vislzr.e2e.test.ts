/** The built service beside VISLZR: large runs, kills in the middle of a bulk call, and an outage. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { type FakeIdealzr, startFakeIdealzr } from "../../containers/fakes/idealzr/server.ts";
import type { FaultInput } from "../../containers/fakes/platform/faults.ts";
import { type FakeVislzr, startFakeVislzr } from "../../containers/fakes/vislzr/server.ts";
import { shownOutline, wantedOutline } from "../vislzr/test-support-graph.ts";
import { Client } from "./client.ts";
import { TestService } from "./service.ts";

const WAIT = { timeout: 60_000, interval: 100 };
const NODES = "/api/v1/nodes";
const OK = "export default () => null";
const NOTHING: FaultInput = { kind: "slow", delay_ms: 0 };
/** Of a fan-out of 1,000 steps. */
const MAX_CALLS = 30;

let vislzr: FakeVislzr;
let idealzr: FakeIdealzr;
let service: TestService;

beforeAll(async () => {
  [vislzr, idealzr] = await Promise.all([startFakeVislzr(), startFakeIdealzr()]);
  service = await TestService.start({
    variables: {
      ...{ VISLZR_ENABLED: "true", VISLZR_URL: vislzr.url },
      ...{ IDEALZR_ENABLED: "true", IDEALZR_URL: idealzr.url },
    },
  });
});
afterAll(async () => {
  await service?.stop();
  await Promise.all([vislzr?.stop(), idealzr?.stop()]);
});
beforeEach(() => vislzr.clear());

const idSchema = z.looseObject({ id: z.string(), state: z.string() });

async function create(tasks: readonly object[]): Promise<string> {
  const json = { name: "shown", tasks, max_parallel: 1_000 };
  const reply = await new Client(service).call("/api/v1/pipelines", { json });
  expect(reply.status, reply.text).toBe(201);
  return idSchema.parse(reply.json).id;
}

async function execute(id: string): Promise<void> {
  const path = `/api/v1/pipelines/${id}/execute`;
  const reply = await new Client(service).call(path, {
    ...{ method: "POST", headers: { prefer: "wait=60" } },
  });
  expect(idSchema.parse(reply.json).state, reply.text.slice(0, 500)).toBe("completed");
}

/** Waits until VISLZR has exactly what it is to have. */
async function untilExact(id: string): Promise<void> {
  const wanted = await wantedOutline(
    async (path) => (await new Client(service).call(path)).json,
    id,
  );
  const isExact = () => JSON.stringify(shownOutline(vislzr.graph(), id)) === JSON.stringify(wanted);
  await expect.poll(isExact, WAIT).toBe(true);
}

const fanOut = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ name: `s${index}`, script: OK }));

/** Each step needs two of the layer before; the last is a matrix. */
const layers = (count: number, width: number) => [
  ...Array.from({ length: count * width }, (_, index) => ({
    ...{ name: `s${index}`, script: OK },
    needs:
      index < width
        ? []
        : [`s${index - width}`, `s${index - width - (index % width) + ((index + 1) % width)}`],
  })),
  {
    ...{ name: "shards", script: OK, needs: [`s${count * width - 1}`] },
    strategy: { matrix: { shard: Array.from({ length: 20 }, (_, shard) => shard) } },
  },
];

test("a fan-out of 1,000 steps takes a few calls, and is exact", async () => {
  const id = await create(fanOut(1_000));
  await execute(id);
  await untilExact(id);
  expect(vislzr.calls.length).toBeLessThanOrEqual(MAX_CALLS);
  expect(vislzr.count("POST", `${NODES}/bulk`)).toBe(2);
});

test.each([
  ["steps are", `${NODES}/bulk`],
  ["relationships are", `${NODES}/relationships/bulk`],
])("the graph is exact though the service is killed while %s made", async (_, path) => {
  const id = await create(layers(20, 10));
  await execute(id);
  await untilExact(id);
  // Of the second run, one call is under way when the service dies, and done nevertheless.
  const before = vislzr.count("POST", path);
  vislzr.fault({ kind: "held", method: "POST", path, is_exact: true, times: 1 });
  await execute(id);
  await expect.poll(() => vislzr.count("POST", path), WAIT).toBeGreaterThan(before);
  const recovered = service.killAndRecover();
  vislzr.fault(NOTHING);
  await recovered;
  await untilExact(id);
});

test("nothing is lost while it is down, nobody else waits for it, and that is said", async () => {
  const client = new Client(service);
  const about = async () => (await client.call("/api/v1/integrations/vislzr")).json;
  vislzr.fault({ kind: "down" });
  const hypothesis_id = idealzr.hypothesis("It runs.");
  const task = await client.create({ script: OK, execute: true, evidence: { hypothesis_id } });
  const ids = await Promise.all([1, 2, 3].map(() => create(layers(2, 3))));
  await Promise.all(ids.map(execute));
  await expect.poll(() => idealzr.hypotheses.get(hypothesis_id)?.evidence_count, WAIT).toBe(1);
  await expect
    .poll(about, WAIT)
    .toMatchObject({ health: "down", last_error: expect.stringContaining("cannot be reached") });
  expect(vislzr.nodes.size).toBe(0);
  vislzr.fault(null);
  for (const id of ids) await untilExact(id);
  const ofTask = () =>
    vislzr.graph().nodes.find(({ external_id }) => external_id === task.id)?.properties;
  await expect.poll(ofTask, WAIT).toMatchObject({ state: "completed" });
  await expect.poll(about, WAIT).toMatchObject({ health: "ok", pending: 0, parked: 0 });
});
