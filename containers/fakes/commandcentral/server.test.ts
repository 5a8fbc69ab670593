/** The fake against what is known of CommandCentral, its defects included. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ask } from "../platform/client.ts";
import { type FakeCommandCentral, startFakeCommandCentral } from "./server.ts";

let fake: FakeCommandCentral;
let token: string;

beforeAll(async () => {
  fake = await startFakeCommandCentral();
});
afterAll(() => fake.stop());
beforeEach(() => {
  fake.clear();
  token = fake.token("u1");
});

const call = (request: string, json?: unknown, as = token) =>
  ask(fake, request, { token: as, ...(json !== undefined && { json }) });

describe("the fake CommandCentral", () => {
  it("answers 401 without a token, with one of another secret, and with one that has expired", async () => {
    const expired = fake.token("u1", ["user"], { exp: 1 });
    for (const bad of ["", "nonsense", `${token}x`, expired]) {
      const reply = await call("GET /api/v1/projects/", undefined, bad);
      expect(reply).toMatchObject({ status: 401, body: { detail: "Invalid or expired token" } });
    }
    expect((await ask(fake, "GET /health")).status).toBe(200);
  });

  it("redirects a path that has a slash too few or too many", async () => {
    expect(await call("GET /api/v1/projects?limit=2")).toMatchObject({
      ...{ status: 307, location: "/api/v1/projects/?limit=2" },
    });
    expect(await call("GET /api/v1/projects/p1/")).toMatchObject({
      ...{ status: 307, location: "/api/v1/projects/p1" },
    });
  });

  it("creates a project, and answers 500 when it is read or listed", async () => {
    const made = await call("POST /api/v1/projects/", {
      name: "Shop",
      repo_url: "https://x.dev/a",
    });
    expect(made).toMatchObject({ status: 201, body: { owner_id: "u1", team_ids: [] } });
    const id = fake.project({ name: "Other", owner_id: "u2" });
    expect((await call(`GET /api/v1/projects/${id}`)).status).toBe(500);
    expect((await call("GET /api/v1/projects/")).status).toBe(500);
    expect((await call("GET /api/v1/projects/none")).status).toBe(404);
  });

  it("when patched, shows any project to anybody, and lists those of the caller", async () => {
    fake.configure({ patched: true });
    const own = fake.project({ name: "Own", owner_id: "u1" });
    const team = fake.project({ name: "Team", owner_id: "u2", team_ids: ["u1"] });
    const other = fake.project({ name: "Other", owner_id: "u2" });
    expect(await call(`GET /api/v1/projects/${other}`)).toMatchObject({
      ...{ status: 200, body: { id: other, state: "proposed", metadata: {} } },
    });
    expect(await call("GET /api/v1/projects/")).toMatchObject({
      body: [{ id: own }, { id: team }],
    });
    expect(await call("GET /api/v1/projects/?limit=1&offset=1")).toMatchObject({
      body: [{ id: team }],
    });
    expect((await call("GET /api/v1/projects/?limit=101")).status).toBe(422);
  });

  it("has an audit log without a write endpoint, which cannot be read once it has entries", async () => {
    expect((await call("POST /api/v1/events/", { event_type: "error" })).status).toBe(405);
    expect((await call("GET /api/v1/events/")).status).toBe(200);
    await call("POST /api/v1/state-machine/entities/register", TASK);
    expect((await call("GET /api/v1/events/")).status).toBe(500);
  });

  it("writes to the audit log where a deployment has added that", async () => {
    fake.configure({ audit_writable: true });
    const entry = { event_type: "service_event", event_name: "task.created" };
    expect((await call("POST /api/v1/events/", entry)).status).toBe(201);
    expect((await call("POST /api/v1/events/", {})).status).toBe(422);
    expect(fake.audit).toEqual([entry]);
  });
});

const REGISTER = "POST /api/v1/state-machine/entities/register";
const EXECUTE =
  "POST /api/v1/state-machine/transitions/execute?service=pipelzr&entity_type=task&entity_id=t1";
const TASK = { service: "pipelzr", entity_type: "task", entity_id: "t1" };

describe("its state tracker", () => {
  it("registers once: 400 the second time, and for a type without an initial state", async () => {
    expect(await call(REGISTER, TASK)).toMatchObject({
      ...{
        status: 200,
        body: { current_state: "backlog", allowed_transitions: ["in_progress", "blocked"] },
      },
    });
    const again = await call(REGISTER, TASK);
    expect(again).toMatchObject({ status: 400, body: { detail: "Entity already registered" } });
    const none = await call(REGISTER, { ...TASK, entity_type: "pipeline" });
    expect(none.status).toBe(400);
    expect((await call(REGISTER, {})).status).toBe(422);
  });

  it("allows nothing from a state that it does not know", async () => {
    const states = [{ entity_type: "task" }, { entity_type: "pipeline" }];
    for (const type of states) {
      const reply = await call(REGISTER, { ...TASK, ...type, initial_state: "running" });
      expect(reply).toMatchObject({ status: 200, body: { allowed_transitions: [] } });
    }
  });

  it("denies a transition with 200, and writes it down", async () => {
    await call(REGISTER, { ...TASK, initial_state: "running" });
    const denied = await call(EXECUTE, { to_state: "completed" });
    expect(denied).toMatchObject({ status: 200, body: { success: false, from_state: "running" } });
    expect(fake.audit.at(-1)).toMatchObject({ event_type: "transition_denied", success: false });
  });

  it("carries out one that its machine has, and knows none of what is not registered", async () => {
    expect((await call(EXECUTE, { to_state: "in_progress" })).status).toBe(404);
    await call(REGISTER, TASK);
    expect(await call(EXECUTE, { to_state: "in_progress" })).toMatchObject({
      ...{ status: 200, body: { success: true, to_state: "in_progress" } },
    });
    expect((await call(EXECUTE, {})).status).toBe(422);
  });
});
