import { describe, expect, it } from "vitest";
import { z } from "zod";
import { RUNNER_PATHS } from "../executors/runner/protocol.ts";
import { DEV_KEY, isolate } from "./app.ts";
import { recipeOf } from "./requests.ts";

const operationSchema = z.looseObject({
  operationId: z.string(),
  tags: z.array(z.string()),
  summary: z.string(),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  "x-required-scope": z.string().optional(),
  "x-credential": z.string().optional(),
  parameters: z.array(z.looseObject({ name: z.string(), in: z.string() })).optional(),
  responses: z.record(
    z.string(),
    z.looseObject({
      description: z.string(),
      content: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
});
const documentSchema = z.looseObject({
  openapi: z.string(),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
});

const { call } = isolate();
const { body } = await call("/openapi.json", { key: null });
const document = documentSchema.parse(body);
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);
/** What has another guard than the API's keys and scopes. */
const guarded = operations.filter(({ operation }) => operation["x-credential"] !== undefined);
const secured = operations.filter(
  (each) => each.operation.security.length > 0 && !guarded.includes(each),
);
const PUBLIC = ["/", "/docs", "/health", "/openapi.json", "/ready"];

describe("the OpenAPI document", () => {
  it("is version 3.1 and has an id of its own for every operation", () => {
    expect(document.openapi).toBe("3.1.0");
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { operation } of operations) {
      expect(operation.tags.length).toBeGreaterThan(0);
      expect(operation.summary).not.toBe("");
    }
  });

  it("opens the service's own pages to everyone, and nothing else", () => {
    const open = operations
      .filter((each) => each.operation.security.length === 0 && !guarded.includes(each))
      .map(({ path }) => path)
      .sort();
    expect(open).toEqual(PUBLIC);
  });

  it("declares scope and refusals of every secured operation, as problems", () => {
    expect(secured.length).toBeGreaterThan(0);
    for (const { path, method, operation } of secured) {
      const name = `${method} ${path}`;
      expect(operation["x-required-scope"], name).toBeDefined();
      for (const status of ["401", "403", "429", "500", "503"]) {
        const content = operation.responses[status]?.content ?? {};
        expect(Object.keys(content), `${name} ${status}`).toContain("application/problem+json");
      }
      const headers = operation.parameters?.map((parameter) => parameter.name) ?? [];
      expect(headers.includes("Idempotency-Key"), name).toBe(method === "post");
    }
  });
});

describe("the runner's own operations", () => {
  const requests = guarded.map(({ path, method, operation }) => {
    const { body, query } = recipeOf(operation.operationId);
    const url = query ? `${path}?${new URLSearchParams(query)}` : path;
    return { name: `${method.toUpperCase()} ${path}`, url, method: method.toUpperCase(), body };
  });

  it("are those of the protocol, with a security scheme of their own but for the first", () => {
    expect(guarded.map(({ path }) => path).sort()).toEqual(Object.values(RUNNER_PATHS).sort());
    for (const { path, operation } of guarded) {
      const isFirst = path === RUNNER_PATHS.register;
      expect(operation.security, path).toEqual(isFirst ? [] : [{ runnerSignature: [] }]);
      for (const status of ["401", "403", "429", "500", "503"]) {
        const content = operation.responses[status]?.content ?? {};
        expect(Object.keys(content), `${path} ${status}`).toContain("application/problem+json");
      }
    }
  });

  it.each(requests)("$name refuses everybody else, API keys too", async ({ url, method, body }) => {
    const signature = `PIPELZR-Runner id=nobody,ts=${Math.floor(Date.now() / 1000)},nonce=${"0".repeat(32)},sig=${"A".repeat(86)}`;
    for (const authorization of [null, `Bearer ${DEV_KEY}`, "PIPELZR-Runner id=x", signature]) {
      const reply = await call(url, {
        method,
        key: null,
        ...(authorization === null ? {} : { headers: { authorization } }),
        ...(body === undefined ? {} : { body }),
      });
      expect(reply, reply.text).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
      expect(reply.headers.get("www-authenticate")).toMatch(/^PIPELZR-Runner /);
    }
  });
});

describe("every secured operation", () => {
  const target = (path: string) =>
    path.replaceAll(/\{\w+\}/g, "00000000-0000-7000-8000-000000000000");
  const requests = secured.map(({ path, method, operation }) => ({
    name: `${method.toUpperCase()} ${path}`,
    url: target(path),
    method: method.toUpperCase(),
    scope: operation["x-required-scope"],
  }));

  it.each(requests)("$name refuses a caller without a good credential", async ({ url, method }) => {
    for (const key of [null, "nonsense", `plz_AAAAAAAA_${"z".repeat(43)}`, "a.b.c"]) {
      const reply = await call(url, { method, key });
      expect(reply, String(key)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    }
  });

  it.each(requests)("$name refuses a key without its scope, and names it", async (request) => {
    const other = request.scope === "metrics:read" ? "tasks:read" : "metrics:read";
    const created = await call("/api/v1/keys", { body: { name: "other", scopes: [other] } });
    const reply = await call(request.url, {
      method: request.method,
      key: String(created.body.key),
    });
    expect(reply).toMatchObject({ status: 403, body: { required_scope: request.scope } });
  });
});
