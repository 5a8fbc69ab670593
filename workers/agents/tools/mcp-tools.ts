/** The tools of outside MCP servers, called as they were listed when the session was initialized. */
import type { Scope } from "../../security/principal.ts";
import { serverPattern } from "../mcp/names.ts";
import type { McpTool, PinnedServer } from "../mcp/pinned.ts";
import { usesSecrets } from "../mcp/spec.ts";
import type { PinnedMcpTool, ToolDefinition, ToolResult } from "../tool-port.ts";
import { bounded } from "./results.ts";
import type { SessionSetup } from "./setup.ts";
import type { ToolSession } from "./tool.ts";

/** As of a skill that reaches network hosts, and uses secrets there. */
export function scopesOf(server: Pick<PinnedServer, "headers">): readonly Scope[] {
  return usesSecrets(server) ? ["skills:network", "skills:secrets"] : ["skills:network"];
}

export function mcpDefinition(tool: McpTool): ToolDefinition {
  const { name, description, inputs, recovery, is_parallel } = tool;
  return {
    ...{ name, description, recovery, is_parallel },
    input_schema: inputs,
    is_input_checked_elsewhere: true,
    kind: "tool",
  };
}

export function pinnedTools(servers: readonly PinnedServer[]): PinnedMcpTool[] {
  return servers.flatMap(({ name: server, tools }) =>
    tools.map(({ name, tool, digest }) => ({ name, server, tool, digest })),
  );
}

/** The session's tool of that name, with the server that has it; null when there is none. */
export function mcpToolNamed({ mcp_servers }: SessionSetup, name: string) {
  if (serverPattern(name) === null) return null;
  for (const server of mcp_servers) {
    const tool = server.tools.find((each) => each.name === name);
    if (tool !== undefined) return { server, tool };
  }
  return null;
}

export async function runMcpTool(
  { deps, project_id, call, signal, caller }: ToolSession,
  server: PinnedServer,
  tool: McpTool,
): Promise<ToolResult> {
  const asked = { input: call.input, trace: caller.trace ?? null };
  const { output, is_error } = await deps.mcp.call(project_id, server, tool, asked, signal);
  return { output: bounded(output), is_error };
}
