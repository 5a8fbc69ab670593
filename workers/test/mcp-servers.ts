/**
 * MCP servers of others, at one port, a path each: those of the official package, of either era, and
 * some that are broken or hostile. `/log` tells what they were asked.
 */
import { randomUUID } from "node:crypto";
import {
  createMcpHandler,
  inputRequired,
  McpServer,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import type { TestProject } from "vitest/node";
import { z } from "zod";
import { listen } from "./web-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    mcpServers: { readonly url: string; readonly credential: string };
  }
}

/** What `/private` wants to see in the header `authorization`. */
const CREDENTIAL = "Bearer very-secret-value";
const PNG = "iVBORw0KGgo=";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await listen(answer);
  project.provide("mcpServers", { url: servers.url, credential: CREDENTIAL });
  return servers.stop;
}

/** Such as `POST /modern tools/call` and `cancelled`, from the start. */
const log: string[] = [];
const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
let lists = 0;

function toolServer(): McpServer {
  const mcp = new McpServer({ name: "outside", version: "1" });
  mcp.registerTool(
    "echo",
    {
      description: "Says it again.",
      inputSchema: z.object({ text: z.string() }),
      annotations: { readOnlyHint: true },
    },
    ({ text }, context) => ({
      content: [{ type: "text", text: `${text} ${context.http?.req?.headers.get("x-key") ?? ""}` }],
    }),
  );
  mcp.registerTool(
    "add.numbers",
    {
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
      annotations: { idempotentHint: true },
    },
    ({ a, b }) => {
      const sum = { sum: a + b };
      return { content: [{ type: "text", text: JSON.stringify(sum) }], structuredContent: sum };
    },
  );
  mcp.registerTool("fail", { inputSchema: z.object({}) }, () => ({
    content: [{ type: "text", text: "No such page." }],
    isError: true,
  }));
  mcp.registerTool("picture", { inputSchema: z.object({}) }, () => ({
    content: [
      { type: "text", text: "Look:" },
      { type: "image", data: PNG, mimeType: "image/png" },
      { type: "resource_link", uri: "file:///a.txt", name: "a.txt", mimeType: "text/plain" },
      { type: "resource", resource: { uri: "file:///b.txt", text: "inside" } },
    ],
  }));
  mcp.registerTool("huge", { inputSchema: z.object({}) }, () => ({
    content: [{ type: "text", text: "x".repeat(2 * 1024 * 1024) }],
  }));
  mcp.registerTool("long", { inputSchema: z.object({}) }, () => ({
    content: [{ type: "text", text: "y".repeat(100_000) }],
  }));
  mcp.registerTool("stall", { inputSchema: z.object({}) }, async (_, { mcpReq }) => {
    await new Promise<void>((resolve) => {
      mcpReq.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    log.push("cancelled");
    return { content: [] };
  });
  mcp.registerTool("ask", { inputSchema: z.object({}) }, () =>
    inputRequired({
      inputRequests: {
        who: inputRequired.elicit({
          message: "Who are you?",
          requestedSchema: { type: "object", properties: { name: { type: "string" } } },
        }),
      },
    }),
  );
  return mcp;
}

const modern = createMcpHandler(toolServer, { legacy: "reject" });

/** Of 2025, which begins a session for each client. */
async function withSession(request: Request): Promise<Response> {
  const id = request.headers.get("mcp-session-id");
  const known = id === null ? undefined : sessions.get(id);
  if (known !== undefined) return known.handleRequest(request);
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (session) => {
      sessions.set(session, transport);
    },
    onsessionclosed: (session) => {
      sessions.delete(session);
      log.push("session closed");
    },
  });
  await toolServer().connect(transport);
  return transport.handleRequest(request);
}

type Tool = Readonly<Record<string, unknown>>;
const tool = (name: string, change: Tool = {}): Tool => ({
  name,
  inputSchema: { type: "object" },
  ...change,
});

/** What is listed by servers that write their answers by hand. */
const LISTS: Readonly<Record<string, () => readonly Tool[]>> = {
  "/changing": () => [tool(lists++ === 0 ? "before" : "after")],
  "/long-name": () => [tool("n".repeat(201))],
  "/odd-names": () => [tool("a.b"), tool("a/b"), tool("n".repeat(150))],
  "/duplicate": () => [tool("same"), tool("same")],
  "/no-schema": () => [
    tool("bad", { inputSchema: { type: "object", properties: { a: { type: "strnig" } } } }),
  ],
  "/dangling": () => [
    tool("bad", { inputSchema: { type: "object", properties: { a: { $ref: "#/$defs/no" } } } }),
  ],
  "/huge-schema": () => [
    tool("bad", { inputSchema: { type: "object", description: "d".repeat(70_000) } }),
  ],
  "/many": () => Array.from({ length: 129 }, (_, index) => tool(`t${index}`)),
  "/leaking": () => [tool("leak", { description: `Made for ${CREDENTIAL}.` })],
  "/leaking-name": () => [tool(CREDENTIAL)],
};

/** Of one that asks although the client has not said that it answers. */
const ASKING: Readonly<Record<string, Record<string, unknown>>> = {
  "server/discover": {
    resultType: "complete",
    supportedVersions: ["2026-07-28"],
    capabilities: { tools: {} },
    serverInfo: { name: "by hand", version: "1" },
    ttlMs: 0,
    cacheScope: "private",
  },
  "tools/list": {
    resultType: "complete",
    tools: [tool("ask")],
    ttlMs: 0,
    cacheScope: "private",
  },
  "tools/call": {
    resultType: "input_required",
    inputRequests: {
      who: {
        method: "elicitation/create",
        params: { message: "Who?", requestedSchema: { type: "object", properties: {} } },
      },
    },
  },
};

const messageSchema = z.looseObject({ id: z.unknown().optional(), method: z.string() });

function byHand(path: string, body: string): Response {
  const { id, method } = messageSchema.parse(JSON.parse(body));
  if (id === undefined) return new Response(null, { status: 202 });
  const reply = (answer: Record<string, unknown>) =>
    Response.json({ jsonrpc: "2.0", id, ...answer });
  if (method === "initialize") {
    return reply({
      result: {
        protocolVersion: "2025-06-18",
        capabilities: { tools: {} },
        serverInfo: { name: "by hand", version: "1" },
      },
    });
  }
  if (path === "/asking") return reply({ result: ASKING[method] ?? {} });
  if (method === "tools/list") return reply({ result: { tools: LISTS[path]?.() ?? [] } });
  if (method === "tools/call")
    return reply({ result: { content: [{ type: "text", text: path }] } });
  return reply({ error: { code: -32601, message: `No method ${method} here.` } });
}

async function answer(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/log") return Response.json(log);
  const body = request.method === "POST" ? await request.clone().text() : "";
  const method = /"method":"([^"]+)"/.exec(body)?.[1] ?? "";
  log.push(`${request.method} ${pathname} ${method}`.trim());
  if (pathname in LISTS || pathname === "/asking") {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    return byHand(pathname, body);
  }
  switch (pathname) {
    case "/modern":
      return modern.fetch(request);
    case "/sessions":
      return withSession(request);
    case "/private": {
      if (request.headers.get("authorization") === CREDENTIAL) return modern.fetch(request);
      return Response.json(
        { error: `not ${request.headers.get("authorization")}` },
        { status: 401 },
      );
    }
    case "/page":
      return new Response("<p>Hello</p>", { headers: { "content-type": "text/html" } });
    case "/nonsense":
      return Response.json({ hello: "world" });
    case "/broken":
      return new Response("out of order", { status: 502 });
    case "/silent":
      return new Promise(() => undefined);
    case "/endless":
      return new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(1 << 20).fill(32)),
        }),
        { headers: { "content-type": "application/json" } },
      );
    case "/redirect":
      return new Response(null, {
        status: 307,
        headers: { location: searchParams.get("to") ?? "/modern" },
      });
    default:
      return new Response(null, { status: 404 });
  }
}
