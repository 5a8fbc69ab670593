/** Steps of the model: what each may use, its streaming into the log, and how it ends. */
import type { CallSpec } from "../machine/call-types.ts";
import type { Effect } from "../machine/effects.ts";
import type { SessionEvent } from "../machine/events.ts";
import type { SessionError, StepUsage } from "../machine/types.ts";
import { StepMessage } from "../models/complete.ts";
import {
  type AssistantMessage,
  conversationProblem,
  textOf,
  toolCallsOf,
} from "../models/messages.ts";
import {
  type FinishReason,
  ModelError,
  type ModelEvent,
  type ModelUsage,
  NO_USAGE,
} from "../models/port.ts";
import type { ToolDefinition } from "../tool-port.ts";
import { callSpecs, type JudgedCall } from "./call-specs.ts";
import { withUniqueCalls } from "./conversation.ts";
import { DeltaWriter } from "./delta-writer.ts";
import type { SessionEngine } from "./engine.ts";
import { DELTA } from "./event-log.ts";
import type { Membership } from "./membership.ts";
import type { SessionModels } from "./ports.ts";
import type { PlannedStep, Requests } from "./requests.ts";

type RunStep = Extract<Effect, { type: "run_step" }>;
type QuoteStep = Extract<Effect, { type: "quote_step" }>;

export interface RunningStep extends RunStep {
  readonly plan: PlannedStep;
  readonly message_id: string;
  readonly gathered: StepMessage;
  readonly controller: AbortController;
  readonly deltas: DeltaWriter;
  usage: ModelUsage | null;
  /** Whether the provider has sent anything. */
  is_answered: boolean;
  /** What is written whole, once the step has ended. */
  result: { readonly message: AssistantMessage; readonly calls: readonly JudgedCall[] } | null;
}

/** What fails in these ways before anything has come has cost nothing. */
const FREE_FAILURES: ReadonlySet<string> = new Set([
  "model_unknown",
  "model_not_configured",
  "model_not_found",
  "model_no_language",
  "model_auth",
  "model_quota_exhausted",
  "model_invalid_request",
  "context_too_long",
  "model_rate_limited",
  "model_overloaded",
  "model_unavailable",
]);

const NOTHING_KNOWN: StepUsage = { usd_nanos: null, tokens: null };
const NOTHING_USED: StepUsage = { usd_nanos: 0, tokens: 0 };

export class Steps {
  readonly #engine: SessionEngine;
  readonly #models: SessionModels;
  readonly #requests: Requests;
  readonly #membership: Pick<Membership, "ask">;
  readonly #definitions: () => readonly ToolDefinition[];
  readonly #settled: () => Promise<void>;
  readonly #running = new Map<number, RunningStep>();
  #planned: { readonly epoch: number; readonly plan: PlannedStep } | null = null;

  constructor(
    engine: SessionEngine,
    models: SessionModels,
    requests: Requests,
    membership: Pick<Membership, "ask">,
    definitions: () => readonly ToolDefinition[],
    settled: () => Promise<void>,
  ) {
    this.#engine = engine;
    this.#models = models;
    this.#requests = requests;
    this.#membership = membership;
    this.#definitions = definitions;
    this.#settled = settled;
  }

  get(epoch: number): RunningStep | null {
    return this.#running.get(epoch) ?? null;
  }

  /** The most that the step can use; null when a pool is asked for it first, which tells of it later. */
  quote({ epoch, kind, may_compact }: QuoteStep): SessionEvent | null {
    let plan: PlannedStep;
    try {
      plan = this.#requests.plan(kind, may_compact);
    } catch (error) {
      // Thrown on, it would reset the object, which would come here again.
      return { type: "faulted", error: sessionErrorOf(error) };
    }
    this.#planned = { epoch, plan };
    const quoted = { type: "step_quoted", epoch, kind: plan.kind, quote: plan.quote } as const;
    if (this.#membership.ask(quoted)) return null;
    return { ...quoted, is_pool_exhausted: false };
  }

  /** What was quoted in the running commit. */
  planned(epoch: number): PlannedStep {
    if (this.#planned?.epoch === epoch) return this.#planned.plan;
    throw new Error(`a step begins under the epoch ${epoch}, which was not quoted`);
  }

  /** The step that a quote was given for; it runs once the commit is written. */
  begin(effect: RunStep): void {
    const { epoch, turn, step } = effect;
    const plan = this.planned(epoch);
    this.#planned = null;
    const message_id = `step:${turn}.${step}.${epoch}`;
    const running: RunningStep = {
      ...effect,
      plan,
      message_id,
      gathered: new StepMessage(),
      controller: new AbortController(),
      deltas: new DeltaWriter(
        (deltas) =>
          this.#engine.commit((now) => {
            for (const delta of deltas) {
              const data = { message: message_id, step, ...delta };
              this.#engine.append({ type: DELTA, turn, epoch, data }, now);
            }
          }),
        this.#settled,
      ),
      usage: null,
      is_answered: false,
      result: null,
    };
    this.#running.set(epoch, running);
    this.#engine.afterCommit(() => void this.#run(running));
  }

  /** Nobody waits for the step any more; what it has used, as far as that is known. */
  stop(epoch: number): StepUsage {
    const running = this.#running.get(epoch);
    if (running === undefined) return NOTHING_KNOWN;
    running.deltas.close();
    this.#engine.afterCommit(() => {
      this.#running.delete(epoch);
      running.controller.abort();
    });
    return this.#requests.used(running.usage, running.plan.model);
  }

  async #run(running: RunningStep): Promise<void> {
    const { epoch, plan } = running;
    try {
      const finish = await this.#stream(running);
      if (!this.#running.has(epoch)) return;
      const message = withUniqueCalls(running.gathered.message);
      const calls =
        plan.kind === "reply"
          ? callSpecs(toolCallsOf(message), this.#definitions(), this.#engine.head.spec)
          : [];
      running.result = { message, calls };
      this.#finish(
        running,
        finish,
        calls.map(({ spec }) => spec),
      );
    } catch (error) {
      if (this.#running.has(epoch)) this.#fail(running, error);
    }
  }

  /** Throws `ModelError`. */
  async #stream(running: RunningStep): Promise<FinishReason> {
    const { plan, controller } = running;
    if (plan.request === null) {
      running.usage = NO_USAGE;
      return "stop";
    }
    const problem = conversationProblem(plan.request.messages);
    if (problem !== null) {
      throw new ModelError("model_invalid_request", `The conversation cannot be told. ${problem}`);
    }
    let finish: FinishReason | null = null;
    for await (const event of this.#models.step(plan.request, controller.signal)) {
      // One that was stopped is left, which ends the call of the provider.
      if (!this.#running.has(running.epoch)) return "other";
      running.is_answered = true;
      this.#take(running, event);
      if (event.type === "finish") finish = event.reason;
    }
    if (finish !== null) return finish;
    throw new ModelError("model_stream_cut", "The model's step ended without a reason.");
  }

  #take(running: RunningStep, event: ModelEvent): void {
    running.gathered.add(event);
    if (event.type === "usage") running.usage = event.usage;
    // A summary is read by the model alone.
    if (running.plan.kind === "compaction") return;
    if (event.type === "text_delta") running.deltas.add("text", event.text);
    if (event.type === "reasoning_delta") running.deltas.add("reasoning", event.text);
  }

  #finish(running: RunningStep, finish_reason: FinishReason, calls: readonly CallSpec[]): void {
    const { epoch, plan, usage } = running;
    running.deltas.close();
    this.#engine.commit((now) => {
      if (
        plan.kind === "reply" &&
        typeof usage?.input_tokens === "number" &&
        usage.input_tokens > 0
      ) {
        const { input_tokens } = usage;
        const calibration = { model: plan.model, input_tokens, bytes: plan.bytes };
        this.#engine.changeProgress({ calibration });
      }
      const used = this.#requests.used(usage, plan.model);
      this.#engine.drive({ type: "step_finished", epoch, finish_reason, calls, usage: used }, now);
    });
    this.#running.delete(epoch);
  }

  #fail(running: RunningStep, cause: unknown): void {
    const { epoch, plan, usage, is_answered, step } = running;
    running.deltas.close();
    const error = sessionErrorOf(cause);
    const isModels = cause instanceof ModelError;
    const isFree = usage === null && !is_answered && FREE_FAILURES.has(error.code);
    const isTooLong =
      error.code === "context_too_long" && this.#engine.state.turn?.compacted_step !== step;
    this.#engine.commit((now) => {
      if (isTooLong) {
        this.#engine.changeProgress({
          too_long: { model: plan.model, tokens: plan.input.likely },
        });
      }
      this.#engine.drive(
        {
          type: "step_failed",
          epoch,
          error,
          is_retryable: isTooLong || (isModels && cause.retryable),
          retry_after_ms: isModels ? cause.retry_after_ms : null,
          usage: isFree ? NOTHING_USED : this.#requests.used(usage, plan.model),
        },
        now,
      );
    });
    this.#running.delete(epoch);
  }

  /** The text that a step has written so far. */
  partialText(epoch: number): string {
    const running = this.#running.get(epoch);
    if (running === undefined) return this.#engine.store.log.writtenText(epoch);
    return running.plan.kind === "reply" ? textOf(running.gathered.message) : "";
  }
}

export function sessionErrorOf(cause: unknown): SessionError {
  if (cause instanceof ModelError) return { code: cause.code, message: cause.message };
  console.error(JSON.stringify({ event: "session_work_failed", message: String(cause) }));
  return {
    code: "internal",
    message: "The service failed at this. Try it again; its logs say more.",
  };
}
