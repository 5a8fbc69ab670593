/** Tools as sessions know them: what a model may call, and who carries a call out. */
import type { Json } from "../http/json.ts";
import type { Recovery } from "./machine/call-types.ts";
import type { Caller } from "./session-port.ts";
import type { AgentSpec, ResultSchema } from "./spec.ts";

export interface ToolDefinition {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the input, an object. */
  readonly input_schema: Json;
  /** The tool itself holds inputs against the schema, which is somebody else's and only told to the model. */
  readonly is_input_checked_elsewhere?: true;
  /** What becomes of a call whose process dies. */
  readonly recovery: Recovery;
  /** Whether it may run beside others. */
  readonly is_parallel: boolean;
  /** `input` asks the user, whose answer is the result. */
  readonly kind: "tool" | "input";
}

/** The session that calls. */
export interface ToolContext {
  readonly session_id: string;
  readonly project_id: string;
  readonly caller: Caller;
  /** What it was created with, its model by the full name. */
  readonly spec: AgentSpec;
  /** The sessions above this one, the nearest first. */
  readonly above: readonly string[];
}

export interface ToolCall {
  /** The same for every run of the call: give it to what deduplicates. */
  readonly key: string;
  /** Number of the turn that it is of. */
  readonly turn: number;
  readonly name: string;
  readonly input: Json;
}

export interface ToolResult {
  /** What the model reads. */
  readonly output: Json;
  readonly is_error: boolean;
  /** What it cost beside the model's own. */
  readonly sandbox_ms?: number;
  readonly usd_nanos?: number;
}

/** What `initialize` fixes for the life of the session, plain JSON that it keeps. */
export type ToolSetup = Json;

/** What a session asks for, as its spec names it. */
export interface WantedTools {
  readonly skills: readonly string[];
  readonly tools: readonly string[] | null;
  readonly codebase: Json;
  readonly mcp_servers: AgentSpec["mcp_servers"];
  /** JSON Schema of the result that it is to hand in; null for none. */
  readonly outputs: ResultSchema | null;
}

export interface Prepared {
  readonly setup: ToolSetup;
  readonly skills: readonly PinnedTool[];
  readonly mcp_tools: readonly PinnedMcpTool[];
}

export interface ToolHost {
  /**
   * Resolves and pins what the session's tools need (skills, codebase, MCP servers). Throws
   * `ApiError` for what is not to be had, which becomes the session's error.
   */
  prepare(context: ToolContext, wanted: WantedTools): Promise<Prepared>;
  /** The tools that there are under a setup, in a fixed order. */
  definitions(setup: ToolSetup): readonly ToolDefinition[];
  /**
   * Never throws for what the tool itself comes to: that is a result with `is_error`. When the signal
   * is given, and also when it was given before, what an `attach` call has elsewhere is stopped.
   */
  run(
    context: ToolContext,
    setup: ToolSetup,
    call: ToolCall,
    signal: AbortSignal,
  ): Promise<ToolResult>;
}

export interface PinnedTool {
  readonly slug: string;
  readonly version: string;
  readonly digest: string;
}

/** A tool of an outside MCP server, as the server listed it. */
export interface PinnedMcpTool {
  readonly name: string;
  readonly server: string;
  /** As the server calls it. */
  readonly tool: string;
  readonly digest: string;
}
