/** Our requests as the provider packages take them. */
import type {
  JSONSchema7,
  LanguageModelV4CallOptions,
  LanguageModelV4Message,
  LanguageModelV4ToolChoice,
  LanguageModelV4ToolResultPart,
  SharedV4ProviderOptions,
} from "@ai-sdk/provider";
import type { Json } from "../../http/json.ts";
import {
  type AssistantPart,
  conversationProblem,
  type ModelMessage,
  type ToolMessage,
  toolCallsOf,
} from "./messages.ts";
import type { ProviderName } from "./names.ts";
import { ModelError, type ModelRequest, type ToolChoice } from "./port.ts";

type AssistantContent = Extract<LanguageModelV4Message, { role: "assistant" }>["content"];

/** Throws `model_invalid_request` for a conversation that no provider takes. */
export function callOptions(
  request: ModelRequest,
  provider: ProviderName,
  providerOptions: SharedV4ProviderOptions,
): LanguageModelV4CallOptions {
  const problem = conversationProblem(request.messages);
  if (problem !== null) throw new ModelError("model_invalid_request", problem);
  const { instructions, temperature, max_output_tokens: maxOutputTokens } = request;
  return {
    prompt: [
      ...(instructions === null ? [] : [{ role: "system" as const, content: instructions }]),
      ...messagesOf(request.messages, provider),
    ],
    ...(request.tools.length > 0 && {
      tools: request.tools.map(({ name, description, input_schema }) => ({
        type: "function" as const,
        name,
        description,
        inputSchema: asSchema(input_schema),
      })),
      toolChoice: toolChoiceOf(request.tool_choice),
    }),
    ...(request.output_schema !== null && {
      responseFormat: { type: "json" as const, schema: asSchema(request.output_schema) },
    }),
    ...(temperature !== null && { temperature }),
    ...(maxOutputTokens !== null && { maxOutputTokens }),
    providerOptions: { ...providerOptions, ...optionsOf(request, providerOptions) },
  };
}

/** What the caller passes on to a provider comes over what is set for it here. */
function optionsOf(
  { provider_options: passedOn = {} }: ModelRequest,
  own: SharedV4ProviderOptions,
): SharedV4ProviderOptions {
  const entries = Object.entries(passedOn).map(([name, options]) => {
    const copy: SharedV4ProviderOptions[string] = JSON.parse(JSON.stringify(options));
    return [name, { ...own[name], ...copy }] as const;
  });
  return Object.fromEntries(entries);
}

function isSchema(value: Json): value is JSONSchema7 & { readonly [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `true` allows everything, as the empty schema does; providers take objects alone. */
const asSchema = (value: Json): JSONSchema7 => (isSchema(value) ? value : {});

function toolChoiceOf(choice: ToolChoice): LanguageModelV4ToolChoice {
  return typeof choice === "string" ? { type: choice } : { type: "tool", toolName: choice.tool };
}

function messagesOf(
  messages: readonly ModelMessage[],
  provider: ProviderName,
): LanguageModelV4Message[] {
  return messages.flatMap((message, index) => {
    const one = messageOf(message, messages[index - 1], provider);
    // Of an assistant's message that held another provider's thoughts alone nothing is left.
    return one.content.length === 0 ? [] : [one];
  });
}

function messageOf(
  message: ModelMessage,
  before: ModelMessage | undefined,
  provider: ProviderName,
): LanguageModelV4Message {
  const { role } = message;
  switch (role) {
    case "user":
      return { role, content: message.content.map(({ text }) => ({ type: "text", text })) };
    case "assistant":
      return { role, content: assistantContent(message.content, provider) };
    case "tool":
      return { role, content: resultsOf(message, before) };
  }
}

/** Another provider's thoughts and signatures are left out: none can read those of another. */
function assistantContent(
  parts: readonly AssistantPart[],
  provider: ProviderName,
): AssistantContent {
  return parts.flatMap((part): AssistantContent => {
    if (part.type === "text") return part.text === "" ? [] : [{ type: "text", text: part.text }];
    const isOwn = part.provider === provider;
    if (part.type === "tool_call") {
      const { id: toolCallId, name: toolName, input, signature } = part;
      const call = { type: "tool-call" as const, toolCallId, toolName, input };
      if (!isOwn || signature === null) return [call];
      return [{ ...call, providerOptions: { google: { thoughtSignature: signature } } }];
    }
    if (!isOwn) return [];
    const { text, signature, redacted_data: redactedData } = part;
    const anthropic = {
      ...(signature !== null && { signature }),
      ...(redactedData !== null && { redactedData }),
    };
    return [{ type: "reasoning", text, providerOptions: { anthropic } }];
  });
}

function resultsOf(
  { content }: ToolMessage,
  before: ModelMessage | undefined,
): LanguageModelV4ToolResultPart[] {
  const names = new Map(toolCallsOf(before).map(({ id, name }) => [id, name]));
  return content.map(({ id, output, is_error }) => ({
    type: "tool-result",
    toolCallId: id,
    toolName: names.get(id) ?? "",
    output: {
      type: is_error ? "error-text" : "text",
      value: typeof output === "string" ? output : JSON.stringify(output),
    },
  }));
}
