/** A session as callers see it. */
import { activeMs } from "../machine/state.ts";
import { wireState } from "../machine/wire.ts";
import type { SessionSnapshot } from "../session-port.ts";
import type { SessionEngine } from "./engine.ts";
import { NANOS } from "./ledger-table.ts";

export function snapshotOf({ head, state, progress, setup, seq }: SessionEngine): SessionSnapshot {
  const { spent } = state.budget;
  const { state: shown, waiting_for, pausing, stop_reason, error } = wireState(state);
  return {
    id: head.id,
    project_id: head.project_id,
    spec: head.spec,
    created_by: head.caller.by,
    parent: head.parent,
    run_step: head.run_step ?? null,
    state: shown,
    waiting_for,
    pausing,
    model: setup?.model ?? null,
    skills: setup?.skills ?? [],
    mcp_tools: setup?.mcp_tools ?? [],
    stop_reason,
    error,
    error_count: progress.error_count,
    turns: state.turns,
    iteration_count: spent.steps,
    queued_messages: state.queue.filter(({ kind }) => kind === "message").length,
    usage: {
      input_tokens: progress.input_tokens,
      output_tokens: progress.output_tokens,
      cached_input_tokens: progress.cached_input_tokens,
      usd: spent.usd_nanos / NANOS,
      is_partly_unknown: progress.is_partly_unknown,
      active_seconds: activeMs(state, Date.now()) / 1000,
      sandbox_seconds: spent.sandbox_ms / 1000,
      pooled: progress.pooled,
    },
    blocked_by: state.turn?.blocked_by ?? [],
    created_at: head.created_at,
    updated_at: progress.updated_at,
    started_at: progress.started_at,
    last_active_at: progress.last_active_at,
    terminated_at: progress.terminated_at,
    seq,
  };
}
