/** Models of Anthropic's Messages API. */
// The package's main entry brings batches, files and hosted tools along, half of its size.
import { AnthropicLanguageModel } from "@ai-sdk/anthropic/internal";
import type { ModelEvent, ModelRequest } from "./port.ts";
import { callOptions } from "./prompt.ts";
import type { Endpoint } from "./providers.ts";
import { runStep } from "./sdk-step.ts";

const API_VERSION = "2023-06-01";

/** One step of `model`, as Anthropic calls it. */
export async function* anthropicStep(
  endpoint: Endpoint,
  model: string,
  request: ModelRequest,
  limits: { readonly signal: AbortSignal; readonly stall_ms: number },
): AsyncGenerator<ModelEvent, void, void> {
  const options = callOptions(request, endpoint.provider, {
    anthropic: request.prompt_cache === true ? { cacheControl: { type: "ephemeral" } } : {},
  });
  const headers = { "anthropic-version": API_VERSION, "x-api-key": endpoint.api_key ?? "" };
  const create = (fetch: typeof globalThis.fetch) =>
    new AnthropicLanguageModel(model, {
      provider: "anthropic.messages",
      baseURL: endpoint.base_url,
      headers,
      fetch,
    });
  yield* runStep({ endpoint, model }, create, options, limits);
}
