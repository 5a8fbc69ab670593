/** A whole step, gathered from its events. */
import { valueIssues } from "../../executors/outputs-schema.ts";
import type { Json } from "../../http/json.ts";
import {
  type AssistantMessage,
  type AssistantPart,
  type ToolCallPart,
  textOf,
  toolCallsOf,
} from "./messages.ts";
import { type AskedOutput, askOutput } from "./output-schema.ts";
import {
  type FinishReason,
  ModelError,
  type ModelEvent,
  type ModelPort,
  type ModelRequest,
  type ModelUsage,
} from "./port.ts";

export interface Completion {
  readonly message: AssistantMessage;
  readonly text: string;
  readonly tool_calls: readonly ToolCallPart[];
  /** The value that `output_schema` asked for; undefined without one, and when tools are called first. */
  readonly output: Json | undefined;
  readonly usage: ModelUsage | null;
  readonly finish_reason: FinishReason;
  readonly response_id: string | null;
  readonly warnings: readonly string[];
}

/** The message that events make up so far; of a step that was cut, what there is of it. */
export class StepMessage {
  readonly #content: AssistantPart[] = [];

  add(event: ModelEvent): void {
    if (event.type === "text_delta") this.#addText(event.text);
    else if (event.type === "reasoning") this.#content.push(event.part);
    else if (event.type === "tool_call") this.#content.push(event.call);
  }

  #addText(text: string): void {
    const last = this.#content.at(-1);
    if (last?.type !== "text") this.#content.push({ type: "text", text });
    else this.#content[this.#content.length - 1] = { type: "text", text: last.text + text };
  }

  get message(): AssistantMessage {
    return { role: "assistant", content: [...this.#content] };
  }
}

/**
 * Takes a step to its end. Throws `ModelError`: what `step` throws, and for a request with an
 * `output_schema` also `model_refused` and `model_output_invalid`.
 */
export async function complete(
  port: ModelPort,
  request: ModelRequest,
  signal: AbortSignal,
): Promise<Completion> {
  const { output_schema: schema } = request;
  const asked = schema === null ? null : askOutput(schema);
  const sent = asked === null ? request : { ...request, output_schema: asked.schema };
  const gathered = new StepMessage();
  const warnings: string[] = [];
  let usage: ModelUsage | null = null;
  for await (const event of port.step(sent, signal)) {
    gathered.add(event);
    if (event.type === "warning") warnings.push(event.message);
    if (event.type === "usage") usage = event.usage;
    if (event.type !== "finish") continue;
    const { message } = gathered;
    const text = textOf(message);
    return {
      message,
      text,
      tool_calls: toolCallsOf(message),
      output: outputOf(request, asked, text, event.reason),
      usage,
      finish_reason: event.reason,
      response_id: event.response_id,
      warnings,
    };
  }
  throw new ModelError(
    "model_stream_cut",
    "The model's step ended without a reason; try it again.",
  );
}

function outputOf(
  request: ModelRequest,
  asked: AskedOutput | null,
  text: string,
  reason: FinishReason,
): Json | undefined {
  const { output_schema: schema } = request;
  if (schema === null || asked === null || reason === "tool_calls") return undefined;
  if (reason === "refusal" || reason === "content_filter") {
    throw new ModelError(
      "model_refused",
      `The model ${request.model} refused to answer; change what it is asked, or use another model.`,
    );
  }
  if (reason === "length") {
    throw new ModelError(
      "model_output_invalid",
      "The model's answer was cut at the most tokens that it may write; raise max_output_tokens, or ask for less.",
    );
  }
  return structuredOutput(schema, text, asked.take);
}

/** Some models put JSON into a fence however they are asked. */
const FENCED = /^\s*```(?:json)?\s*\n([\s\S]*?)\n?```\s*$/;

/** The JSON that a text is; throws `model_output_invalid` with the paths where it is not as its schema says. */
export function structuredOutput(
  schema: Json,
  text: string,
  take: AskedOutput["take"] = (written) => written,
): Json {
  const written = parseJson(FENCED.exec(text)?.[1] ?? text);
  if (written === undefined) {
    throw new ModelError(
      "model_output_invalid",
      "The model's answer is not JSON, which its output schema asks for; try it again, or use a model that supports structured output.",
    );
  }
  const value = take(written);
  const issues = valueIssues(schema, value, "output");
  if (issues.length === 0) return value;
  const [first] = issues;
  throw new ModelError(
    "model_output_invalid",
    `The model's answer is not as its output schema says (${first?.path}: ${first?.message}); try it again, or make the schema plainer.`,
    { issues },
  );
}

/** Undefined for what is not JSON. */
export function parseJson(text: string): Json | undefined {
  try {
    const value: Json = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}
