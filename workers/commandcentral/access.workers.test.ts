/** Which projects a user of CommandCentral has here, also while CommandCentral fails. */
import { beforeEach, describe, expect, it } from "vitest";
import { central, connected, tokenOf } from "./test-support.ts";

const TASK = { name: "t", script: "export default () => 1" };
/** Each isolate has caches of its own. */
const user = () => `u-${crypto.randomUUID()}`;

beforeEach(async () => {
  await central.clear();
  await central.configure({ patched: true });
});

async function projectCalls() {
  return (await central.calls()).filter(({ method }) => method === "GET").length;
}

describe("a user whose token names no projects", () => {
  it("has the projects that it owns or is of the team of, and no others", async () => {
    const { call } = connected();
    const [me, other] = [user(), user()];
    const own = await central.project(me);
    const team = await central.project(other, {}, [me]);
    const foreign = await central.project(other);
    const key = tokenOf(me);
    for (const project_id of [own, team]) {
      const made = await call("/api/v1/tasks", { body: { ...TASK, project_id }, key });
      expect(made.status, made.text).toBe(201);
      expect(made.headers.get("x-projects-from")).toMatch(/^(commandcentral|cache)$/);
      expect((await call(`/api/v1/tasks/${made.body.id}`, { key })).status).toBe(200);
    }
    const refused = await call("/api/v1/tasks", { body: { ...TASK, project_id: foreign }, key });
    expect(refused.status).toBe(422);
    expect(refused.body.projects).toEqual([own, team].sort());
    expect(await call(`/api/v1/tasks?project_id=${foreign}`, { key })).toMatchObject({
      ...{ status: 200, body: { items: [] } },
    });
  });

  it("is asked about once a minute, whatever it calls", async () => {
    const { call } = connected();
    const me = user();
    await central.project(me);
    const key = tokenOf(me);
    await Promise.all(Array.from({ length: 5 }, () => call("/api/v1/tasks", { key })));
    for (let calls = 0; calls < 5; calls += 1) await call("/api/v1/pipelines", { key });
    expect(await projectCalls()).toBe(1);
  });

  it("is known by the project that a request names, where the list fails", async () => {
    const { call } = connected({ COMMANDCENTRAL_REQUIRED: "true" });
    const me = user();
    const own = await central.project(me);
    await central.fault({ kind: "status", path: "/api/v1/projects/", is_exact: true });
    const reply = await call(`/api/v1/tasks?project_id=${own}`, { key: tokenOf(me) });
    expect(reply.status, reply.text).toBe(200);
    expect(reply.headers.get("x-projects-from")).toBe("commandcentral");
  });

  it("goes by what CommandCentral said last while it is down", async () => {
    const { call } = connected({ COMMANDCENTRAL_REQUIRED: "true" });
    const me = user();
    await central.project(me);
    const key = tokenOf(me);
    expect((await call("/api/v1/tasks", { key })).status).toBe(200);
    await central.fault({ kind: "down" });
    const again = await call("/api/v1/tasks", { key });
    expect(again.headers.get("x-projects-from")).toBe("cache");
  });
});

describe.each([
  ["down", { kind: "down" }],
  ["answering 500 as it does unpatched", { kind: "status", status: 500 }],
  ["asking for patience", { kind: "status", status: 429, retry_after_seconds: 3 }],
  ["answering what is no JSON", { kind: "malformed" }],
  ["cutting connections", { kind: "cut" }],
  ["taking calls and never answering", { kind: "half_open" }],
] as const)("while CommandCentral is %s", (_, fault) => {
  beforeEach(() => central.fault(fault));

  it("a user has what the token and the configuration say, and is told so", async () => {
    const { call } = connected({ JWT_DEFAULT_PROJECTS: "shared" });
    const key = tokenOf(user());
    const made = await call("/api/v1/tasks", { body: TASK, key });
    expect(made, made.text).toMatchObject({ status: 201, body: { project_id: "shared" } });
    expect(made.headers.get("x-projects-from")).toBe("unavailable");
  });

  it("and has to be asked, a user is refused with the reason", async () => {
    const { call } = connected({ COMMANDCENTRAL_REQUIRED: "true" });
    const key = tokenOf(user());
    const began = Date.now();
    const reply = await call("/api/v1/tasks", { key });
    expect(reply).toMatchObject({ status: 503, body: { code: "unavailable" } });
    expect(reply.body.detail).toMatch(/^Your token names no projects, and CommandCentral cannot/);
    expect(reply.headers.get("retry-after")).toBe("5");
    expect(Date.now() - began).toBeLessThan(5_000);
    // Nobody waits again before long.
    expect((await call("/api/v1/tasks", { key })).status).toBe(503);
    expect(await projectCalls()).toBe(1);
  });

  it("those who do not need it are not held up, and ask nothing", async () => {
    const { call } = connected({ COMMANDCENTRAL_REQUIRED: "true" });
    const keys = [
      "test-dev-key",
      tokenOf(user(), ["user"], { project_ids: ["p1"] }),
      tokenOf(user(), ["admin"]),
    ];
    for (const key of keys) {
      const reply = await call("/api/v1/tasks", { key });
      expect(reply.status).toBe(200);
      expect(reply.headers.get("x-projects-from")).toBe(null);
    }
    expect(await projectCalls()).toBe(0);
  });
});
