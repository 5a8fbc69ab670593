/** Models behind OpenAI's chat completions, of OpenAI and of the many servers that speak it. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { ModelEvent, ModelRequest } from "./port.ts";
import { callOptions } from "./prompt.ts";
import { type Endpoint, isOpenAi } from "./providers.ts";
import { runStep } from "./sdk-step.ts";
import { isStrictSchema } from "./strict-schema.ts";

/** One step of `model`, as its server calls it. */
export async function* openAiCompatibleStep(
  endpoint: Endpoint,
  model: string,
  request: ModelRequest,
  limits: { readonly signal: AbortSignal; readonly stall_ms: number },
): AsyncGenerator<ModelEvent, void, void> {
  const options = callOptions(request, endpoint.provider, {
    openaiCompatible: { strictJsonSchema: isStrictSchema(request.output_schema) },
  });
  const create = (fetch: typeof globalThis.fetch) =>
    createOpenAICompatible({
      name: endpoint.provider,
      baseURL: endpoint.base_url,
      ...(endpoint.api_key !== null && { apiKey: endpoint.api_key }),
      includeUsage: true,
      supportsStructuredOutputs: true,
      fetch,
      ...(isOpenAi(endpoint) && { transformRequestBody: renameLimit }),
    }).chatModel(model);
  yield* runStep({ endpoint, model }, create, options, limits);
}

/** OpenAI's models that reason refuse `max_tokens`, other servers know nothing else. */
function renameLimit({ max_tokens, ...body }: Record<string, unknown>): Record<string, unknown> {
  return max_tokens === undefined ? body : { ...body, max_completion_tokens: max_tokens };
}
