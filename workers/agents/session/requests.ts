/** What a step is sent, and the most that it can use. */
import { type ConversationItem, modelMessages } from "../machine/conversation.ts";
import type { StepKind, StepUsage } from "../machine/types.ts";
import { contextTokens } from "../models/contexts.ts";
import type { ModelMessage } from "../models/messages.ts";
import { OPERATOR } from "../models/names.ts";
import type { ModelRequest, ModelUsage } from "../models/port.ts";
import type { ToolHost } from "../tool-port.ts";
import { compactionOf, itemsOf } from "./conversation.ts";
import type { Setup } from "./documents.ts";
import type { SessionEngine } from "./engine.ts";
import { type Estimate, estimateInput, largestUsages, requestBytes } from "./estimate.ts";
import { NANOS } from "./ledger-table.ts";
import type { SessionModels } from "./ports.ts";

/** Of the length at which a conversation is summarised, how much stays as it was said. */
const KEPT_SHARE = 0.25;

/** A step as it would be begun now. */
export interface PlannedStep {
  readonly kind: StepKind;
  readonly model: string;
  /** Null when there is nothing to summarise. */
  readonly request: ModelRequest | null;
  readonly bytes: number;
  readonly input: Estimate;
  /** Seq of the newest message that a summary stands for. */
  readonly through: number;
  readonly quote: StepUsage;
}

export class Requests {
  readonly #engine: SessionEngine;
  readonly #models: SessionModels;
  readonly #tools: ToolHost;

  constructor(engine: SessionEngine, models: SessionModels, tools: ToolHost) {
    this.#engine = engine;
    this.#models = models;
    this.#tools = tools;
  }

  /** `mayCompact` lets a reply that would be too long be a summary first. */
  plan(kind: StepKind, mayCompact: boolean): PlannedStep {
    const { setup, store } = this.#engine;
    if (setup === null) throw new Error("a step is planned before the session is prepared");
    const items = itemsOf(store.messages.told());
    if (kind === "compaction") return this.#compaction(setup, items, 0);
    const reply = this.#step(setup, "reply", modelMessages(items), 0);
    const threshold = this.#limit(setup.model) * this.#engine.head.spec.compact_at;
    const { likely } = reply.input;
    if (!mayCompact || likely < threshold) return reply;
    const keepChars = (reply.bytes * KEPT_SHARE * threshold) / likely;
    const compaction = this.#compaction(setup, items, keepChars);
    return compaction.request === null ? reply : compaction;
  }

  /** USD of a step in billionths, and its tokens; null for what is not known. */
  used(usage: ModelUsage | null, model: string): StepUsage {
    if (usage === null) return { usd_nanos: null, tokens: null };
    const usd = this.#models.costOf(usage, model);
    const { input_tokens: input, output_tokens: output } = usage;
    return {
      usd_nanos: usd === null ? null : Math.ceil(usd * NANOS),
      tokens: input === null || output === null ? null : input + output,
    };
  }

  #compaction(setup: Setup, items: readonly ConversationItem[], keepChars: number): PlannedStep {
    const compaction = compactionOf(items, keepChars);
    if (compaction !== null) {
      return this.#step(setup, "compaction", compaction.messages, compaction.through);
    }
    return {
      kind: "compaction",
      model: setup.model,
      request: null,
      bytes: 0,
      input: { likely: 0, most: 0 },
      through: 0,
      quote: { usd_nanos: 0, tokens: 0 },
    };
  }

  #step(
    { model, instructions, tools }: Setup,
    kind: StepKind,
    messages: readonly ModelMessage[],
    through: number,
  ): PlannedStep {
    const { spec } = this.#engine.head;
    const request: ModelRequest = {
      model,
      instructions,
      messages,
      tools: this.#tools
        .definitions(tools)
        .map(({ name, description, input_schema }) => ({ name, description, input_schema })),
      // Calls in the conversation may only be told with the tools, even where none may be called.
      tool_choice: kind === "reply" ? "auto" : "none",
      output_schema: null,
      temperature: spec.temperature,
      max_output_tokens: spec.max_tokens,
      prompt_cache: true,
    };
    const bytes = requestBytes(request);
    const input = estimateInput(model, bytes, this.#engine.progress.calibration);
    return { kind, model, request, bytes, input, through, quote: this.#quote(model, input.most) };
  }

  #quote(model: string, input: number): StepUsage {
    const output = this.#engine.head.spec.max_tokens;
    const costs = largestUsages(input, output).map((usage) => this.#models.costOf(usage, model));
    const known = costs.filter((usd) => usd !== null);
    const usd_nanos = known.length < costs.length ? null : Math.ceil(Math.max(...known) * NANOS);
    return { usd_nanos, tokens: model === OPERATOR ? 0 : input + output };
  }

  #limit(model: string): number {
    const { too_long } = this.#engine.progress;
    const known = contextTokens(model);
    return too_long?.model === model ? Math.min(known, too_long.tokens) : known;
  }
}
