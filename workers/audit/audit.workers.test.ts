/** What calls leave in the audit logs, by whoever they are made. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { SignJWT } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { DEPLOYMENT_LOG, logOf } from "../http/audit-record.ts";
import { speaker } from "../mcp/test-support.ts";
import { SCOPES } from "../security/principal.ts";
import { type Call, type CallInit, isolate } from "../test/app.ts";
import { auditEntryDetailSchema, auditEntrySchema } from "./schemas.ts";

const SECRET_KEY = "a secret key that is long enough for HS256";
const { call } = isolate([], { SECRET_KEY });
const MISSING_ID = "01a00000-0000-7000-8000-000000000000";
const DEPLOYMENT = "?log=deployment";
const listSchema = z.object({
  items: z.array(auditEntrySchema),
  next_cursor: z.string().nullable(),
});

async function list(query: string, init: CallInit = {}) {
  const reply = await call(`/api/v1/audit${query}`, init);
  expect(reply.status, reply.text).toBe(200);
  return listSchema.parse(reply.body).items;
}

const ofRequest = (id: string, query = "?project_id=default") =>
  list(`${query}&request_id=${encodeURIComponent(id)}`);

async function keyOf(projects: readonly string[] | null, scopes: readonly string[] = SCOPES) {
  const reply = await call("/api/v1/keys", { body: { name: "k", scopes, projects } });
  expect(reply.status, reply.text).toBe(201);
  return { id: String(reply.body.id), key: String(reply.body.key) };
}

/** Calls, and returns the answer with its request id. */
async function done(path: string, init: CallInit, by: Call = call) {
  const reply = await by(path, init);
  return { ...reply, request: reply.headers.get("x-request-id") ?? "" };
}

const task = { name: "t", command: "true" };

describe("the operations", () => {
  const operationSchema = z.looseObject({
    operationId: z.string(),
    "x-audited": z.boolean().optional(),
  });
  const documentSchema = z.object({
    paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  });

  it("are all classified: what is no GET is written down, but for what only reads or is transport", async () => {
    const { body } = await call("/openapi.json", { key: null });
    const operations = Object.values(documentSchema.parse(body).paths).flatMap((methods) =>
      Object.entries(methods).map(([method, operation]) => ({ method, ...operation })),
    );
    const isWritten = (operation: (typeof operations)[number]) => operation["x-audited"] === true;
    const others = operations.filter(({ method }) => method !== "get");
    expect(others.length).toBeGreaterThan(60);
    const left = others.filter((each) => !isWritten(each)).map(({ operationId }) => operationId);
    expect(left.sort()).toEqual([
      "exchangeRunnerFrames",
      "keepRunnerArtifact",
      "previewEvidence",
      "validatePipeline",
      "verifyAudit",
    ]);
    expect(operations.filter((each) => each.method === "get" && isWritten(each))).toEqual([]);
  });
});

describe("a call", () => {
  it("leaves who did what by which request, and what came of it", async () => {
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const headers = { "x-request-id": "request-1", traceparent };
    const { body } = await done("/api/v1/tasks?", { body: task, headers });
    const [entry, ...more] = await ofRequest("request-1");
    expect(more).toEqual([]);
    expect(entry).toMatchObject({
      ...{ project_id: "default", action: "createTask", entity_type: "task", entity_id: body.id },
      ...{ actor: { kind: "dev_key", id: "dev", name: "PIPELZR_DEV_API_KEY" }, is_entity: true },
      ...{ method: "POST", path: "/api/v1/tasks", status: 201, outcome: "success" },
      ...{ from_state: null, to_state: "pending", correlation_id: "request-1", traceparent },
      ...{ request: { body: task }, after: body, after_digest: null, error_code: null },
    });
  });

  it("is in the log of its project, whoever makes it", async () => {
    const { id, key } = await keyOf(["alpha"]);
    const token = await new SignJWT({ email: "ada@example.com", roles: ["admin"] })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("user-1")
      .setIssuedAt()
      .setExpirationTime("5m")
      .sign(new TextEncoder().encode(SECRET_KEY));
    const byKey = await done("/api/v1/tasks", { body: task, key });
    const byUser = await done("/api/v1/tasks", {
      body: { ...task, project_id: "alpha" },
      key: token,
    });
    const actors = async (request: string) =>
      (await ofRequest(request, "?project_id=alpha")).map(({ actor }) => actor);
    expect(await actors(byKey.request)).toEqual([{ kind: "api_key", id, name: "k" }]);
    expect(await actors(byUser.request)).toEqual([
      { kind: "user", id: "user-1", name: "ada@example.com" },
    ]);
    const mine = await list(`?actor=api_key:${id}`, { key });
    expect(mine.map(({ request_id }) => request_id)).toEqual([byKey.request]);
  });

  it("of a caller of all projects is in the log of what it is about", async () => {
    const { key } = await keyOf(["beta"]);
    const created = await call("/api/v1/tasks", { body: task, key });
    const gone = await done(`/api/v1/tasks/${created.body.id}`, { method: "DELETE" });
    expect(gone.status).toBe(204);
    expect(await ofRequest(gone.request, "?project_id=beta")).toMatchObject([
      { action: "deleteTask", entity_id: created.body.id, status: 204, after: null },
    ]);
    const made = await done("/api/v1/keys", { body: { name: "k", scopes: ["tasks:read"] } });
    expect(await ofRequest(made.request, DEPLOYMENT)).toMatchObject([
      { project_id: null, action: "createKey", entity_type: "key", entity_id: made.body.id },
    ]);
  });

  it("on a name is about the id", async () => {
    const { key } = await keyOf(["names"]);
    const skill = {
      ...{ name: "Named", slug: "named", description: "d", category: "analysis" },
      implementation: { type: "typescript", script: "export default () => 1" },
    };
    const made = await call("/api/v1/skills", { body: skill, key });
    const update = { body: { description: "e" }, method: "PATCH", key };
    const changed = await done("/api/v1/skills/named", update);
    const gone = await done("/api/v1/skills/named", { method: "DELETE", key });
    expect([made.status, changed.status, gone.status]).toEqual([201, 200, 204]);
    const entries = await list(`?entity_type=skill&entity_id=${made.body.id}&order=asc`, { key });
    expect(entries.map(({ action }) => action)).toEqual([
      ...["createSkill", "updateSkill", "deleteSkill"],
    ]);
  });

  it("is told with what was there before, from the entry before", async () => {
    const { key } = await keyOf(["gamma"]);
    const created = await call("/api/v1/tasks", { body: task, key });
    const path = `/api/v1/tasks/${created.body.id}`;
    const patched = await call(path, { method: "PATCH", body: { name: "u" }, key });
    const executed = await call(`${path}/execute`, { method: "POST", key });
    expect(executed.status, executed.text).toBe(200);
    const entries = await list(`?entity_id=${created.body.id}&order=asc`, { key });
    expect(entries.map(({ seq, from_state, to_state }) => [seq, from_state, to_state])).toEqual([
      [1, null, "pending"],
      [2, "pending", "pending"],
      [3, "pending", "completed"],
    ]);
    const second = auditEntryDetailSchema.parse((await call("/api/v1/audit/2", { key })).body);
    expect(second).toMatchObject({ before: created.body, after: patched.body });
    const first = auditEntryDetailSchema.parse((await call("/api/v1/audit/1", { key })).body);
    expect(first.before).toBeNull();
  });

  it("that is repeated by its Idempotency-Key is written down once", async () => {
    const { key } = await keyOf(["delta"]);
    const headers = { "idempotency-key": "once" };
    for (const replayed of [null, "true"]) {
      const reply = await call("/api/v1/tasks", { body: task, key, headers });
      expect(reply.headers.get("idempotent-replayed")).toBe(replayed);
    }
    // The answer to this one is not kept: its work is done again, under the same id.
    const minted = { body: { name: "k", scopes: ["tasks:read"] }, key, headers };
    for (const _ of [1, 2]) {
      const again = { ...minted, headers: { "idempotency-key": "key" } };
      expect((await call("/api/v1/keys", again)).status).toBeOneOf([201, 409]);
    }
    const succeeded = await list("?outcome=success&order=asc", { key });
    expect(succeeded.map(({ action }) => action)).toEqual(["createTask", "createKey"]);
  });

  it("that fails is written down as failed, and one that only reads not at all", async () => {
    const { key } = await keyOf(["epsilon"]);
    const missing = await done(`/api/v1/tasks/${MISSING_ID}/execute`, { method: "POST", key });
    const invalid = await done("/api/v1/tasks", { body: { nonsense: 1 }, key });
    await call("/api/v1/tasks", { key });
    await call("/api/v1/pipelines/validate", { body: { nonsense: 1 }, key });
    const entries = await list("?order=asc", { key });
    expect(entries).toMatchObject([
      {
        ...{ request_id: missing.request, outcome: "failed", error_code: "not_found", status: 404 },
        ...{ action: "executeTask", entity_id: MISSING_ID },
      },
      {
        ...{ request_id: invalid.request, outcome: "failed", error_code: "validation_failed" },
        ...{ entity_id: null, request: null },
      },
    ]);
  });
});

describe("a denial", () => {
  it("of nobody in particular is in the deployment's log", async () => {
    const refused = await done("/api/v1/tasks", { key: "plz_nobody" });
    expect(refused.status).toBe(401);
    expect(await ofRequest(refused.request, DEPLOYMENT)).toMatchObject([
      { outcome: "denied", status: 401, actor: { kind: "anonymous" }, action: "listTasks" },
    ]);
    expect(refused.text).not.toContain("plz_nobody");
  });

  it("for want of a scope is in the log of the caller's project, also when it would only read", async () => {
    const { id, key } = await keyOf(["zeta"], ["tasks:read"]);
    const write = await done("/api/v1/tasks", { body: task, key });
    const read = await done("/api/v1/secrets", { key });
    for (const { status, request } of [write, read]) {
      expect(status).toBe(403);
      expect(await ofRequest(request, "?project_id=zeta")).toMatchObject([
        { outcome: "denied", error_code: "forbidden", actor: { id } },
      ]);
    }
  });

  it("of what another project owns is told to that project, and not to who tried", async () => {
    const owner = await keyOf(["eta"]);
    const other = await keyOf(["theta"]);
    const { body } = await call("/api/v1/tasks", { body: task, key: owner.key });
    const path = `/api/v1/tasks/${body.id}/execute`;
    const tried = await done(path, { method: "POST", key: other.key });
    expect(tried.status).toBe(404);
    expect(await ofRequest(tried.request, "?project_id=eta")).toMatchObject([
      { outcome: "denied", status: 404, actor: { id: other.id }, entity_id: body.id },
    ]);
    expect(await ofRequest(tried.request, "?project_id=theta")).toMatchObject([
      { outcome: "failed", error_code: "not_found" },
    ]);
  });

  it("of MCP is written down, and so is what its tools change", async () => {
    const { key } = await keyOf(["iota"]);
    const reader = await keyOf(["iota"], ["tasks:read"]);
    const mcp = speaker(call);
    const tool = { name: "pipelzr_run_task", arguments: { command: "true" } };
    await mcp.send("tools/call", tool, { key });
    await mcp.send("tools/call", { name: "pipelzr_list_skills", arguments: {} }, { key });
    await mcp.send("tools/call", tool, { key: reader.key });
    const entries = await list("?order=asc", { key });
    expect(entries).toMatchObject([
      {
        ...{ action: "pipelzr_run_task", outcome: "success", path: "/mcp", entity_type: "task" },
        ...{ request: { arguments: tool.arguments }, to_state: "completed" },
      },
      { action: "pipelzr_run_task", outcome: "denied", actor: { id: reader.id } },
    ]);
    expect(entries[0]?.entity_id).not.toBeNull();
    const refused = await done("/mcp", { body: {}, key: null });
    expect(refused.status).toBe(401);
    expect(await ofRequest(refused.request, DEPLOYMENT)).toMatchObject([{ outcome: "denied" }]);
  });
});

describe("reading", () => {
  it("shows a project to its callers alone, and the deployment to callers of all", async () => {
    const { key } = await keyOf(["kappa"]);
    const lambda = await keyOf(["lambda"]);
    const both = await keyOf(["kappa", "lambda"]);
    await call("/api/v1/tasks", { body: task, key });
    expect(await list("?project_id=kappa", { key: lambda.key })).toEqual([]);
    for (const path of ["audit/1", "audit/export"]) {
      const reply = await call(`/api/v1/${path}?project_id=kappa`, { key: lambda.key });
      expect([reply.status, reply.body.code], path).toEqual([404, "not_found"]);
    }
    const body = { project_id: "kappa" };
    expect((await call("/api/v1/audit/verify", { body, key: lambda.key })).status).toBe(404);
    expect((await call(`/api/v1/audit${DEPLOYMENT}`, { key })).status).toBe(403);
    expect((await call("/api/v1/audit", { key: both.key })).status).toBe(422);
    const seen = await list("?project_id=kappa&outcome=success", { key: both.key });
    expect(seen).toHaveLength(1);
    for (const seq of ["9", "0", "x", MISSING_ID]) {
      expect((await call(`/api/v1/audit/${seq}`, { key })).status, seq).toBe(404);
    }
  });

  it("is not for plain users, whatever their projects", async () => {
    for (const [role, status] of [
      ["owner", 200],
      ["user", 403],
      ["viewer", 403],
    ] as const) {
      const token = await new SignJWT({ roles: [role], project_ids: ["kappa"] })
        .setProtectedHeader({ alg: "HS256" })
        .setSubject("user-1")
        .setIssuedAt()
        .setExpirationTime("5m")
        .sign(new TextEncoder().encode(SECRET_KEY));
      expect((await call("/api/v1/audit", { key: token })).status, role).toBe(status);
    }
  });

  it("goes through pages in either order, by each filter", async () => {
    const { key } = await keyOf(["mu"]);
    const ids: string[] = [];
    for (const name of ["a", "b", "c"]) {
      const { body } = await call("/api/v1/tasks", { body: { ...task, name }, key });
      ids.push(String(body.id));
      await call(`/api/v1/tasks/${body.id}`, { method: "DELETE", key });
    }
    for (const order of ["asc", "desc"]) {
      const seen: number[] = [];
      let path: string | undefined = `/api/v1/audit?limit=4&order=${order}`;
      while (path !== undefined) {
        const reply = await call(path, { key });
        seen.push(...listSchema.parse(reply.body).items.map(({ seq }) => seq));
        path = /<(.*)>/.exec(reply.headers.get("link") ?? "")?.[1];
      }
      const numbers = [1, 2, 3, 4, 5, 6];
      expect(seen).toEqual(order === "asc" ? numbers : numbers.reverse());
    }
    const numbersOf = async (query: string) => (await list(query, { key })).map(({ seq }) => seq);
    expect(await numbersOf("?action=deleteTask")).toEqual([6, 4, 2]);
    expect(await numbersOf(`?entity_type=task&entity_id=${ids[1]}`)).toEqual([4, 3]);
    expect(await numbersOf("?outcome=denied")).toEqual([]);
    expect(await numbersOf("?created_after=2100-01-01T00:00:00Z")).toEqual([]);
    expect(await numbersOf("?created_before=2100-01-01T00:00:00Z&limit=1")).toEqual([6]);
  });

  it("exports entries as lines whose hashes can be computed again", async () => {
    const { key } = await keyOf(["nu"]);
    for (const name of ["a", "b", "c"])
      await call("/api/v1/tasks", { body: { ...task, name }, key });
    const lines = async (query: string) => {
      const reply = await call(`/api/v1/audit/export${query}`, { key });
      expect(reply.headers.get("content-type")).toBe("application/x-ndjson");
      return reply.text.split("\n").filter((line) => line !== "");
    };
    const all = await lines("");
    expect(all).toHaveLength(3);
    expect(await lines("?from=2&to=2")).toEqual(all.slice(1, 2));
    expect(await lines("?from=4")).toEqual([]);
    let before = "0".repeat(64);
    for (const line of all) {
      const entry = auditEntrySchema.parse(JSON.parse(line));
      const text = line.replace(`,"hash":"${entry.hash}"}`, "}");
      const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
      expect(Buffer.from(digest).toString("hex")).toBe(entry.hash);
      expect(entry.previous_hash).toBe(before);
      before = entry.hash;
    }
  });
});

it("keeps no secret, neither one that was sent nor one that was shown", async () => {
  const { key } = await keyOf(["xi"]);
  const value = "a value that nobody sees";
  const secret = await call("/api/v1/secrets", { body: { name: "S", value }, key });
  const path = `/api/v1/secrets/${secret.body.id}`;
  await call(path, { method: "PATCH", body: { value: `other ${value}` }, key });
  await call("/api/v1/secrets", { body: { name: "T", value, nonsense: value }, key });
  const runner = await call("/api/v1/runners", { body: { name: "builder" }, key });
  const minted = await call("/api/v1/keys", { body: { name: "k", scopes: ["tasks:read"] }, key });
  const token = String(runner.body.token);
  const registered = await done("/api/v1/runner/register", {
    body: { token, public_key: "A".repeat(43), name: "host-1" },
    key: null,
  });
  expect(registered.status, registered.text).toBe(200);
  const { text } = await call("/api/v1/audit/export", { key });
  const lines = text.trim().split("\n");
  expect(lines.length).toBe(6);
  expect(await list("?action=registerRunner", { key })).toMatchObject([
    { actor: { kind: "runner", id: registered.body.runner_id }, outcome: "success" },
  ]);
  const deployment = (await call(`/api/v1/audit/export${DEPLOYMENT}`)).text;
  for (const hidden of [value, token, String(minted.body.key), key]) {
    expect(hidden.length).toBeGreaterThan(20);
    expect(`${text}${deployment}`).not.toContain(hidden);
  }
});

describe("a log that cannot be written", () => {
  const broken = env.AUDIT_LOG.getByName(logOf("omicron"));
  afterEach(() => runInDurableObject(broken, (_, state) => state.abort("mended")).catch(() => {}));

  it("fails no call, and its loss is counted", async () => {
    const { key } = await keyOf(["omicron"]);
    await runInDurableObject(broken, (_, { storage }) => {
      storage.sql.exec("ALTER TABLE entries RENAME TO hidden");
    });
    expect((await call("/api/v1/tasks", { body: task, key })).status).toBe(201);
    await runInDurableObject(broken, (_, { storage }) => {
      storage.sql.exec("ALTER TABLE hidden RENAME TO entries");
    });
    const { text } = await call("/metrics", { headers: { accept: "text/plain" } });
    expect(text).toContain("pipelzr_audit_entries_lost_total 1");
    expect((await call("/api/v1/tasks", { body: task, key })).status).toBe(201);
    expect(await list("", { key })).toHaveLength(1);
  });
});

it("names the deployment's log as no project can be called", () => {
  expect(logOf(null)).toBe(DEPLOYMENT_LOG);
  expect(logOf(DEPLOYMENT_LOG)).not.toBe(DEPLOYMENT_LOG);
});
