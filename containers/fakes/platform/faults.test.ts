/** What a fake of a neighbour does when it is told to misbehave. */
import { expect, it, onTestFinished } from "vitest";
import { startFakeIdealzr } from "../idealzr/server.ts";
import { ask } from "./client.ts";
import type { FaultInput } from "./faults.ts";

const EVIDENCE = "POST /api/v1/evidence";
const json = { title: "t", description: "d" };

async function faulty(fault: FaultInput) {
  const fake = await startFakeIdealzr();
  onTestFinished(() => fake.stop());
  fake.fault(fault);
  return fake;
}

it("is down: the connection is dropped, and nothing is done", async () => {
  const fake = await faulty({ kind: "down" });
  await expect(ask(fake, EVIDENCE, { json })).rejects.toThrow("fetch failed");
  expect(fake.evidence).toEqual([]);
  expect(fake.calls).toMatchObject([{ method: "POST", status: null }]);
});

it("cuts the connection after the work is done", async () => {
  const fake = await faulty({ kind: "cut" });
  await expect(ask(fake, EVIDENCE, { json })).rejects.toThrow("fetch failed");
  expect(fake.evidence).toHaveLength(1);
});

it("answers with a status, as often as it is told, on the path that it is told", async () => {
  const fault = { kind: "status", status: 429, retry_after_seconds: 7, times: 1 } as const;
  const fake = await faulty({ ...fault, path: "/api/v1/evidence" });
  expect((await ask(fake, "GET /health")).status).toBe(200);
  expect((await ask(fake, EVIDENCE, { json })).status).toBe(429);
  expect((await ask(fake, EVIDENCE, { json })).status).toBe(201);
});

it("answers with half a JSON text", async () => {
  const fake = await faulty({ kind: "malformed" });
  await expect(ask(fake, EVIDENCE, { json })).rejects.toThrow(SyntaxError);
  expect(fake.evidence).toHaveLength(1);
});

it("is slow, and answers all the same", async () => {
  const fake = await faulty({ kind: "slow", delay_ms: 20 });
  expect((await ask(fake, EVIDENCE, { json })).status).toBe(201);
});

it("holds a request until it is told otherwise, and works then", async () => {
  const fake = await faulty({ kind: "held" });
  const reply = ask(fake, EVIDENCE, { json });
  await expect.poll(() => fake.calls.length).toBe(1);
  expect(fake.evidence).toEqual([]);
  fake.fault(null);
  expect((await reply).status).toBe(201);
  expect(fake.evidence).toHaveLength(1);
});

it("takes a request and never answers", async () => {
  const fake = await faulty({ kind: "half_open" });
  const request = fetch(`${fake.url}/health`, { signal: AbortSignal.timeout(100) });
  await expect(request).rejects.toThrow(/timeout/);
  expect(fake.calls).toMatchObject([{ path: "/health", status: null }]);
});

it("is told by other processes over its own interface", async () => {
  const fake = await faulty({ kind: "down" });
  expect((await ask(fake, "PUT /__fault", { json: { kind: "status" } })).status).toBe(204);
  expect((await ask(fake, "GET /health")).status).toBe(500);
  expect((await ask(fake, "PUT /__fault", { json: { kind: "sulk" } })).status).toBe(400);
  expect((await ask(fake, "DELETE /__state")).status).toBe(204);
  expect((await ask(fake, "GET /health")).status).toBe(200);
  expect((await ask(fake, "GET /__calls")).body).toMatchObject([{ path: "/health", status: 200 }]);
});
