/**
 * The names of spans and attributes, as OpenTelemetry's semantic conventions for generative AI have
 * them in v0.1.0, all of which are in development:
 * https://github.com/open-telemetry/semantic-conventions-genai/tree/v0.1.0/docs/gen-ai
 * What has no name there begins with `pipelzr.`.
 */
export const CONVENTIONS_URL = "https://opentelemetry.io/schemas/gen-ai/0.1.0";

export const OPERATIONS = {
  agent: "invoke_agent",
  model: "chat",
  tool: "execute_tool",
} as const;

export const ATTRIBUTES = {
  operation: "gen_ai.operation.name",
  provider: "gen_ai.provider.name",
  conversation: "gen_ai.conversation.id",
  agent_name: "gen_ai.agent.name",
  agent_description: "gen_ai.agent.description",
  request_model: "gen_ai.request.model",
  max_tokens: "gen_ai.request.max_tokens",
  temperature: "gen_ai.request.temperature",
  stream: "gen_ai.request.stream",
  finish_reasons: "gen_ai.response.finish_reasons",
  input_tokens: "gen_ai.usage.input_tokens",
  output_tokens: "gen_ai.usage.output_tokens",
  cached_input_tokens: "gen_ai.usage.cache_read.input_tokens",
  tool_name: "gen_ai.tool.name",
  tool_call: "gen_ai.tool.call.id",
  tool_type: "gen_ai.tool.type",
  error: "error.type",
  // Content, which is told only where that is asked for.
  input_messages: "gen_ai.input.messages",
  output_messages: "gen_ai.output.messages",
  tool_result: "gen_ai.tool.call.result",
  // Ours.
  turn: "pipelzr.turn",
  step: "pipelzr.step",
  step_attempt: "pipelzr.step.attempt",
  stop_reason: "pipelzr.turn.stop_reason",
  usd: "pipelzr.usage.usd",
  outcome: "pipelzr.tool.outcome",
  is_compaction: "pipelzr.step.is_compaction",
} as const;

/** What the conventions call a provider of ours. */
const PROVIDERS: Readonly<Record<string, string>> = {
  anthropic: "anthropic",
  openai: "openai",
  google: "gcp.gemini",
  "workers-ai": "cloudflare.workers_ai",
};

/** Of a model by its full name. */
export function providerOf(model: string): string {
  const [provider = ""] = model.split("/", 1);
  return PROVIDERS[provider] ?? "pipelzr";
}
