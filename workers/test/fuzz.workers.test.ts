/** Malformed requests to every operation: never a 5xx, and never something stored that cannot be read. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type CallInit, isolate } from "./app.ts";

const RUNS = 1_000;

const { call } = isolate([], { RATE_LIMIT_REQUESTS: "1000000", MAX_BODY_BYTES: "100000" });
const documentSchema = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
});
const { paths } = documentSchema.parse((await call("/openapi.json")).body);
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.keys(methods).map((method) => ({ path, method: method.toUpperCase() })),
);

const VALID: Readonly<Record<string, unknown>> = {
  "/api/v1/tasks": { name: "fuzz", script: "export default () => 1", language: "javascript" },
  "/api/v1/pipelines": { name: "fuzz", tasks: [{ name: "a", command: "true" }] },
  "/api/v1/keys": { name: "fuzz", scopes: ["tasks:read"] },
  "/api/v1/secrets": { name: "FUZZ", value: "fuzz-value" },
  "/api/v1/runners": { name: "fuzz" },
  "/api/v1/runner/register": { token: "fuzz", public_key: "A".repeat(43), name: "fuzz" },
};

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom("", "\u0000", "null", "../../etc/passwd", "'; DROP TABLE tasks; --", "%00", "💥"),
);
const segment = fc.oneof(
  fc.uuid(),
  fc.string({ unit: "binary-ascii", maxLength: 30 }).filter((part) => !/^\.{0,2}$/.test(part)),
);
const noise = fc.oneof(fc.jsonValue({ maxDepth: 4, stringUnit: "binary" }), text);

/** A valid body in which some members are replaced, removed or added. */
const mutated = (valid: unknown) =>
  fc
    .array(fc.tuple(fc.oneof(fc.constantFrom(...memberNames), text), noise), { maxLength: 4 })
    .map((changes) => ({
      ...z.record(z.string(), z.unknown()).parse(valid ?? {}),
      ...Object.fromEntries(changes),
    }));
const memberNames = [
  "name",
  "tasks",
  "dependencies",
  "run_inputs",
  "script",
  "command",
  "language",
  "inputs",
  "environment",
  "secrets",
  "files",
  "timeout_seconds",
  "retry",
  "labels",
  "outputs",
  "artifacts",
  "network",
  "project_id",
  "scopes",
  "projects",
  "expires_at",
  "value",
];

const headerValue = fc
  .string({ unit: "binary-ascii", maxLength: 40 })
  .map((value) => value.replaceAll(/[^\x20-\x7e]/g, ""));
const headers = fc.dictionary(
  fc.constantFrom(
    "accept",
    "content-type",
    "if-match",
    "if-none-match",
    "idempotency-key",
    "last-event-id",
    "prefer",
    "range",
    "x-request-id",
  ),
  fc.oneof(headerValue, fc.constantFrom("application/json", "application/yaml", "wait=0", "*")),
  { maxKeys: 3 },
);

const requestArbitrary = fc.constantFrom(...operations).chain(({ path, method }) =>
  fc.record({
    path: fc.array(segment, { minLength: 4, maxLength: 4 }).map((segments) => {
      let index = 0;
      return path.replaceAll(/\{\w+\}/g, () => encodeURIComponent(segments[index++] ?? "x"));
    }),
    method: fc.oneof(
      { weight: 9, arbitrary: fc.constant(method) },
      { weight: 1, arbitrary: fc.constantFrom("PUT", "PATCH", "DELETE", "POST") },
    ),
    query: fc.array(
      fc.tuple(
        fc.constantFrom("limit", "cursor", "order", "state", "created_after", "run", "stream", "x"),
        text,
      ),
      { maxLength: 3 },
    ),
    headers,
    body: fc.oneof(
      mutated(VALID[path]),
      mutated(VALID[path]),
      noise,
      fc.uint8Array({ maxLength: 60 }),
      fc.constant(undefined),
    ),
  }),
);

describe("fuzzed requests", () => {
  it(`are answered below 500, all ${RUNS} of them, and what they stored can be read`, {
    timeout: 600_000,
  }, async () => {
    const stored = new Set<string>();
    await fc.assert(
      fc.asyncProperty(requestArbitrary, async ({ path, method, query, headers, body }) => {
        const search = new URLSearchParams(
          query.map(([name, value]) => [name, value.toWellFormed()]),
        );
        const init: CallInit = {
          method,
          headers,
          ...(method === "GET" || body === undefined ? {} : { body }),
        };
        const reply = await call(query.length > 0 ? `${path}?${search}` : path, init);
        expect(reply.status, `${method} ${path} ${reply.text}`).toBeLessThan(500);
        expect(reply.headers.get("x-request-id")).toBeTruthy();
        if (reply.status >= 400) {
          expect(reply.headers.get("content-type")).toBe("application/problem+json");
        }
        const location = reply.headers.get("location");
        if (location !== null) stored.add(location);
      }),
      { numRuns: RUNS },
    );
    for (const location of stored) {
      expect((await call(location)).status, location).toBe(200);
    }
    for (const kind of ["tasks", "pipelines", "keys", "secrets", "runners"]) {
      const path = `/api/v1/${kind}`;
      expect((await call(`${path}?limit=200`)).status, path).toBe(200);
    }
  });
});
