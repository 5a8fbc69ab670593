/** The parts of a provider package's stream, as events of the port. */
import {
  type LanguageModelV4StreamPart,
  type SharedV4ProviderMetadata,
  type SharedV4Warning,
  TypeValidationError,
} from "@ai-sdk/provider";
import { z } from "zod";
import { parseJson } from "./complete.ts";
import { modelErrorOf, streamCut, type Target } from "./failures.ts";
import type { ToolCallPart } from "./messages.ts";
import { type FinishReason, ModelError, type ModelEvent, type ModelUsage } from "./port.ts";

type Part<Type extends LanguageModelV4StreamPart["type"]> = Extract<
  LanguageModelV4StreamPart,
  { type: Type }
>;

interface Thought {
  text: string;
  signature: string | null;
  redacted_data: string | null;
}

/** One step: gives what each part comes to, and holds back what is only good when all of it is. */
export class StepEvents {
  readonly #target: Target;
  readonly #thoughts = new Map<string, Thought>();
  readonly #calls: ToolCallPart[] = [];
  /** The names of tools whose input is no JSON. */
  readonly #broken: string[] = [];
  #responseId: string | null = null;
  #responseModel: string | null = null;

  constructor(target: Target) {
    this.#target = target;
  }

  /** Throws `ModelError` for the parts that say that the step failed. */
  of(part: LanguageModelV4StreamPart): readonly ModelEvent[] {
    switch (part.type) {
      case "stream-start":
        return part.warnings.map((warning) => ({ type: "warning", message: wording(warning) }));
      case "response-metadata":
        this.#responseId = part.id ?? null;
        this.#responseModel = part.modelId ?? null;
        return [];
      case "text-delta":
        return part.delta === "" ? [] : [{ type: "text_delta", text: part.delta }];
      case "reasoning-start":
        this.#thoughts.set(part.id, {
          text: "",
          signature: null,
          redacted_data: textIn(part.providerMetadata, "redactedData"),
        });
        return [];
      case "reasoning-delta":
        return this.#think(part);
      case "reasoning-end":
        return this.#endThought(part);
      case "tool-call":
        this.#call(part);
        return [];
      case "error": {
        const unknown = unknownEvent(part.error);
        if (unknown === null) throw modelErrorOf(part.error, this.#target);
        return [
          { type: "warning", message: `Left out "${unknown}", an event that is not known here.` },
        ];
      }
      case "finish":
        return this.#finish(part);
      default:
        return [];
    }
  }

  #think({ id, delta, providerMetadata }: Part<"reasoning-delta">): readonly ModelEvent[] {
    const thought = this.#thoughts.get(id);
    if (thought === undefined) return [];
    thought.text += delta;
    thought.signature = textIn(providerMetadata, "signature") ?? thought.signature;
    return delta === "" ? [] : [{ type: "reasoning_delta", text: delta }];
  }

  #endThought({ id }: Part<"reasoning-end">): readonly ModelEvent[] {
    const thought = this.#thoughts.get(id);
    this.#thoughts.delete(id);
    if (thought === undefined) return [];
    const { provider } = this.#target.endpoint;
    return [{ type: "reasoning", part: { type: "reasoning", provider, ...thought } }];
  }

  #call({
    toolCallId: id,
    toolName: name,
    input: text,
    providerMetadata,
  }: Part<"tool-call">): void {
    const input = parseJson(text.trim() === "" ? "{}" : text);
    if (input === undefined) {
      this.#broken.push(name);
      return;
    }
    const { provider } = this.#target.endpoint;
    const signature = textIn(providerMetadata, "thoughtSignature");
    this.#calls.push({ type: "tool_call", id, name, input, signature, provider });
  }

  #finish({ finishReason, usage }: Part<"finish">): readonly ModelEvent[] {
    const { unified, raw = null } = finishReason;
    if (unified === "error" || unified === "interrupted") throw streamCut(this.#target);
    // The last call of a step that came to its limit is cut, and is none.
    if (unified !== "length" && this.#broken.length > 0) {
      throw new ModelError(
        "model_output_invalid",
        `The model ${this.#target.model} called ${this.#broken.join(", ")} with input that is not JSON; try it again.`,
      );
    }
    return [
      ...this.#calls.map((call): ModelEvent => ({ type: "tool_call", call })),
      { type: "usage", usage: usageOf(usage) },
      {
        type: "finish",
        reason: this.#reason(unified, raw),
        raw,
        response_id: this.#responseId,
        response_model: this.#responseModel,
      },
    ];
  }

  #reason(unified: Part<"finish">["finishReason"]["unified"], raw: string | null): FinishReason {
    // Some servers say `stop` beside the calls.
    if ((unified === "stop" || unified === "other") && this.#calls.length > 0) return "tool_calls";
    if (unified === "tool-calls") return "tool_calls";
    if (unified === "content-filter")
      return raw === "content_filter" ? "content_filter" : "refusal";
    return unified === "stop" || unified === "length" ? unified : "other";
  }
}

const KNOWN_EVENTS: ReadonlySet<string> = new Set([
  "message_start",
  "content_block_start",
  "content_block_delta",
  "content_block_stop",
  "message_delta",
  "message_stop",
  "error",
  "ping",
]);
const eventSchema = z.object({ type: z.string() });

/** The type of an event that Anthropic has added since, which is to be passed over; null for any failure. */
function unknownEvent(error: unknown): string | null {
  if (!TypeValidationError.isInstance(error)) return null;
  const event = eventSchema.safeParse(error.value);
  return event.success && !KNOWN_EVENTS.has(event.data.type) ? event.data.type : null;
}

function usageOf({ inputTokens, outputTokens }: Part<"finish">["usage"]): ModelUsage {
  return {
    input_tokens: inputTokens.total ?? null,
    cached_input_tokens: inputTokens.cacheRead ?? null,
    cache_write_tokens: inputTokens.cacheWrite ?? null,
    output_tokens: outputTokens.total ?? null,
    reasoning_tokens: outputTokens.reasoning ?? null,
  };
}

/** A text that whichever provider says under a name. */
function textIn(metadata: SharedV4ProviderMetadata | undefined, name: string): string | null {
  for (const { [name]: value } of Object.values(metadata ?? {})) {
    if (typeof value === "string") return value;
  }
  return null;
}

function wording(warning: SharedV4Warning): string {
  if ("message" in warning) return warning.message;
  return `${warning.feature}: ${warning.details ?? "the provider does not support it"}`;
}
