/** Models of Anthropic's Messages API. */
import { createAnthropic } from "@ai-sdk/anthropic";
import type { ModelEvent, ModelRequest } from "./port.ts";
import { callOptions } from "./prompt.ts";
import type { Endpoint } from "./providers.ts";
import { runStep } from "./sdk-step.ts";

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
  const create = (fetch: typeof globalThis.fetch) =>
    createAnthropic({
      baseURL: endpoint.base_url,
      apiKey: endpoint.api_key ?? "",
      fetch,
    }).languageModel(model);
  yield* runStep({ endpoint, model }, create, options, limits);
}
