/** The wire shapes of agents. Names and states are the original's; what it has not is added. */
import { z } from "@hono/zod-openapi";
import { labelFilter } from "../http/filters.ts";
import { listFilter, pageQuery } from "../http/page.ts";
import { jsonSchema, listOf, orNull, projectIdSchema, timestampSchema } from "../http/schemas.ts";
import { codebaseSpecSchema, fields, freeObject } from "../tasks/fields.ts";
import { STOP_REASONS } from "./machine/types.ts";
import { mcpServerSchema } from "./mcp/spec.ts";
import { AGENT_STATES, WAITS } from "./session-port.ts";
import { agentSpecSchema, budgetSchema, TOOL_POLICIES } from "./spec.ts";

export const BLOCKS = ["usd", "tokens", "steps", "seconds", "sandbox_seconds", "pool"] as const;
const blockedBy = z.array(z.enum(BLOCKS)).openapi({
  description: "Budgets that are used up; `pool` is that of an agent above it.",
});

export const createAgentSchema = agentSpecSchema
  .extend({
    project_id: projectIdSchema.optional(),
    initialize: z.boolean().default(false).openapi({
      description: "Initializes it in the same call; see `Prefer: wait`.",
    }),
  })
  .openapi("CreateAgent");

/** A PATCH switches the model of the steps to come. */
export const patchAgentSchema = z
  .strictObject({ model: z.string().min(1).max(200) })
  .openapi("PatchAgent");

const parentSchema = z
  .object({ id: z.string(), call: z.string(), depth: z.int() })
  .openapi("AgentParent");

const runSchema = z.object({ id: z.string(), run: z.int() }).openapi("AgentPipelineRun");

const summaryFields = {
  id: z.string(),
  project_id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  model: z.string().nullable().openapi({
    description: "By its full name; as it was asked for until the agent is initialized.",
  }),
  state: z.enum(AGENT_STATES),
  waiting_for: z.enum(WAITS).nullable().openapi({
    description: "Of an agent that is `waiting`; `agent` is a sub-agent, which tells what for.",
  }),
  pausing: z.boolean().openapi({
    description: "It is paused as soon as what is in flight has ended.",
  }),
  stop_reason: z.enum(STOP_REASONS).nullable().openapi({ description: "Of the newest turn." }),
  session_id: z.string().nullable(),
  parent_id: z.string().nullable().openapi({
    description: "The agent whose tool made it, or the pipeline that it is a step of.",
  }),
  labels: fields.labels,
  turns: z.int(),
  queued_messages: z.int(),
  iteration_count: z.int().openapi({ description: "Steps of the model, of all turns." }),
  max_iterations: z.int().nullable().openapi({ description: "Of one turn." }),
  input_tokens: z.int(),
  output_tokens: z.int(),
  total_cost_usd: z.number(),
  error: z.string().nullable(),
  error_code: z.string().nullable(),
  error_count: z.int(),
  created_by: z.string(),
  created_at: timestampSchema,
  updated_at: timestampSchema,
  started_at: timestampSchema.nullable(),
  last_active_at: timestampSchema.nullable(),
  terminated_at: timestampSchema.nullable(),
};

/** An agent as lists show it. */
export const agentSummarySchema = z.object(summaryFields).openapi("AgentSummary");
export type AgentSummary = z.output<typeof agentSummarySchema>;

export const agentSchema = z
  .object({
    ...summaryFields,
    system_prompt: z.string().nullable(),
    temperature: z.number().nullable(),
    max_tokens: z.int(),
    skills: z.array(z.string()).openapi({ description: "As they were named." }),
    pinned_skills: z
      .array(z.object({ slug: z.string(), version: z.string(), digest: z.string() }))
      .openapi({ description: "The versions that the agent has; none until it is initialized." }),
    tools: z.array(z.string()).nullable(),
    mcp_servers: z.array(mcpServerSchema),
    pinned_mcp_tools: z
      .array(
        z.object({ name: z.string(), server: z.string(), tool: z.string(), digest: z.string() }),
      )
      .openapi({
        description:
          "Tools of MCP servers as the agent calls them, as the servers do, and the digest of what they listed; none until it is initialized.",
      }),
    tool_policies: z.record(z.string(), z.enum(TOOL_POLICIES)),
    max_parallel_tools: z.int(),
    timeout_seconds: z.number().nullable(),
    approval_timeout_seconds: z.number().nullable(),
    budget: budgetSchema,
    blocked_by: blockedBy,
    cached_input_tokens: z.int(),
    cost_is_partial: z.boolean().openapi({
      description: "The price of a step was not known, so that the cost is too low.",
    }),
    codebase: codebaseSpecSchema.nullable(),
    outputs: freeObject.nullable(),
    evidence: fields.evidence,
    compact_at: z.number(),
    context: freeObject,
    working_directory: z.string().nullable(),
    extra_data: freeObject,
    parent: orNull(parentSchema),
    pipeline: orNull(runSchema).openapi({ description: "The run that it is a step of." }),
    last_event: z.int().openapi({
      description: "Seq of the newest event that this shows: follow `/events` from it.",
    }),
  })
  .openapi("Agent");
export type Agent = z.output<typeof agentSchema>;

export const agentListSchema = listOf(agentSummarySchema).openapi("AgentList");

export const listAgentsQuery = z.strictObject({
  ...pageQuery,
  project_id: projectIdSchema.optional(),
  session_id: z.string().max(200).optional(),
  parent_id: z.string().max(200).optional(),
  state: listFilter(AGENT_STATES).optional(),
  name: z.string().max(255).optional(),
  model: z.string().max(200).optional(),
  label: labelFilter.optional(),
});

export const pauseAgentSchema = z
  .strictObject({
    mode: z.enum(["boundary", "now"]).default("boundary").openapi({
      description:
        "`boundary` lets the step and the tools in flight end; `now` stops them, and keeps what was written.",
    }),
  })
  .openapi("PauseAgent");

export const cancelTurnSchema = z
  .strictObject({
    turn: z.int().min(1).nullable().default(null).openapi({
      description: "Refused when another is under way; whichever is, without.",
    }),
  })
  .openapi("CancelTurn");

const { shape: limits } = budgetSchema;
/** Without their defaults, since what is left out stays as it is. */
export const patchBudgetSchema = z
  .strictObject({
    usd: limits.usd.unwrap().optional(),
    tokens: limits.tokens.unwrap().optional(),
    steps: limits.steps.unwrap().optional(),
    seconds: limits.seconds.unwrap().optional(),
    sandbox_seconds: limits.sandbox_seconds.unwrap().optional(),
  })
  .openapi("PatchAgentBudget", { description: "Limits to set; null lifts one, the others stay." });

const tokenCount = z.int().min(0).max(1_000_000_000_000);
export const addTokensSchema = z
  .strictObject({
    input_tokens: tokenCount,
    output_tokens: tokenCount,
    cost_usd: z.number().min(0).max(1_000_000).default(0),
  })
  .openapi("AddAgentTokens");

export const approveSchema = z
  .strictObject({
    input: jsonSchema.optional().openapi({
      description: "Runs the tool with this in place of what was asked for.",
    }),
  })
  .openapi("ApproveToolCall");
export const denySchema = z
  .strictObject({
    reason: z.string().min(1).max(4_000).nullable().default(null).openapi({
      description: "The model reads it.",
    }),
  })
  .openapi("DenyToolCall");

export const approvalSchema = z
  .object({
    call: z.string(),
    tool: z.string(),
    input: z.unknown().openapi({ description: "Any JSON." }),
    digest: z.string().openapi({ description: "Of the input that an approval is for." }),
    turn: z.int(),
    step: z.int(),
    is_rerun: z.boolean().openapi({
      description: "It has run before, and what it did is not known.",
    }),
    requested_at: timestampSchema,
    expires_at: timestampSchema.nullable().openapi({ description: "Then it counts as denied." }),
  })
  .openapi("PendingApproval");
export const approvalListSchema = z
  .object({ items: z.array(approvalSchema) })
  .openapi("PendingApprovalList");

export const ledgerRowSchema = z
  .object({
    seq: z.int(),
    at: timestampSchema,
    turn: z.int(),
    step: z.int(),
    attempt: z.int(),
    model: z.string(),
    input_tokens: z.int().nullable(),
    output_tokens: z.int().nullable(),
    cached_input_tokens: z.int().nullable(),
    cost_usd: z.number().nullable().openapi({ description: "Null when the price is not known." }),
    is_assumed: z.boolean().openapi({
      description: "The model did not say what it used, and all that was held was charged.",
    }),
    agent_id: z.string().nullable().openapi({
      description:
        "The sub-agent that used it, in that turn and step of this agent; null for a step of its own.",
    }),
  })
  .openapi("AgentLedgerRow");

const ofSubAgents = z
  .object({
    input_tokens: z.int(),
    output_tokens: z.int(),
    cached_input_tokens: z.int(),
    total_cost_usd: z.number(),
    sandbox_seconds: z.number(),
  })
  .openapi({ description: "What of the totals all agents below have used." });

export const usageSchema = listOf(ledgerRowSchema)
  .extend({
    totals: z.object({
      input_tokens: z.int(),
      output_tokens: z.int(),
      cached_input_tokens: z.int(),
      total_cost_usd: z.number(),
      cost_is_partial: z.boolean(),
      iteration_count: z.int(),
      active_seconds: z.number(),
      sandbox_seconds: z.number(),
      of_sub_agents: ofSubAgents,
    }),
    budget: budgetSchema,
    blocked_by: blockedBy,
  })
  .openapi("AgentUsage");
