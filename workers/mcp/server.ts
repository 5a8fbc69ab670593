/** The protocol itself: a server for each request, for clients of 2026-07-28 and of 2025 alike. */
import type { McpRequestContext } from "@modelcontextprotocol/server";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { SkillsExtension } from "@modelcontextprotocol/server/ext/skills";
import { logWarning } from "../http/log.ts";
import type { Caller } from "./caller.ts";
import { progressOf } from "./progress.ts";
import { servePrompts } from "./prompts.ts";
import { SKILL_READ_SCOPE, SkillResources } from "./skill-resources.ts";
import { createTask, followsTasks, serveTasks, TASKS_EXTENSION } from "./tasks.ts";
import { callTool, listTools } from "./tools.ts";

/** Lists change when skills do, and are the caller's own. */
const LISTS = { ttlMs: 10_000, cacheScope: "private" } as const;

const INSTRUCTIONS =
  "PIPELZR runs tasks, pipelines and skills, and searches code. Tools whose names begin with pipelzr_ are the service's own; every other tool is a skill of the project. What takes long goes on by itself: each answer says how to follow it.";

/** Answers one HTTP request whose caller is known. */
export function serveMcp(request: Request, caller: Caller): Promise<Response> {
  const handler = createMcpHandler((context) => createServer(caller, context), {
    maxRequestBodySize: caller.config.MAX_BODY_BYTES,
    onerror(error) {
      if (caller.config.DEBUG) logWarning("mcp_refused", error, { request_id: caller.request_id });
    },
  });
  return handler.fetch(request);
}

function createServer(caller: Caller, { era }: McpRequestContext): McpServer {
  const { config, principal } = caller;
  const mcp = new McpServer(
    { name: "pipelzr", title: config.APP_NAME, version: config.APP_VERSION },
    {
      instructions: INSTRUCTIONS,
      cacheHints: {
        ...{ "server/discover": LISTS, "tools/list": LISTS, "prompts/list": LISTS },
        ...{ "resources/list": LISTS, "resources/templates/list": LISTS },
      },
    },
  );
  serveTools(mcp, caller);
  if (principal.scopes.has(SKILL_READ_SCOPE)) {
    servePrompts(mcp, caller);
    const source = new SkillResources(caller);
    // The package would promise to tell of changes, which a server of one request cannot.
    mcp.server.registerCapabilities({ resources: { listChanged: false } });
    new SkillsExtension({ source, cacheHint: LISTS }).attach(mcp);
  }
  if (era === "modern") {
    mcp.server.registerCapabilities({ extensions: { [TASKS_EXTENSION]: {} } });
    serveTasks(mcp.server, caller);
  }
  return mcp;
}

function serveTools({ server }: McpServer, caller: Caller): void {
  server.registerCapabilities({ tools: {} });
  server.setRequestHandler("tools/list", ({ params }) => listTools(caller, params?.cursor));
  server.setRequestHandler("tools/call", async ({ params }, context) => {
    const hand_over_ms = followsTasks(context) ? caller.config.MCP_TASK_AFTER_SECONDS * 1000 : null;
    const terms = { hand_over_ms, tell: progressOf(context) };
    const outcome = await callTool(caller, params.name, params.arguments, terms);
    return outcome.kind === "result" ? outcome.result : createTask(caller, outcome.run);
  });
}
