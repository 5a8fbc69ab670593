/** Renders agents for the wire. */
import { timestamp, timestampOrNull } from "../http/schemas.ts";
import type { Block } from "./machine/types.ts";
import type { Agent, AgentSummary, BLOCKS } from "./schemas.ts";
import type {
  LedgerRow,
  PendingApproval,
  SentMessage,
  SessionMessage,
  SessionSnapshot,
} from "./session-port.ts";

/** The machine counts in whole units, callers in those that people think in. */
const BUDGETS: Readonly<Record<Block, (typeof BLOCKS)[number]>> = {
  usd_nanos: "usd",
  tokens: "tokens",
  steps: "steps",
  active_ms: "seconds",
  sandbox_ms: "sandbox_seconds",
  pool: "pool",
};

const NANOS = 1_000_000_000;

/** What lists show: the `document` of the agent's row. */
export function toSummary(snapshot: SessionSnapshot): AgentSummary {
  const { spec, usage, error } = snapshot;
  return {
    id: snapshot.id,
    project_id: snapshot.project_id,
    name: spec.name,
    description: spec.description,
    model: snapshot.model ?? spec.model,
    state: snapshot.state,
    waiting_for: snapshot.waiting_for,
    pausing: snapshot.pausing,
    stop_reason: snapshot.stop_reason,
    session_id: spec.session_id,
    parent_id: parentOf(snapshot),
    labels: spec.labels,
    turns: snapshot.turns,
    queued_messages: snapshot.queued_messages,
    iteration_count: snapshot.iteration_count,
    max_iterations: spec.max_iterations,
    input_tokens: usage.input_tokens,
    output_tokens: usage.output_tokens,
    total_cost_usd: usage.usd,
    error: error?.message ?? null,
    error_code: error?.code ?? null,
    error_count: snapshot.error_count,
    created_by: snapshot.created_by,
    created_at: timestamp(snapshot.created_at),
    updated_at: timestamp(snapshot.updated_at),
    started_at: timestampOrNull(snapshot.started_at),
    last_active_at: timestampOrNull(snapshot.last_active_at),
    terminated_at: timestampOrNull(snapshot.terminated_at),
  };
}

/** The agent whose tool made it, or the pipeline whose step it is. */
export function parentOf({ parent, run_step }: SessionSnapshot): string | null {
  return parent?.id ?? run_step?.resource_id ?? null;
}

export function toAgent(snapshot: SessionSnapshot): Agent {
  const { spec, usage } = snapshot;
  return {
    ...toSummary(snapshot),
    system_prompt: spec.system_prompt,
    temperature: spec.temperature,
    max_tokens: spec.max_tokens,
    skills: spec.skills,
    pinned_skills: snapshot.skills.map(({ slug, version, digest }) => ({ slug, version, digest })),
    tools: spec.tools,
    mcp_servers: spec.mcp_servers,
    pinned_mcp_tools: [...snapshot.mcp_tools],
    tool_policies: spec.tool_policies,
    max_parallel_tools: spec.max_parallel_tools,
    timeout_seconds: spec.timeout_seconds,
    approval_timeout_seconds: spec.approval_timeout_seconds,
    budget: spec.budget,
    blocked_by: toBlocked(snapshot),
    cached_input_tokens: usage.cached_input_tokens,
    cost_is_partial: usage.is_partly_unknown,
    codebase: spec.codebase,
    outputs: spec.outputs,
    evidence: spec.evidence ?? null,
    compact_at: spec.compact_at,
    context: spec.context,
    working_directory: spec.working_directory,
    extra_data: spec.extra_data,
    parent: snapshot.parent && {
      id: snapshot.parent.id,
      call: snapshot.parent.call,
      depth: snapshot.parent.depth,
    },
    pipeline: snapshot.run_step && {
      id: snapshot.run_step.resource_id,
      run: snapshot.run_step.run,
    },
    last_event: snapshot.seq,
  };
}

export function toMessage(message: SessionMessage) {
  const { at, attachments, ...rest } = message;
  return { ...rest, at: timestamp(at), attachments: [...attachments] };
}

export function toSent({ session, ...sent }: SentMessage) {
  return { ...sent, agent: toAgent(session) };
}

export function toApproval({ requested_at, expires_at, ...approval }: PendingApproval) {
  return {
    ...approval,
    requested_at: timestamp(requested_at),
    expires_at: timestampOrNull(expires_at),
  };
}

export function toLedgerRow({ at, usd, ...row }: LedgerRow) {
  return { ...row, at: timestamp(at), cost_usd: usd };
}

export function toTotals({ usage, iteration_count }: SessionSnapshot) {
  const { usd, is_partly_unknown, pooled, ...rest } = usage;
  const { usd_nanos, sandbox_ms, tokens: _, ...counts } = pooled;
  return {
    ...rest,
    iteration_count,
    total_cost_usd: usd,
    cost_is_partial: is_partly_unknown,
    of_sub_agents: {
      ...counts,
      total_cost_usd: usd_nanos / NANOS,
      sandbox_seconds: sandbox_ms / 1000,
    },
  };
}

export function toBlocked({ blocked_by }: SessionSnapshot) {
  return blocked_by.map((name) => BUDGETS[name]);
}
