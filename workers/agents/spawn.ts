/** What a call that makes a sub-agent asks for, and what is made of it. */
import { z } from "zod";
import { ApiError, type Issue } from "../http/errors.ts";
import { toIssues } from "../http/issues.ts";
import { inOurWords } from "../http/wording.ts";
import { fields, freeObject } from "../tasks/fields.ts";
import { MAX_MESSAGE_CHARS } from "./order.ts";
import type { Caller } from "./session-port.ts";
import { type AgentSpec, agentSpecSchema, budgetSchema } from "./spec.ts";

export const SPAWN_AGENT = "spawn_agent";

/** How many sessions may be above a sub-agent. */
export const MAX_DEPTH = 3;

const { shape: limits } = budgetSchema;
const { shape: spec } = agentSpecSchema;

export const spawnSchema = z.strictObject({
  prompt: z
    .string()
    .min(1)
    .max(MAX_MESSAGE_CHARS)
    .describe(
      "What it is to do, with all that it has to know: it sees nothing of this conversation.",
    ),
  name: fields.name.optional().describe("What it is called in lists."),
  system_prompt: spec.system_prompt.unwrap().unwrap().optional(),
  model: spec.model.unwrap().unwrap().optional().describe("Yours unless said."),
  skills: spec.skills.unwrap().optional().describe("Those of yours that it has; all unless said."),
  tools: spec.tools
    .unwrap()
    .unwrap()
    .optional()
    .describe("Names of those of yours that it has; all unless said."),
  mcp_servers: z
    .array(z.string().min(1).max(200))
    .max(100)
    .optional()
    .describe("Names of those of your MCP servers whose tools it has; all unless said."),
  budget: z
    .strictObject({
      usd: limits.usd.unwrap().unwrap().optional(),
      tokens: limits.tokens.unwrap().unwrap().optional(),
      steps: limits.steps.unwrap().unwrap().optional(),
      seconds: limits.seconds.unwrap().unwrap().optional(),
      sandbox_seconds: limits.sandbox_seconds.unwrap().unwrap().optional(),
    })
    .optional()
    .describe("Limits of its own, within what is left of yours."),
  max_iterations: spec.max_iterations.unwrap().unwrap().optional(),
  outputs: freeObject.optional().describe("A JSON Schema of the result that it is to hand in."),
});
export type SpawnOrder = z.output<typeof spawnSchema>;

/** The session that makes it, as far as the sub-agent takes after it. */
export interface Spawner {
  /** What it was created with, its model by the full name. */
  readonly spec: AgentSpec;
  /** Names of the tools that it has. */
  readonly tools: readonly string[];
  /** Names of the tools that the sender of its message may use, a level further down. */
  readonly usable: readonly string[];
  readonly skills: readonly { readonly slug: string; readonly version: string }[];
  /** The sender, and what they may do. */
  readonly caller: Pick<Caller, "grants">;
}

const MAX_NAME_CHARS = 80;

/** Throws `validation_failed` with every problem: what it has not itself, a session cannot hand on. */
export function childSpec(spawner: Spawner, order: SpawnOrder): AgentSpec {
  const { spec: own } = spawner;
  const { prompt, name, system_prompt, model, budget = {}, max_iterations, outputs } = order;
  const issues = narrowingIssues(spawner, order);
  const read = agentSpecSchema.safeParse(
    {
      ...own,
      name: name ?? firstLine(prompt),
      description: null,
      system_prompt: system_prompt ?? null,
      model: model ?? own.model,
      skills: skillsOf(spawner, order),
      tools: toolsOf(spawner, order),
      mcp_servers: own.mcp_servers.filter(({ name }) => order.mcp_servers?.includes(name) ?? true),
      budget,
      max_iterations: max_iterations ?? own.max_iterations,
      outputs: outputs ?? null,
      context: {},
      extra_data: {},
    },
    { error: inOurWords },
  );
  const all = [...issues, ...(read.success ? [] : toIssues(read.error))];
  if (read.success && all.length === 0) return read.data;
  throw new ApiError("validation_failed", "The sub-agent cannot be made as it is described.", {
    issues: all,
  });
}

function narrowingIssues({ spec: own, tools, skills }: Spawner, order: SpawnOrder): Issue[] {
  const issues: Issue[] = [];
  for (const [index, name] of (order.tools ?? []).entries()) {
    if (tools.includes(name)) continue;
    const message = `You have no tool "${name}" to hand on. You have: ${listed(tools)}.`;
    issues.push({ path: `tools[${index}]`, message });
  }
  const slugs = skills.map(({ slug }) => slug);
  for (const [index, reference] of (order.skills ?? []).entries()) {
    if (pinned(skills, reference) !== null) continue;
    const message = `You have no skill "${reference}" to hand on. You have: ${listed(slugs)}.`;
    issues.push({ path: `skills[${index}]`, message });
  }
  const servers = own.mcp_servers.map(({ name }) => name);
  for (const [index, name] of (order.mcp_servers ?? []).entries()) {
    if (servers.includes(name)) continue;
    const message = `You have no MCP server "${name}" to hand on. You have: ${listed(servers)}.`;
    issues.push({ path: `mcp_servers[${index}]`, message });
  }
  const { max_iterations: most } = own;
  if (most !== null && (order.max_iterations ?? 0) > most) {
    issues.push({ path: "max_iterations", message: `Your own are ${most}; give it no more.` });
  }
  return issues;
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}

/** At the versions that the session has. */
function skillsOf({ skills, caller }: Spawner, order: SpawnOrder): string[] {
  if (order.skills === undefined) {
    return caller.grants.includes("skills:execute")
      ? skills.map(({ slug, version }) => `${slug}@${version}`)
      : [];
  }
  return order.skills.map((reference) => pinned(skills, reference) ?? reference);
}

/** Null of a reference to what is not among them. */
function pinned(skills: Spawner["skills"], reference: string): string | null {
  const found = skills.find(
    ({ slug, version }) => reference === slug || reference === `${slug}@${version}`,
  );
  return found === undefined ? null : `${found.slug}@${found.version}`;
}

/** Null, as of the session, for all that there are. */
function toolsOf({ spec: own, usable }: Spawner, order: SpawnOrder): readonly string[] | null {
  if (order.tools !== undefined) return order.tools;
  return own.tools === null ? null : own.tools.filter((name) => usable.includes(name));
}

function firstLine(prompt: string): string {
  return prompt.trim().split("\n", 1)[0]?.slice(0, MAX_NAME_CHARS).trim() || "sub-agent";
}
