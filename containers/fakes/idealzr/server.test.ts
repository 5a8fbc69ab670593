/** The fake against what is known of IDEALZR, its defects included. */
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { ask } from "../platform/client.ts";
import { type FakeIdealzr, startFakeIdealzr } from "./server.ts";

let fake: FakeIdealzr;

beforeAll(async () => {
  fake = await startFakeIdealzr();
});
afterAll(() => fake.stop());
beforeEach(() => fake.clear());

const EVIDENCE = "POST /api/v1/evidence";
const json = { title: "It works", description: "Run 1 completed.", tags: ["pipelzr"] };

it("takes evidence with its defaults, without credentials, and moves the hypothesis", async () => {
  const hypothesis_id = fake.hypothesis("It works.");
  const sent = { ...json, hypothesis_id, confidence_impact: 0.1, extra_data: { run: 1 } };
  expect(await ask(fake, EVIDENCE, { json: sent })).toMatchObject({
    status: 201,
    body: { evidence_type: "data", strength: "moderate", supports_hypothesis: true },
  });
  expect(fake.hypotheses.get(hypothesis_id)).toMatchObject({
    ...{ current_confidence: 0.6, evidence_count: 1 },
  });
});

it("takes the same evidence twice", async () => {
  for (const _ of [1, 2]) expect((await ask(fake, EVIDENCE, { json })).status).toBe(201);
  expect(fake.evidence).toHaveLength(2);
});

it("lists all of it as a bare array, by hypothesis, newest first, without extra_data", async () => {
  for (const hypothesis_id of ["h1", "h2", "h1"]) {
    await ask(fake, EVIDENCE, { json: { ...json, hypothesis_id, extra_data: { a: 1 } } });
  }
  const { body } = await ask(fake, "GET /api/v1/evidence?hypothesis_id=h1");
  expect(body).toMatchObject([{ tags: ["pipelzr"] }, { tags: ["pipelzr"] }]);
  expect(JSON.stringify(body)).not.toContain("extra_data");
});

it("answers 422 for what lacks a member, and 500 for a type that there is not", async () => {
  const lacking = await ask(fake, EVIDENCE, { json: { title: "t" } });
  expect(lacking).toMatchObject({
    ...{ status: 422, body: { detail: [{ loc: ["body", "description"] }] } },
  });
  const unknown = { ...json, evidence_type: "rumour" };
  expect((await ask(fake, EVIDENCE, { json: unknown })).status).toBe(500);
});

it("redirects a slash too many, and fails to move a hypothesis to another state", async () => {
  expect(await ask(fake, "GET /api/v1/evidence/")).toMatchObject({
    ...{ status: 307, location: "/api/v1/evidence" },
  });
  const made = await ask(fake, "POST /api/v1/hypotheses", { json: { title: "t", statement: "s" } });
  expect(made).toMatchObject({ status: 201, body: { current_confidence: 0.5 } });
  const moved = await ask(fake, "POST /api/v1/hypotheses/h1/transition?new_state=validated");
  expect(moved.status).toBe(500);
});
