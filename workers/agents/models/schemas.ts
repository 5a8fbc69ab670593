/** `/api/v1/models` on the wire. */
import { z } from "@hono/zod-openapi";
import { listOf, orNull } from "../../http/schemas.ts";
import { PROVIDERS } from "./names.ts";

const rate = z.number();
const ratesSchema = z
  .object({
    input: rate,
    output: rate,
    cached_input: rate.nullable(),
    cache_write: rate.nullable(),
  })
  .openapi("ModelRates", { description: "USD per million tokens." });

const priceSchema = ratesSchema
  .extend({
    long: orNull(
      z
        .object({
          above_input_tokens: z.int(),
          rates: orNull(ratesSchema).openapi({ description: "Null when they are not known." }),
        })
        .openapi("LongPromptRates"),
    ).openapi({ description: "What requests with more input cost; null when it is the same." }),
  })
  .openapi("ModelPrice");

const stateSchema = z.enum(["available", "not_configured"]);
const reasonSchema = z
  .string()
  .nullable()
  .openapi({ description: "Which variable to set; null when it is available." });

const modelSchema = z
  .object({
    name: z.string().openapi({ example: "anthropic/claude-sonnet-5-5" }),
    provider: z.enum(PROVIDERS),
    state: stateSchema,
    reason: reasonSchema,
    is_default: z.boolean(),
    price: orNull(priceSchema).openapi({ description: "Null when it is not known." }),
  })
  .openapi("Model");

const providerSchema = z
  .object({
    name: z.enum(PROVIDERS),
    state: stateSchema,
    reason: reasonSchema,
    names: z.string().openapi({ example: "anthropic/<model>" }),
  })
  .openapi("ModelProvider");

export const modelListSchema = listOf(modelSchema)
  .extend({
    providers: z.array(providerSchema),
    default_model: z.string(),
    prices_version: z
      .string()
      .openapi({ description: "The date of the prices that are built in." }),
  })
  .openapi("ModelList");

export type ModelList = z.output<typeof modelListSchema>;
