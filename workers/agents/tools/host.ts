/** Carries out what the models of sessions ask for, each call by the tool of its name. */
import { ApiError, type Issue } from "../../http/errors.ts";
import type { Json } from "../../http/json.ts";
import { logError } from "../../http/log.ts";
import { asApiError } from "../../http/problem.ts";
import { refOf } from "../../runs/codebases.ts";
import { principalOf, type Scope } from "../../security/principal.ts";
import { codebaseSpecSchema } from "../../tasks/fields.ts";
import type { McpServer } from "../mcp/spec.ts";
import { RESULT_TAKEN, resultTool, SUBMIT_RESULT } from "../result-tool.ts";
import type {
  Prepared,
  ToolCall,
  ToolContext,
  ToolDefinition,
  ToolHost,
  ToolResult,
  ToolSetup,
  WantedTools,
} from "../tool-port.ts";
import { pinCodebase } from "./code.ts";
import { TOOLS } from "./index.ts";
import { mcpDefinition, mcpToolNamed, pinnedTools, runMcpTool, scopesOf } from "./mcp-tools.ts";
import { failure, refusalText } from "./results.ts";
import { ownSkill, runSkill, skillDefinition, toSkillTool } from "./session-skills.ts";
import { readSetup, type SessionCodebase, type SessionSetup, type SkillTool } from "./setup.ts";
import type { Tool, ToolDeps, ToolSession } from "./tool.ts";

type Caller = ToolContext["caller"];

export class SessionTools implements ToolHost {
  readonly #deps: ToolDeps;

  constructor(deps: ToolDeps) {
    this.#deps = deps;
  }

  /**
   * Throws `forbidden`, `not_found`, `validation_failed` with every problem of the names, and
   * `unavailable` for an MCP server that does not answer.
   */
  async prepare(context: ToolContext, wanted: WantedTools): Promise<Prepared> {
    const { caller, above } = context;
    const tools = offered(caller, above.length, wanted.tools);
    const skills = await this.#skills(context, wanted.skills);
    const codebase = await this.#codebase(context, wanted.codebase);
    const mcp_servers = await this.#mcpServers(context, wanted.mcp_servers);
    const { outputs } = wanted;
    const setup: SessionSetup = { format: 1, skills, tools, codebase, mcp_servers, outputs };
    return {
      setup,
      skills: skills.map(({ slug, version, digest }) => ({ slug, version, digest })),
      mcp_tools: pinnedTools(mcp_servers),
    };
  }

  definitions(kept: ToolSetup): readonly ToolDefinition[] {
    const { tools, skills, mcp_servers, outputs } = readSetup(kept);
    return [
      ...(outputs === null ? [] : [resultTool(outputs)]),
      ...skills.map(skillDefinition),
      ...mcp_servers.flatMap((server) => server.tools.map(mcpDefinition)),
      ...TOOLS.map(({ definition }) => definition).filter(({ name }) => tools.includes(name)),
    ];
  }

  async run(
    context: ToolContext,
    kept: ToolSetup,
    call: ToolCall,
    signal: AbortSignal,
  ): Promise<ToolResult> {
    const setup = readSetup(kept);
    const { session_id, project_id, caller, above } = context;
    const session = {
      ...{ ...context, setup, call, signal, deps: this.#deps },
      principal: principalOf(caller, project_id),
      usable: offered(caller, above.length + 1, null),
      workspace: { id: above.at(-1) ?? session_id, project_id },
    };
    try {
      return await runNamed(session);
    } catch (error) {
      const known = asApiError(error);
      if (known !== null) return failure(refusalText(known));
      logError("tool_failed", error, { session_id: context.session_id, tool: call.name });
      return failure("The service failed while it ran the tool. Try again, or go on without.");
    }
  }

  async #skills(
    { caller, project_id }: ToolContext,
    references: readonly string[],
  ): Promise<SkillTool[]> {
    if (references.length > 0) requireScopes(caller, ["skills:execute"], "its skills");
    const issues: Issue[] = [];
    const skills = new Map<string, SkillTool>();
    for (const [index, reference] of references.entries()) {
      const path = `skills[${index}]`;
      try {
        const skill = await this.#deps.services.skills.resolve(project_id, reference);
        if (skills.has(skill.slug)) {
          issues.push({ path, message: `The skill "${skill.slug}" is named twice.` });
        }
        skills.set(skill.slug, toSkillTool(skill));
      } catch (error) {
        if (!(error instanceof ApiError) || error.status >= 500) throw error;
        issues.push({ path, message: error.detail });
      }
    }
    if (issues.length === 0) return [...skills.values()];
    throw new ApiError("validation_failed", "The agent's skills are not to be had as named.", {
      issues,
    });
  }

  async #mcpServers(
    { caller, project_id }: ToolContext,
    servers: readonly McpServer[],
  ): Promise<SessionSetup["mcp_servers"]> {
    for (const server of servers) requireServer(caller, server);
    return this.#deps.mcp.pin(project_id, servers);
  }

  async #codebase(
    { caller, project_id }: ToolContext,
    wanted: Json,
  ): Promise<SessionCodebase | null> {
    if (wanted === null) return null;
    requireScopes(caller, ["codebases:read"], "its codebase");
    return pinCodebase(this.#deps, project_id, refOf(codebaseSpecSchema.parse(wanted)));
  }
}

async function runNamed(session: ToolSession): Promise<ToolResult> {
  const { setup, call, caller } = session;
  if (call.name === SUBMIT_RESULT && setup.outputs !== null) return RESULT_TAKEN;
  const skill = ownSkill(setup, call.name);
  if (skill !== null) {
    requireScopes(caller, ["skills:execute"], `the skill "${call.name}"`);
    return runSkill(session, skill);
  }
  const outside = mcpToolNamed(setup, call.name);
  if (outside !== null) {
    const { server, tool } = outside;
    requireServer(caller, server);
    return runMcpTool(session, server, tool);
  }
  const tool = TOOLS.find(({ definition }) => definition.name === call.name);
  if (tool === undefined || !setup.tools.includes(call.name)) {
    return failure(`There is no tool "${call.name}". Use one of those that you have.`);
  }
  // Whoever sends a message may have less than who created the session.
  requireScopes(caller, tool.scopes, `the tool "${call.name}"`);
  return tool.run(session);
}

/**
 * Names of the tools that the caller may use in a session with so many above it, of those that are
 * wanted: all of them, for null.
 */
function offered(caller: Caller, depth: number, wanted: readonly string[] | null): string[] {
  const named = (name: string) => TOOLS.find(({ definition }) => definition.name === name);
  const issues = (wanted ?? []).flatMap((name, index) => {
    const message = problemOf(caller, depth, named(name));
    return message === null ? [] : [{ path: `tools[${index}]`, message }];
  });
  if (issues.length > 0) {
    throw new ApiError("validation_failed", "The agent's tools are not to be had as named.", {
      issues,
    });
  }
  return TOOLS.filter((tool) => {
    const { name } = tool.definition;
    return (wanted?.includes(name) ?? true) && problemOf(caller, depth, tool) === null;
  }).map(({ definition }) => definition.name);
}

function problemOf(caller: Caller, depth: number, tool: Tool | undefined): string | null {
  if (tool === undefined) {
    const names = TOOLS.map(({ definition }) => definition.name).join(", ");
    return `There is no such tool. There are: ${names}.`;
  }
  if (tool.max_depth !== null && depth > tool.max_depth) {
    return `It is for agents with at most ${tool.max_depth} agents above them, and this one has ${depth}. Leave it out.`;
  }
  const [missing] = missingScopes(caller, tool.scopes);
  return missing === undefined
    ? null
    : `It needs the scope "${missing}", which the caller does not have. Use a key or user that has it.`;
}

function missingScopes({ grants }: Caller, scopes: readonly Scope[]): readonly Scope[] {
  return scopes.filter((scope) => !grants.includes(scope));
}

/** Throws `forbidden`. */
function requireServer(caller: Caller, server: Pick<McpServer, "name" | "headers">): void {
  requireScopes(caller, scopesOf(server), `the MCP server "${server.name}"`);
}

/** Throws `forbidden`; `what` says what needs them. */
function requireScopes(caller: Caller, scopes: readonly Scope[], what: string): void {
  const [missing] = missingScopes(caller, scopes);
  if (missing === undefined) return;
  throw new ApiError(
    "forbidden",
    `An agent needs the scope "${missing}" for ${what}, which ${caller.by} does not have. Use a key or user that has it.`,
    { members: { required_scope: missing } },
  );
}
