/** The steps of a turn: each is quoted, begun, and ends well, fails or is stopped. */
import { fraction, retryDelayMs } from "../../runs/retry.ts";
import type { FinishReason } from "../models/port.ts";
import { block, exceededBy, settleStep, usedUp } from "./budget.ts";
import { recordCalls } from "./calls.ts";
import type { Change } from "./change.ts";
import type { Report } from "./events.ts";
import { hasSlot } from "./state.ts";
import { dropQuote } from "./stop.ts";
import { endTurn } from "./turns.ts";
import type { StepKind, StopReason, TurnState } from "./types.ts";

const RETRY = { backoff: "exponential", initial_ms: 1_000, max_ms: 60_000, jitter: true } as const;

/** Asks what the step may use at most. */
export function quoteStep(change: Change, turn: TurnState): void {
  const epoch = change.mintEpoch();
  const kind: StepKind = turn.input.kind === "compaction" ? "compaction" : "reply";
  turn.work = { status: "quoting", epoch };
  const may_compact = kind === "reply" && turn.compacted_step !== turn.step;
  const { number, step } = turn;
  change.effects.push({ type: "quote_step", turn: number, step, epoch, kind, may_compact });
}

/** Begins the step if what it may use can be set aside; false when nobody waits for the quote. */
export function stepQuoted(
  change: Change,
  { epoch, kind, quote, is_pool_exhausted }: Extract<Report, { type: "step_quoted" }>,
): boolean {
  const { state } = change;
  const { turn } = state;
  if (turn?.work.status !== "quoting" || turn.work.epoch !== epoch) return false;
  const limits = [...usedUp(state, "step", change.now), ...exceededBy(state, quote)];
  if (!hasSlot(state)) dropQuote(change, turn, epoch);
  else if (limits.length > 0 || is_pool_exhausted) {
    dropQuote(change, turn, epoch);
    block(change, is_pool_exhausted ? [...limits, "pool"] : limits);
  } else if (kind === "compaction" && turn.compacted_step === turn.step) {
    dropQuote(change, turn, epoch);
    endTurn(change, "error", {
      code: "context_too_long",
      message:
        "The conversation is too long for the model although it was compacted. Use a model that reads more, or begin a new session.",
    });
  } else {
    const { usd_nanos, tokens } = quote;
    state.budget.holds.push({ epoch, usd_nanos: usd_nanos ?? 0, tokens: tokens ?? 0 });
    beginStep(change, turn, epoch, kind);
  }
  return true;
}

function beginStep(change: Change, turn: TurnState, epoch: number, kind: StepKind): void {
  turn.work = { status: "running", epoch, kind };
  turn.attempt += 1;
  if (turn.attempt === 1) change.state.budget.spent.steps += 1;
  const step = { turn: turn.number, step: turn.step, attempt: turn.attempt, epoch, kind };
  change.emit({ type: "step.started", ...step });
  change.effects.push({ type: "run_step", ...step });
}

/** The turn whose step runs under the epoch, and the kind of the step. */
function running({ state: { turn } }: Change, epoch: number): [TurnState, StepKind] | null {
  if (turn?.work.status !== "running" || turn.work.epoch !== epoch) return null;
  return [turn, turn.work.kind];
}

/** False when the step was stopped before; what it has used counts all the same. */
export function stepFinished(
  change: Change,
  { epoch, finish_reason, calls, usage }: Extract<Report, { type: "step_finished" }>,
): boolean {
  const current = running(change, epoch);
  settleStep(change, epoch, usage);
  if (current === null) return false;
  const [turn, kind] = current;
  const { number, step } = turn;
  change.state.failures = 0;
  turn.attempt = 0;
  turn.work = { status: "due" };
  change.emit({
    type: "step.finished",
    turn: number,
    step,
    epoch,
    kind,
    finish_reason,
    calls: calls.length,
  });
  if (kind === "compaction") {
    turn.compacted_step = step;
    if (turn.input.kind === "compaction") endTurn(change, "end_turn");
  } else if (calls.length > 0) recordCalls(change, turn, calls);
  else endTurn(change, STOP_REASONS[finish_reason]);
  return true;
}

const STOP_REASONS: Readonly<Record<FinishReason, StopReason>> = {
  stop: "end_turn",
  tool_calls: "end_turn",
  other: "end_turn",
  length: "max_tokens",
  refusal: "refusal",
  content_filter: "refusal",
};

/** Tries the step again, or gives the turn up; false when the step was stopped before. */
export function stepFailed(
  change: Change,
  event: Extract<Report, { type: "step_failed" }>,
): boolean {
  const { epoch, error, usage, is_retryable, retry_after_ms } = event;
  const current = running(change, epoch);
  settleStep(change, epoch, usage);
  if (current === null) return false;
  const [turn, kind] = current;
  const { state } = change;
  state.failures += 1;
  turn.work = { status: "due" };
  const isLast = !is_retryable || state.failures >= state.settings.max_failures;
  const spread = fraction(state.seed, turn.number, state.epoch);
  const delay = Math.max(retry_after_ms ?? 0, retryDelayMs(RETRY, state.failures, spread));
  const retry_at = isLast ? null : change.now + delay;
  const { number, step } = turn;
  change.emit({ type: "step.failed", turn: number, step, epoch, kind, error, retry_at });
  if (retry_at === null) endTurn(change, "error", error);
  else turn.work = { status: "backoff", retry_at };
  return true;
}

/** Takes what a stopped step has used; false while the step runs, which this does not end. */
export function stepAborted(
  change: Change,
  { epoch, usage }: Extract<Report, { type: "step_aborted" }>,
): boolean {
  if (running(change, epoch) !== null) return false;
  settleStep(change, epoch, usage);
  return true;
}
