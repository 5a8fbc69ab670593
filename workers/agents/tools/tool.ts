/**
 * A tool is one file that defines it, named in `index.ts`:
 *
 *     export const readFile = defineTool({
 *       name: "read_file", description: "…", scopes: ["codebases:read"], ...READS,
 *       input: z.strictObject({ path: z.string() }),
 *       run: async (session, { path }) => success(…),
 *     });
 */
import { z } from "zod";
import type { Services } from "../../http/context.ts";
import { ApiError } from "../../http/errors.ts";
import { toIssues } from "../../http/issues.ts";
import type { Json } from "../../http/json.ts";
import { inOurWords } from "../../http/wording.ts";
import type { CodebasePorts } from "../../runs/codebases.ts";
import type { Principal, Scope } from "../../security/principal.ts";
import type { McpServers } from "../mcp/servers.ts";
import type { ToolCall, ToolContext, ToolDefinition, ToolResult } from "../tool-port.ts";
import type { SessionRef, WorkspaceStore } from "../workspace/store.ts";
import type { SessionSetup } from "./setup.ts";

export interface ToolDeps {
  readonly services: Pick<
    Services,
    | "tasks"
    | "pipelines"
    | "pipelineRuns"
    | "skills"
    | "invocations"
    | "codebases"
    | "reading"
    | "crossSearch"
    | "agents"
  >;
  readonly codebases: Pick<CodebasePorts, "pin">;
  readonly workspaces: WorkspaceStore;
  readonly mcp: Pick<McpServers, "pin" | "call">;
}

/** A call as a tool has it. */
export interface ToolSession extends ToolContext {
  /** Who sent the message, in the session's project, with the scopes that the session was left. */
  readonly principal: Principal;
  readonly setup: SessionSetup;
  /** Names of the tools that the sender of the message may use in a session below this one. */
  readonly usable: readonly string[];
  /** Whose files it works on: those of the topmost session above it, which all below share. */
  readonly workspace: SessionRef;
  readonly call: ToolCall;
  readonly signal: AbortSignal;
  readonly deps: ToolDeps;
}

export interface Tool {
  readonly definition: ToolDefinition;
  /** All are needed for it to be offered. */
  readonly scopes: readonly Scope[];
  /** How many sessions may be above one that has it; null for any number. */
  readonly max_depth: number | null;
  /** Throws `ApiError`, which becomes a result. */
  run(session: ToolSession): Promise<ToolResult>;
}

interface ToolSpec<Input extends z.ZodObject>
  extends Omit<ToolDefinition, "input_schema" | "kind"> {
  readonly kind?: ToolDefinition["kind"];
  readonly scopes: readonly Scope[];
  readonly max_depth?: number;
  readonly input: Input;
  run(session: ToolSession, input: z.output<Input>): Promise<ToolResult>;
}

/** Of what only reads: it may run again, and beside others. */
export const READS = { recovery: "rerun", is_parallel: true } as const;
/** Of what goes on elsewhere under the call's own name. */
export const ATTACHES = { recovery: "attach", is_parallel: true } as const;

export function defineTool<Input extends z.ZodObject>(spec: ToolSpec<Input>): Tool {
  const { name, description, recovery, is_parallel, kind = "tool", scopes, input } = spec;
  const input_schema = jsonSchemaOf(input);
  return {
    definition: { name, description, input_schema, recovery, is_parallel, kind },
    scopes,
    max_depth: spec.max_depth ?? null,
    async run(session) {
      const parsed = input.safeParse(session.call.input, { error: inOurWords });
      if (parsed.success) return spec.run(session, parsed.data);
      const detail = `The input is not what the tool "${name}" takes; correct what is listed.`;
      throw new ApiError("validation_failed", detail, { issues: toIssues(parsed.error) });
    },
  };
}

/** Values that are any JSON have no schema of their own; bounds that say nothing to a model are left out. */
function jsonSchemaOf(schema: z.ZodObject): Json {
  const { $schema, ...members } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    override({ jsonSchema }) {
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return z.json().parse(members);
}
