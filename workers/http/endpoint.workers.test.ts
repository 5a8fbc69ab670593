import { z } from "@hono/zod-openapi";
import { describe, expect, it } from "vitest";
import { isolate } from "../test/app.ts";
import { createRouter } from "./context.ts";
import { endpoint } from "./endpoint.ts";
import { ApiError } from "./errors.ts";

const echo = createRouter();
endpoint(
  echo,
  {
    method: "post",
    path: "/echo/{echo_id}",
    operationId: "echo",
    tags: ["test"],
    scope: "tasks:write",
    summary: "Echo",
    yaml: true,
    request: {
      params: z.object({ echo_id: z.string().max(5) }),
      query: z.strictObject({ limit: z.coerce.number().max(10).optional() }),
      headers: z.object({ "x-mode": z.enum(["a", "b"]).optional() }),
      body: z.strictObject({
        name: z.string(),
        steps: z.array(z.strictObject({ name: z.string() })).default([]),
        files: z.record(z.string(), z.string()).default({}),
      }),
    },
    responses: { 200: { description: "The input.", schema: z.object({ name: z.string() }) } },
  },
  (_, { body }) => ({ status: 200, body: { name: body.name } }),
);
endpoint(
  echo,
  {
    method: "get",
    path: "/broken",
    operationId: "broken",
    tags: ["test"],
    scope: "tasks:read",
    summary: "Fail",
    responses: { 204: { description: "Never." } },
  },
  () => {
    throw new Error("the password is hunter2");
  },
);
endpoint(
  echo,
  {
    method: "get",
    path: "/illegal",
    operationId: "illegal",
    tags: ["test"],
    scope: "tasks:read",
    summary: "Refuse",
    responses: { 204: { description: "Never." } },
  },
  () => {
    throw new ApiError("illegal_transition", "The task is running; cancel it first.", {
      members: { state: "running", allowed: ["cancel"] },
    });
  },
);

const { call } = isolate([echo], { MAX_BODY_BYTES: "2000" });

describe("the endpoint pipeline", () => {
  it("answers valid input with JSON and the headers of every response", async () => {
    const reply = await call("/api/v1/echo/1", { body: { name: "x" } });
    expect(reply.text).toBe('{"name":"x"}');
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(reply.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(reply.headers.get("x-correlation-id")).toBe(reply.headers.get("x-request-id"));
    expect(reply.headers.get("x-response-time")).toMatch(/^\d+\.\d\dms$/);
    expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
    expect(reply.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(Number(reply.headers.get("x-ratelimit-remaining"))).toBeGreaterThan(0);
  });

  it("lists the problems of path, query, headers and body in one answer", async () => {
    const reply = await call("/api/v1/echo/toolong?limit=99&nonsense=1", {
      headers: { "x-mode": "c" },
      body: { steps: [{ name: 1, extra: true }], files: { "a.txt": 3 }, unknown: 1 },
    });
    expect(reply.status).toBe(422);
    expect(reply.headers.get("content-type")).toBe("application/problem+json");
    expect(reply.body).toMatchObject({
      type: "/docs#error-validation_failed",
      status: 422,
      code: "validation_failed",
      instance: "/api/v1/echo/toolong",
    });
    const paths = z
      .array(z.object({ path: z.string(), message: z.string() }))
      .parse(reply.body.errors)
      .map(({ path }) => path)
      .sort();
    expect(paths).toEqual([
      'files["a.txt"]',
      "headers.x-mode",
      "name",
      "path.echo_id",
      "query.limit",
      "query.nonsense",
      "steps[0].extra",
      "steps[0].name",
      "unknown",
    ]);
  });

  it("accepts YAML and refuses what it cannot read, each with its own status", async () => {
    const send = (body: string | Uint8Array, type: string) =>
      call("/api/v1/echo/1", { body, headers: { "content-type": type } });
    expect((await send("name: y\n", "application/yaml")).text).toBe('{"name":"y"}');
    expect((await send('{"name":"z"}', "application/json; charset=utf-8")).status).toBe(200);
    expect(await send("{", "application/json")).toMatchObject({ status: 400 });
    expect(await send("a: [", "application/yaml")).toMatchObject({ status: 400 });
    expect(await send("x", "text/csv")).toMatchObject({ status: 415 });
    expect(await send(new Uint8Array([0x22, 0xff, 0x22]), "application/json")).toMatchObject({
      status: 400,
    });
    expect(await send(`{"name":"${"x".repeat(3000)}"}`, "application/json")).toMatchObject({
      status: 413,
    });
    expect(await send("", "application/json")).toMatchObject({ status: 422 });
  });

  it.each([
    ["", "A body is required: send a JSON object."],
    ["[]", "Send a JSON object."],
    ["null", "Send a JSON object."],
    ['"x"', "Send a JSON object."],
  ])("says of the body %j what is wanted", async (body, message) => {
    const headers = { "content-type": "application/json" };
    expect(await call("/api/v1/echo/1", { method: "POST", body, headers })).toMatchObject({
      status: 422,
      body: { errors: [{ path: "", message }] },
    });
  });

  it.each([
    ["name: y\n---\nname: z\n", "Another document begins here; send one document."],
    ["name: y\nname: z\n", "The key was given before; give each key once."],
    ["name: a: b", "A mapping cannot begin here; quote the value, or begin a new line."],
    ["name: {} x", "This does not fit here; check indentation, quotes and brackets."],
  ])("says of the YAML %j what is wrong", async (body, message) => {
    const headers = { "content-type": "application/yaml" };
    expect(await call("/api/v1/echo/1", { method: "POST", body, headers })).toMatchObject({
      status: 400,
      body: { errors: [{ message }] },
    });
  });

  it("speaks in its own words of every part", async () => {
    const reply = await call("/api/v1/echo/toolong?limit=99", {
      headers: { "x-mode": "c" },
      body: { steps: [{ name: 1 }] },
    });
    expect(reply.body.errors).toEqual([
      { path: "path.echo_id", message: "Give at most 5 characters." },
      { path: "query.limit", message: "Give at most 10." },
      { path: "headers.x-mode", message: "Use one of: a, b." },
      { path: "name", message: "Required." },
      { path: "steps[0].name", message: "Send a string." },
    ]);
  });

  it("refuses documents that would not survive storage", async () => {
    const refused = async (text: string) =>
      (
        await call("/api/v1/echo/1", {
          body: text,
          headers: { "content-type": "application/json" },
        })
      ).status;
    expect(await refused('{"name":"\\ud800"}')).toBe(422);
    expect(await refused('{"name":"x","__proto__":{}}')).toBe(422);
    expect(await refused('{"name":1e999}')).toBe(422);
    expect(await refused(`${"[".repeat(900)}${"]".repeat(900)}`)).toBe(422);
    expect(await refused("[".repeat(1999))).toBe(400);
  });

  it("counts the bytes of a body whose length is not declared", async () => {
    const { app, env } = isolate([echo], { MAX_BODY_BYTES: "2000" });
    const chunk = new TextEncoder().encode("x".repeat(1500));
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1;
        controller.enqueue(chunk);
        if (sent === 1000) controller.close();
      },
    });
    const request = new Request("https://pipelzr.test/api/v1/echo/1", {
      method: "POST",
      body,
      headers: { authorization: "Bearer test-dev-key", "content-type": "application/json" },
    });
    const response = await app.fetch(request, env);
    expect(response.status).toBe(413);
    expect(sent).toBeLessThan(10);
  });

  it("hides what an unknown error says and shows what our own says", async () => {
    const broken = await call("/api/v1/broken");
    expect(broken.status).toBe(500);
    expect(broken.text).not.toContain("hunter2");
    expect(broken.body).toMatchObject({ code: "internal", request_id: expect.any(String) });
    const illegal = await call("/api/v1/illegal");
    expect(illegal.status).toBe(409);
    expect(illegal.body).toMatchObject({ state: "running", allowed: ["cancel"] });
  });

  it("keeps a sane request id and replaces another", async () => {
    const kept = await call("/health", { headers: { "x-correlation-id": "trace-1.2:3" } });
    expect(kept.headers.get("x-request-id")).toBe("trace-1.2:3");
    const replaced = await call("/health", { headers: { "x-request-id": "a b<c>" } });
    expect(replaced.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("tells unknown paths, wrong methods and OPTIONS apart", async () => {
    expect(await call("/api/v1/nothing")).toMatchObject({
      status: 404,
      body: { code: "not_found" },
    });
    const wrong = await call("/api/v1/echo/1", { method: "DELETE" });
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get("allow")).toBe("OPTIONS, POST");
    const options = await call("/api/v1/broken", { method: "OPTIONS", key: null });
    expect(options.status).toBe(204);
    expect(options.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
    const head = await call("/health", { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, text: "" });
  });

  it("allows configured origins and no other", async () => {
    const preflight = (origin: string) =>
      call("/api/v1/echo/1", {
        method: "OPTIONS",
        key: null,
        headers: { origin, "access-control-request-method": "POST" },
      });
    const allowed = await preflight("http://localhost:3000");
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get("access-control-allow-origin")).toBe("http://localhost:3000");
    const other = await preflight("https://evil.example");
    expect(other.headers.get("access-control-allow-origin")).toBeNull();
    const get = await call("/health", { headers: { origin: "http://localhost:3000" } });
    expect(get.headers.get("access-control-allow-origin")).toBe("http://localhost:3000");
  });
});
