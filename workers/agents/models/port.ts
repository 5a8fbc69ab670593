/**
 * What the service asks of a model, whichever it is: one step of a conversation. A step is one call
 * of a provider, streamed; nothing is retried behind it, and no tool is run in it. Both are the
 * caller's.
 */
import type { Json } from "../../http/json.ts";
import type { ModelMessage, ReasoningPart, ToolCallPart } from "./messages.ts";

export interface ToolSpec {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the input, an object. */
  readonly input_schema: Json;
}

/** `required` is any tool, `tool` the one of that name. */
export type ToolChoice = "auto" | "none" | "required" | { readonly tool: string };

export interface ModelRequest {
  /** As the registry names it. */
  readonly model: string;
  /** The system prompt. */
  readonly instructions: string | null;
  readonly messages: readonly ModelMessage[];
  readonly tools: readonly ToolSpec[];
  readonly tool_choice: ToolChoice;
  /** JSON Schema of the answer, which is then one JSON value; null for text. */
  readonly output_schema: Json | null;
  /** From 0; null for the model's default. */
  readonly temperature: number | null;
  /** Null for the most that the provider allows, or its default. */
  readonly max_output_tokens: number | null;
  /** Has the provider keep what is sent, for later steps that begin with the same; of one call it is a loss. */
  readonly prompt_cache?: boolean;
  /** Passed on to the provider of that name unread, such as `{ anthropic: { effort: "low" } }`. */
  readonly provider_options?: Readonly<Record<string, Readonly<Record<string, Json>>>>;
}

/** Tokens of one step; null for what the provider does not say. */
export interface ModelUsage {
  /** All that was sent, the next two included. */
  readonly input_tokens: number | null;
  /** Those of the input that were read from the provider's cache. */
  readonly cached_input_tokens: number | null;
  /** Those of the input that were written to the provider's cache. */
  readonly cache_write_tokens: number | null;
  /** All that was written, reasoning included. */
  readonly output_tokens: number | null;
  readonly reasoning_tokens: number | null;
}

export const NO_USAGE: ModelUsage = {
  input_tokens: 0,
  cached_input_tokens: 0,
  cache_write_tokens: 0,
  output_tokens: 0,
  reasoning_tokens: 0,
};

export type FinishReason =
  | "stop"
  | "length"
  | "tool_calls"
  | "content_filter"
  | "refusal"
  | "other";

/**
 * The deltas come as they are written. Parts come whole: thoughts when they end, calls together once
 * the step has ended well, so that a step that is cut short leaves no call behind. `usage` and then
 * `finish` are last; a step without `finish` has thrown.
 */
export type ModelEvent =
  | { readonly type: "warning"; readonly message: string }
  | { readonly type: "text_delta"; readonly text: string }
  | { readonly type: "reasoning_delta"; readonly text: string }
  | { readonly type: "reasoning"; readonly part: ReasoningPart }
  | { readonly type: "tool_call"; readonly call: ToolCallPart }
  | { readonly type: "usage"; readonly usage: ModelUsage }
  | {
      readonly type: "finish";
      readonly reason: FinishReason;
      /** The provider's own word for it. */
      readonly raw: string | null;
      /** The provider's id of the reply, and the model that it says has written it. */
      readonly response_id: string | null;
      readonly response_model: string | null;
    };

export interface ModelPort {
  /**
   * Streams one step. Throws `ModelError` alone, `model_aborted` for the signal's. The call to the
   * provider ends when the signal aborts, and when the iteration is left.
   */
  step(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}

/** Why a step failed, and whether the same one may succeed later. */
export const MODEL_ERRORS = {
  /** The name says no provider. */
  model_unknown: { retryable: false },
  /** The provider's variables are not set. */
  model_not_configured: { retryable: false },
  /** The provider has no such model. */
  model_not_found: { retryable: false },
  /** The `operator` model was asked to write. */
  model_no_language: { retryable: false },
  model_auth: { retryable: false },
  /** The account has no credit. */
  model_quota_exhausted: { retryable: false },
  model_invalid_request: { retryable: false },
  context_too_long: { retryable: false },
  model_refused: { retryable: false },
  model_aborted: { retryable: false },
  model_rate_limited: { retryable: true },
  model_overloaded: { retryable: true },
  /** Not reachable, or it failed. */
  model_unavailable: { retryable: true },
  model_stream_cut: { retryable: true },
  model_stalled: { retryable: true },
  /** The server answered with what is not its protocol. */
  model_bad_response: { retryable: true },
  /** The model wrote JSON that is none, or not what was asked for. */
  model_output_invalid: { retryable: true },
} as const satisfies Record<string, { retryable: boolean }>;

export type ModelErrorCode = keyof typeof MODEL_ERRORS;

export interface ModelErrorOptions {
  readonly retry_after_ms?: number | null;
  /** Where an output falls short of its schema. */
  readonly issues?: readonly { readonly path: string; readonly message: string }[];
  readonly cause?: unknown;
}

/** The one error of models; `message` says what to do. */
export class ModelError extends Error {
  readonly code: ModelErrorCode;
  readonly retryable: boolean;
  /** What the provider asks to wait, in milliseconds; null when it says nothing. */
  readonly retry_after_ms: number | null;
  readonly issues: readonly { readonly path: string; readonly message: string }[];

  constructor(code: ModelErrorCode, message: string, options: ModelErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ModelError";
    this.code = code;
    this.retryable = MODEL_ERRORS[code].retryable;
    this.retry_after_ms = options.retry_after_ms ?? null;
    this.issues = options.issues ?? [];
  }
}
