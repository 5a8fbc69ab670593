/** Who gets in, for every route that /openapi.json lists: a route without coverage fails here. */
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { blobOid } from "../codebases/intake/git-objects.ts";
import { tarOf } from "../codebases/intake/test-support-archives.ts";
import { problemSchema } from "../http/problem.ts";
import { SCOPES } from "../security/principal.ts";
import { Client, mintKey, type Reply } from "./client.ts";
import { Api, fillPath, type Operation } from "./openapi-client.ts";
import { RECIPES, recipeOf } from "./requests.ts";
import { TestService } from "./service.ts";
import { type Use, webhookOf } from "./webhook-fixture.ts";

/** Everything that answers without credentials. */
const PUBLIC = ["GET /", "GET /docs", "GET /health", "GET /openapi.json", "GET /ready"];
const SECRET_KEY = randomBytes(36).toString("base64url");
const MISSING_ID = "01a00000-0000-7000-8000-000000000000";
const CREDENTIAL_TIMEOUT_MS = 10_000;

let service: TestService;
let client: Client;
let api: Api;
let secured: readonly Operation[];

beforeAll(async () => {
  service = await TestService.start({ variables: { SECRET_KEY } });
  client = new Client(service);
  api = await Api.of(service);
  secured = api.operations.filter(({ scope }) => scope !== null);
});
afterAll(() => service.stop());

const nameOf = ({ method, path }: Operation) => `${method} ${path}`;
const isOpen = ({ scope, isGuarded }: Operation) => scope === null && !isGuarded;
const hasId = ({ path }: Operation) => path.includes("{");
const missing = (operation: Operation) => idsOf(operation, () => MISSING_ID);

function idsOf({ path }: Operation, id: (parameter: string) => string): Record<string, string> {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  return Object.fromEntries(names.map((name) => [name, PLACES[name] ?? id(name)]));
}

function formOf(fields: Readonly<Record<string, string>>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    const file = value.startsWith("@") ? new Blob([readFileSync(value.slice(1))]) : null;
    if (file === null) form.append(name, value);
    else form.append(name, file, name);
  }
  return form;
}

/** In one piece: a service that refuses a request does not wait for the rest of it. */
async function encode(form: FormData) {
  const response = new Response(form);
  const type = response.headers.get("content-type") ?? "";
  return { type, body: await response.arrayBuffer() };
}

/** Parameters that name no resource: a place within one. */
const PLACES: Readonly<Record<string, string>> = {
  run: "1",
  step: "make",
  snapshot: "1",
  version: "1",
  alias: "default",
  file_path: "src/a.txt",
  call_id: "call-1",
  number: "1",
  seq: "1",
};

/** Sends the operation's valid request with some credential, or with none. */
async function send(
  operation: Operation,
  ids: Readonly<Record<string, string>>,
  credential: { readonly key: string | null; readonly headers?: Record<string, string> },
): Promise<Reply> {
  const { body, query, raw, form } = recipeOf(operation.id);
  const encoded = form === undefined ? null : await encode(formOf(form));
  const search = query ? `?${new URLSearchParams(query)}` : "";
  return client.call(fillPath(operation.path, ids) + search, {
    method: operation.method,
    ...(body ? { json: body } : {}),
    ...(raw === undefined ? {} : { body: raw }),
    ...(encoded && { body: encoded.body }),
    ...credential,
    ...(encoded && { headers: { "content-type": encoded.type, ...credential.headers } }),
  });
}

function expectProblem(reply: Reply, status: number, code: string, about: string) {
  expect(reply.status, `${about}: ${reply.text}`).toBe(status);
  expect(reply.headers.get("content-type"), about).toBe("application/problem+json");
  const problem = problemSchema.loose().parse(reply.json);
  expect(problem, about).toMatchObject({ status, code });
  expect(reply.headers.get("x-request-id"), about).toBe(problem.request_id);
  return problem;
}

const now = () => Math.floor(Date.now() / 1000);

function sign(claims: Record<string, unknown>, alg = "HS256", secret = SECRET_KEY) {
  return new SignJWT({ sub: "user-1", iat: now(), exp: now() + 300, roles: ["admin"], ...claims })
    .setProtectedHeader({ alg })
    .sign(new TextEncoder().encode(secret));
}

test("every route has a valid request, and the public ones are exactly those listed", () => {
  expect(api.operations.map(({ id }) => id).sort()).toEqual(Object.keys(RECIPES).sort());
  const open = api.operations.filter(isOpen).map(nameOf);
  expect(open.sort()).toEqual(PUBLIC);
  for (const { scope } of secured) expect(SCOPES).toContain(scope);
});

test("what a runner's credential opens, no other credential does", async () => {
  const guarded = api.operations.filter(({ isGuarded }) => isGuarded);
  expect(guarded.length).toBeGreaterThan(4);
  for (const operation of guarded) {
    for (const key of [null, service.key, await sign({})]) {
      const reply = await send(operation, {}, { key });
      expectProblem(reply, 401, "unauthenticated", nameOf(operation));
    }
  }
});

test("public routes answer without credentials", async () => {
  for (const operation of api.operations.filter(isOpen)) {
    const reply = await send(operation, {}, { key: null });
    expect(reply.status, nameOf(operation)).toBe(200);
  }
});

describe("a credential that is not good", () => {
  const refused: Record<
    string,
    () => Promise<{ key: string | null; headers?: Record<string, string> }>
  > = {
    "no credential": async () => ({ key: null }),
    "an empty bearer": async () => ({ key: null, headers: { authorization: "Bearer " } }),
    "another scheme": async () => ({
      key: null,
      headers: { authorization: `Basic ${btoa(`key:${service.key}`)}` },
    }),
    garbage: async () => ({ key: "garbage" }),
    "a key that nobody has": async () => ({
      key: `plz_abcdefgh_${randomBytes(32).toString("base64url")}`,
    }),
    "the good key with a letter more": async () => ({ key: `${service.key}x` }),
    "two credentials that differ": async () => ({
      key: service.key,
      headers: { "x-api-key": "garbage" },
    }),
    "an expired key": expiredKey,
    "a revoked key": async () => {
      const { id, key } = await mintKey(service, { scopes: SCOPES });
      expect((await client.call(`/api/v1/keys/${id}`, { method: "DELETE" })).status).toBe(204);
      return { key };
    },
    "an unsigned token": async () => ({
      key: new UnsecuredJWT({ sub: "user-1", roles: ["admin"] })
        .setIssuedAt()
        .setExpirationTime("5m")
        .encode(),
    }),
    "an expired token": async () => ({ key: await sign({ exp: now() - 60 }) }),
    "a token that is too old": async () => ({ key: await sign({ iat: now() - 25 * 3600 }) }),
    "a token of the future": async () => ({ key: await sign({ nbf: now() + 600 }) }),
    "a token without an end": async () => ({ key: await sign({ exp: undefined }) }),
    "a token of nobody": async () => ({ key: await sign({ sub: undefined }) }),
    "a token of another algorithm": async () => ({ key: await sign({}, "HS512") }),
    "a token of a foreign secret": async () => ({
      key: await sign({}, "HS256", randomBytes(36).toString("base64url")),
    }),
    "a token that was changed": async () => ({ key: await tampered() }),
  };

  async function expiredKey() {
    const { key } = await mintKey(service, { scopes: SCOPES, expires_in_seconds: 1 });
    const status = async () => (await client.call("/api/v1/tasks", { key })).status;
    await expect.poll(status, { timeout: CREDENTIAL_TIMEOUT_MS }).toBe(401);
    return { key };
  }

  async function tampered() {
    const [header, , signature] = (await sign({ roles: ["viewer"] })).split(".");
    const claims = { sub: "user-1", iat: now(), exp: now() + 300, roles: ["admin"] };
    return `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`;
  }

  test.each(Object.keys(refused))("%s is refused by every route", async (kind) => {
    const credential = await refused[kind]?.();
    if (!credential) throw new Error(`No credential "${kind}".`);
    for (const operation of secured) {
      const about = `${nameOf(operation)} with ${kind}`;
      const reply = await send(operation, missing(operation), credential);
      expectProblem(reply, 401, "unauthenticated", about);
      expect(reply.headers.get("www-authenticate"), about).toMatch(/^Bearer realm="pipelzr"/);
      if (credential.key) expect(reply.text, about).not.toContain(credential.key);
    }
  });

  test("HEAD, and a path spelled otherwise, open nothing", async () => {
    for (const operation of secured.filter(({ method }) => method === "GET")) {
      const path = fillPath(operation.path, missing(operation));
      const head = await client.call(path, { method: "HEAD", key: null });
      expect(head.status, `HEAD ${path}`).toBe(401);
      for (const spelled of [
        `/${path}`,
        `${path}/`,
        path.toUpperCase(),
        path.replace("/", "/%2e/"),
      ]) {
        expect(await rawStatus(spelled), spelled).toBeOneOf([401, 404]);
      }
      const query = new URLSearchParams({ access_token: service.key, api_key: service.key });
      expect((await client.call(`${path}?${query}`, { key: null })).status, path).toBe(401);
    }
  });
});

/** The status of a GET whose path is sent as it is written. */
function rawStatus(path: string): Promise<number | undefined> {
  const { hostname, port } = new URL(service.url);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .once("error", reject)
      .end();
  });
}

test("a good token opens what its roles say, and X-API-Key is as good as a bearer", async () => {
  const status = async (key: string, init = {}) =>
    (await client.call("/api/v1/tasks", { key, ...init })).status;
  expect(await status(await sign({}))).toBe(200);
  expect(await status(await sign({ roles: ["viewer"], project_ids: ["alpha"] }))).toBe(200);
  const creation = { json: { name: "no", command: "true" } };
  expect(await status(await sign({ roles: ["viewer"], project_ids: ["alpha"] }), creation)).toBe(
    403,
  );
  const reply = await client.call("/api/v1/tasks", {
    key: null,
    headers: { "x-api-key": service.key },
  });
  expect(reply.status).toBe(200);
});

test("a caller without the scope of a route is told which one it needs", async () => {
  const noScopes = await sign({ roles: [] });
  const lacking = new Map<string, string>();
  for (const scope of SCOPES) {
    const others = SCOPES.filter((name) => name !== scope);
    lacking.set(scope, (await mintKey(service, { scopes: others })).key);
  }
  for (const operation of secured) {
    const scope = operation.scope ?? "";
    for (const key of [noScopes, lacking.get(scope) ?? ""]) {
      const about = nameOf(operation);
      const reply = await send(operation, missing(operation), { key });
      const problem = expectProblem(reply, 403, "forbidden", about);
      expect(problem, about).toMatchObject({ required_scope: scope });
      expect(problem.detail, about).toContain(scope);
    }
  }
});

/**
 * No client makes a dead letter, and every project numbers its audit entries from 1: workers/dead-letters
 * and workers/audit test who sees which. The others are of no project.
 */
function isOfClients({ path }: Operation): boolean {
  return !/^\/api\/v1\/(dead-letters|audit|models|integrations)/.test(path);
}

describe("another project", () => {
  const idSchema = z.object({ id: z.string() });
  let alpha: string;
  let beta: string;

  beforeAll(async () => {
    alpha = (await mintKey(service, { scopes: SCOPES, projects: ["alpha"] })).key;
    beta = (await mintKey(service, { scopes: SCOPES, projects: ["beta"] })).key;
  });

  /** A codebase with one snapshot, and a source that is not reached. */
  async function codebaseOf(key: string): Promise<string> {
    const source = { url: "https://archive.example.com/shop.tar.gz" };
    const created = await client.call("/api/v1/codebases", { key, json: { name: randomUUID() } });
    const { id } = idSchema.parse(created.json);
    const path = `/api/v1/codebases/${id}`;
    const content = Buffer.from("hello\n");
    const files = [["src/a.txt", blobOid(content), content.byteLength]];
    await client.call(`${path}/manifest`, { key, json: { files } });
    const body = new Uint8Array(tarOf([{ name: "a", content }]));
    const pushed = await client.call(`${path}/snapshots/1/blobs`, { key, body });
    expect(pushed.json, pushed.text).toMatchObject({ snapshot: { state: "ready" } });
    await client.call(path, { key, method: "PATCH", json: { source } });
    return id;
  }

  async function grammarOf(key: string): Promise<string> {
    // A project has few of them, so that the one that is there serves again.
    const known = await client.call("/api/v1/grammars", { key });
    const [first] = z.object({ items: z.array(idSchema) }).parse(known.json).items;
    if (first !== undefined) return first.id;
    const name = `g${randomUUID()}`;
    const form = formOf({ ...recipeOf("createGrammar").form, name });
    const created = await client.call("/api/v1/grammars", { key, method: "POST", body: form });
    expect(created.status, created.text).toBe(201);
    return idSchema.parse(created.json).id;
  }

  /** Terminated, so that its events come to an end. */
  async function agentOf(key: string): Promise<string> {
    const json = recipeOf("createAgent").body;
    const created = await client.call("/api/v1/agents", { key, json });
    expect(created.status, created.text).toBe(201);
    const { id } = idSchema.parse(created.json);
    await client.call(`/api/v1/agents/${id}/terminate`, { key, method: "POST" });
    return id;
  }

  /** A task and a pipeline that have run, an agent, a codebase, a skill that was invoked, a grammar, a webhook, a secret, a key and a runner of a project, by the names of their parameters. */
  async function fixture(key: string, use: Use = "changed"): Promise<Record<string, string>> {
    const create = async (path: string, json: unknown, headers = {}) => {
      const reply = await client.call(path, { key, json, headers });
      expect(reply.status, reply.text).toBe(201);
      return idSchema.parse(reply.json).id;
    };
    const task = { ...recipeOf("createTask").body, execute: true };
    const secret = { name: `S_${randomUUID().replaceAll("-", "_")}`, value: "never shown" };
    const pipeline = {
      name: "kept",
      tasks: [{ name: "make", command: "echo 1 > out.txt", artifacts: ["out.txt"] }],
      execute: true,
    };
    const skill = {
      ...recipeOf("createSkill").body,
      name: randomUUID(),
      slug: `s-${randomUUID()}`,
    };
    const skill_id = await create("/api/v1/skills", skill);
    const invoke = { key, json: { inputs: { text: "a b" } } };
    const invoked = await client.call(`/api/v1/skills/${skill_id}/invoke`, invoke);
    return {
      project_id: key === alpha ? "alpha" : "beta",
      task_id: await create("/api/v1/tasks", task, { prefer: "wait=30" }),
      pipeline_id: await create("/api/v1/pipelines", pipeline, { prefer: "wait=30" }),
      agent_id: await agentOf(key),
      codebase_id: await codebaseOf(key),
      skill_id,
      invocation_id: idSchema.parse(invoked.json).id,
      grammar_id: await grammarOf(key),
      webhook_id: await webhookOf(client, key, use),
      secret_id: await create("/api/v1/secrets", secret),
      key_id: await create("/api/v1/keys", { name: "reader", scopes: ["tasks:read"] }),
      runner_id: await create("/api/v1/runners", { name: "builder" }),
    };
  }

  test("every route with an id hides what another project owns, as if it did not exist", async () => {
    const read = await fixture(alpha, "read");
    for (const operation of secured.filter((one) => hasId(one) && isOfClients(one))) {
      const about = nameOf(operation);
      // What only reads leaves things as the next one needs them.
      const owned = operation.method === "GET" ? read : await fixture(alpha);
      const ids = idsOf(operation, (name) => {
        const id = owned[name];
        if (id === undefined) throw new Error(`${about}: the fixture has no "${name}".`);
        return id;
      });
      const hidden = await send(operation, ids, { key: beta });
      const problem = expectProblem(hidden, 404, "not_found", about);
      const absent = await send(operation, missing(operation), { key: beta });
      const unknown = expectProblem(absent, 404, "not_found", about);
      const own = Object.entries(ids).filter(([name]) => PLACES[name] === undefined);
      const told = own.reduce((text, [, id]) => text.replaceAll(id, MISSING_ID), problem.detail);
      expect(told, about).toBe(unknown.detail);

      const mine = await send(operation, ids, { key: alpha });
      expect(mine.status, `${about} by its owner: ${mine.text}`).toBeOneOf([
        200, 201, 202, 204, 409,
      ]);
    }
  });

  test("nothing that another project tried has changed what it tried it on", async () => {
    const owned = await fixture(alpha);
    const path = `/api/v1/tasks/${owned.task_id}`;
    const before = await client.call(path, { key: alpha });
    for (const operation of secured.filter(hasId)) {
      await send(
        operation,
        idsOf(operation, (name) => owned[name] ?? ""),
        { key: beta },
      );
    }
    const after = await client.call(path, { key: alpha });
    expect(after.json).toEqual(before.json);
    expect(after.headers.get("etag")).toBe(before.headers.get("etag"));
    for (const rest of [`secrets/${owned.secret_id}`, `keys/${owned.key_id}`]) {
      const reply = await client.call(`/api/v1/${rest}`, { key: alpha });
      expect(reply.status, reply.text).toBe(200);
      expect(reply.json).toMatchObject(
        rest.startsWith("keys") ? { revoked_at: null } : { version: 1 },
      );
    }
  });

  test("lists show the caller's own rows and no others", async () => {
    const [mine, foreign] = [await fixture(beta), await fixture(alpha)];
    const listing = z.object({ items: z.array(z.looseObject({ id: z.string() })) });
    const lists = secured.filter(
      (operation) => !hasId(operation) && operation.id.startsWith("list"),
    );
    expect(lists.map(({ id }) => id).sort()).toEqual([
      "listAgents",
      "listAuditEntries",
      "listCodebases",
      "listDeadLetters",
      "listGrammars",
      "listIntegrations",
      "listInvocations",
      "listKeys",
      "listModels",
      "listPipelines",
      "listRunners",
      "listSecrets",
      "listSkills",
      "listTasks",
      "listWebhooks",
    ]);
    for (const operation of lists.filter(isOfClients)) {
      const kind = operation.path.split("/").at(-1)?.replace(/s$/, "_id") ?? "";
      const read = async (key: string, query = "") => {
        const reply = await client.call(`${operation.path}?limit=200${query}`, { key });
        expect(reply.status, reply.text).toBe(200);
        return listing.parse(reply.json).items.map(({ id }) => id);
      };
      const about = operation.id;
      await expect.poll(() => read(beta), { message: about }).toContain(mine[kind]);
      await expect.poll(() => read(alpha), { message: about }).toContain(foreign[kind]);
      expect(await read(beta), about).not.toContain(foreign[kind]);
      expect(await read(alpha), about).not.toContain(mine[kind]);
      if (operation.parameters.some(({ name }) => name === "project_id")) {
        expect(await read(beta, "&project_id=alpha"), about).toEqual([]);
      }
    }
  });

  test("figures count the tasks of the caller's projects alone", async () => {
    const gamma = (await mintKey(service, { scopes: SCOPES, projects: ["gamma"] })).key;
    const figures = async () => {
      const reply = await client.call("/metrics", {
        key: gamma,
        headers: { accept: "application/json" },
      });
      const { tasks } = z.object({ tasks: z.record(z.string(), z.number()) }).parse(reply.json);
      return Object.values(tasks).reduce((sum, count) => sum + count, 0);
    };
    expect(await figures()).toBe(0);
    await new Client(service, gamma).start({ command: "true" }, "wait=30");
    await expect.poll(figures, { timeout: CREDENTIAL_TIMEOUT_MS }).toBeGreaterThan(0);
  });

  test("nothing can be put into another project, and no key reaches further than its maker", async () => {
    const task = { name: "t", command: "true", project_id: "alpha" };
    const secret = { name: "S", value: "value", project_id: "alpha" };
    const key = { name: "k", scopes: ["tasks:read"] };
    const status = async (path: string, json: unknown, by = beta) =>
      (await client.call(`/api/v1/${path}`, { key: by, json })).status;
    expect(await status("tasks", task)).toBe(422);
    expect(await status("secrets", secret)).toBe(422);
    expect(await status("keys", { ...key, projects: ["alpha"] })).toBe(403);
    expect(await status("keys", { ...key, projects: ["beta", "alpha"] })).toBe(403);
    expect(await status("keys", { ...key, projects: null })).toBe(403);
    const { key: small } = await mintKey(service, { scopes: ["keys:admin"], projects: ["beta"] });
    expect(await status("keys", key, small)).toBe(403);
    expect(await status("keys", { name: "k", scopes: ["keys:admin"] }, small)).toBe(201);
  });

  test("an Idempotency-Key belongs to its caller: another one gets no replay of it", async () => {
    const headers = { "idempotency-key": randomUUID() };
    const json = { name: "same", command: "true" };
    const first = await client.call("/api/v1/tasks", { key: alpha, json, headers });
    const other = await client.call("/api/v1/tasks", { key: beta, json, headers });
    expect([first.status, other.status]).toEqual([201, 201]);
    expect(other.headers.get("idempotent-replayed")).toBeNull();
    expect(idSchema.parse(other.json).id).not.toBe(idSchema.parse(first.json).id);
    expect(other.json).toMatchObject({ project_id: "beta" });
  });
});
