/** `/api/v1/models`. */
import { createRouter, type Router } from "../../http/context.ts";
import { endpoint } from "../../http/endpoint.ts";
import { OPERATOR } from "./names.ts";
import { PRICES_VERSION, type Price, type Rates } from "./prices.ts";
import type { ModelRegistry } from "./registry.ts";
import { type ModelList, modelListSchema } from "./schemas.ts";

declare module "../../http/context.ts" {
  interface Services {
    readonly models: ModelRegistry;
  }
}

export function modelRoutes(): Router {
  const router = createRouter();
  endpoint(
    router,
    {
      method: "get",
      path: "/models",
      operationId: "listModels",
      tags: ["Agents"],
      scope: "agents:read",
      summary: "List models",
      description:
        "The models that are known by name, whether each can be used here, and what it costs. A provider takes other names of its models too.",
      responses: { 200: { description: "All of them.", schema: modelListSchema } },
    },
    (c) => ({ status: 200, body: listing(c.get("services").models) }),
  );
  return router;
}

function listing(models: ModelRegistry): ModelList {
  const default_model = models.defaultName();
  return {
    items: models.list().map(({ name, provider, missing, price }) => ({
      name,
      provider,
      ...stateOf(missing),
      is_default: name === default_model,
      price: priceOf(price),
    })),
    next_cursor: null,
    providers: models.providers.map(({ name, missing }) => ({
      name,
      ...stateOf(missing),
      names: name === OPERATOR ? OPERATOR : `${name}/<model>`,
    })),
    default_model,
    prices_version: PRICES_VERSION,
  };
}

function stateOf(missing: string | null) {
  const state: ModelList["providers"][number]["state"] =
    missing === null ? "available" : "not_configured";
  return { state, reason: missing };
}

const ratesOf = ({ input, output, cached_input, cache_write }: Rates) => ({
  input,
  output,
  cached_input: cached_input ?? null,
  cache_write: cache_write ?? null,
});

function priceOf(price: Price | null): ModelList["items"][number]["price"] {
  if (price === null) return null;
  const { long } = price;
  return {
    ...ratesOf(price),
    long:
      long === undefined
        ? null
        : {
            above_input_tokens: long.above_input_tokens,
            rates: long.rates === null ? null : ratesOf(long.rates),
          },
  };
}
