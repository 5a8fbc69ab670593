/** What a session is created with, complete: every default is applied, every name still as it was sent. */
import { z } from "@hono/zod-openapi";
import { outputsSchemaProblem } from "../executors/outputs-schema.ts";
import { codebaseSpecSchema, fields, freeObject } from "../tasks/fields.ts";
import { mcpServersSchema } from "./mcp/spec.ts";

/** What a tool call needs before it runs. */
export const TOOL_POLICIES = ["allow", "ask", "deny"] as const;

const toolName = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9_.-]+$/, "Use letters, digits, dots, dashes and underscores.");

const policyName = z
  .string()
  .max(128)
  .regex(
    /^(\*|[a-z0-9-]+__\*|[A-Za-z0-9_.-]+)$/,
    "Name a tool, `server__*` for those of an MCP server, or `*`.",
  );

export const budgetSchema = z
  .strictObject({
    usd: z.number().positive().max(1_000_000).nullable().default(null),
    tokens: z.int().positive().nullable().default(null),
    steps: z.int().positive().nullable().default(null),
    seconds: z.number().positive().nullable().default(null).openapi({
      description: "Of time in turns; waits and pauses do not count.",
    }),
    sandbox_seconds: z.number().positive().nullable().default(null),
  })
  .openapi("AgentBudget", {
    description: "Null is no limit. What is reached pauses, and loses nothing.",
  });
export type BudgetSpec = z.output<typeof budgetSchema>;

export const agentSpecSchema = z.strictObject({
  name: fields.name,
  description: fields.description.default(null),
  model: z.string().min(1).max(200).nullable().default(null).openapi({
    description: "The deployment's default unless said; GET /api/v1/models lists some.",
  }),
  system_prompt: z
    .string()
    .max(256 * 1024)
    .nullable()
    .default(null),
  temperature: z.number().min(0).max(2).nullable().default(null),
  max_tokens: z.int().min(1).max(200_000).default(4_096).openapi({
    description: "That one step may write.",
  }),
  skills: z
    .array(z.string().min(1).max(200))
    .max(100)
    .default([])
    .openapi({ description: "Slugs, or `slug@version`; pinned when the session is initialized." }),
  tools: z
    .array(toolName)
    .max(100)
    .nullable()
    .default(null)
    .openapi({ description: "Names of tools that it may call; all there are unless said." }),
  mcp_servers: mcpServersSchema.default([]).openapi({
    description: "Outside servers whose tools it gets, listed when it is initialized.",
  }),
  tool_policies: z.record(policyName, z.enum(TOOL_POLICIES)).default({}).openapi({
    description:
      "By name, `server__*` for the other tools of an MCP server, or `*` for those not named; `allow` unless said.",
  }),
  max_iterations: z.int().min(1).max(10_000).nullable().default(null).openapi({
    description: "Steps of one turn; AGENT_MAX_ITERATIONS unless said.",
  }),
  timeout_seconds: z.number().positive().max(86_400).nullable().default(null).openapi({
    description: "Working time of one turn; AGENT_TIMEOUT_SECONDS unless said.",
  }),
  max_parallel_tools: z.int().min(1).max(10).default(4),
  approval_timeout_seconds: z
    .number()
    .positive()
    .max(366 * 86_400)
    .nullable()
    .default(null),
  budget: budgetSchema.prefault({}),
  codebase: codebaseSpecSchema.nullable().default(null),
  outputs: freeObject
    .refine((schema) => outputsSchemaProblem(schema) === null, {
      error: ({ input }) => outputsSchemaProblem(z.json().parse(input)) ?? undefined,
    })
    .nullable()
    .default(null)
    .openapi({
      description:
        "A JSON Schema (2020-12) of a turn's result: the agent gets the tool `submit_result` to hand it in.",
    }),
  evidence: fields.evidence.default(null),
  compact_at: z.number().min(0.1).max(0.95).default(0.8).openapi({
    description: "Share of the model's context at which the conversation is summarised.",
  }),
  session_id: z.string().min(1).max(200).nullable().default(null).openapi({
    description: "What you say it belongs to.",
  }),
  working_directory: fields.working_directory.default(null),
  labels: fields.labels.default({}),
  context: freeObject.default({}).openapi({ description: "Told to the model with the prompt." }),
  extra_data: fields.extra_data.default({}),
});
export type AgentSpec = z.output<typeof agentSpecSchema>;

/** A JSON Schema (2020-12) of what a turn hands in. */
export type ResultSchema = NonNullable<AgentSpec["outputs"]>;
