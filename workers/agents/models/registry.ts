/** Every model there is, by name: where a step of it goes, what it costs, which is the default. */
import type { Config } from "../../config.ts";
import {
  fullName,
  type ModelName,
  OPERATOR,
  PROVIDERS,
  type ProviderName,
  parseModelName,
} from "./names.ts";
import { operatorEvents } from "./operator.ts";
import {
  ModelError,
  type ModelEvent,
  type ModelPort,
  type ModelRequest,
  type ModelUsage,
} from "./port.ts";
import { PRICES, type Price } from "./prices.ts";
import { Pricing } from "./pricing.ts";
import { type Provider, providersInOrder, providersOf } from "./providers.ts";

const NAMES_HELP =
  'Write provider/model, with one of the providers anthropic, openai, google and workers-ai, or "operator". GET /api/v1/models lists those that are known here.';

export interface ResolvedModel extends ModelName {
  /** The full name, under which it is stored and priced. */
  readonly name: string;
  /** False of the operator, which cannot write. */
  readonly has_language: boolean;
}

export interface ListedModel {
  readonly name: string;
  readonly provider: ProviderName;
  /** Why it cannot be used, and what to set; null when it can. */
  readonly missing: string | null;
  readonly price: Price | null;
}

export class ModelRegistry implements ModelPort {
  readonly #providers: ReturnType<typeof providersOf>;
  readonly #pricing: Pricing;
  readonly #defaultModel: string | null;
  readonly #stallMs: number;

  constructor(config: Config) {
    this.#providers = providersOf(config);
    this.#pricing = new Pricing(config.MODEL_PRICES);
    this.#defaultModel = config.DEFAULT_MODEL;
    this.#stallMs = config.MODEL_STALL_SECONDS * 1000;
  }

  /**
   * The model that a name means, null for the default. Throws `model_unknown`, and
   * `model_not_configured` with the variable to set.
   */
  resolve(name: string | null): ResolvedModel {
    const parsed = parseModelName(name ?? this.defaultName());
    if (parsed === null) {
      throw new ModelError(
        "model_unknown",
        `"${name ?? this.#defaultModel}" names no model. ${NAMES_HELP}`,
      );
    }
    const { missing, label } = this.#providers[parsed.provider];
    if (missing !== null) {
      throw new ModelError(
        "model_not_configured",
        `The model ${fullName(parsed)} cannot be used, since ${label} is not configured. ${missing}`,
      );
    }
    return { ...parsed, name: fullName(parsed), has_language: parsed.provider !== OPERATOR };
  }

  /** As `resolve`, of a model that is to write; throws `model_no_language` for the operator. */
  resolveWriter(name: string | null): ResolvedModel {
    const model = this.resolve(name);
    if (model.has_language) return model;
    throw new ModelError(
      "model_no_language",
      "This needs a language model, and the operator is none. Set ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENAI_BASE_URL, or name another model.",
    );
  }

  /** DEFAULT_MODEL, else the default of the first provider that is configured and has one. */
  defaultName(): string {
    if (this.#defaultModel !== null) {
      const parsed = parseModelName(this.#defaultModel);
      return parsed === null ? this.#defaultModel : fullName(parsed);
    }
    const first = providersInOrder(this.#providers).find(
      ({ missing, default_model }) => missing === null && default_model !== null,
    );
    return fullName({ provider: first?.name ?? OPERATOR, model: first?.default_model ?? OPERATOR });
  }

  step(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent> {
    return this.#step(request, { signal, stall_ms: this.#stallMs });
  }

  /** USD of a step; null when it is not known. */
  costOf(usage: ModelUsage, name: string): number | null {
    return this.#pricing.costOf(usage, name);
  }

  /** The price of a model by its full name; null when it is not known. */
  priceOf(name: string): Price | null {
    return this.#pricing.of(name);
  }

  get providers(): readonly Provider[] {
    return providersInOrder(this.#providers);
  }

  /** The models whose names are known here, by provider and then as priced; others can be used too. */
  list(): readonly ListedModel[] {
    const known = new Set([...Object.keys(PRICES), this.defaultName(), OPERATOR]);
    return [...known]
      .flatMap((name) => parseModelName(name) ?? [])
      .sort((a, b) => PROVIDERS.indexOf(a.provider) - PROVIDERS.indexOf(b.provider))
      .map((model) => ({
        name: fullName(model),
        provider: model.provider,
        missing: this.#providers[model.provider].missing,
        price: this.priceOf(fullName(model)),
      }));
  }

  async *#step(
    request: ModelRequest,
    limits: { readonly signal: AbortSignal; readonly stall_ms: number },
  ): AsyncGenerator<ModelEvent, void, void> {
    const { provider, model } = this.resolve(request.model);
    const { endpoint } = this.#providers[provider];
    if (endpoint === null) {
      yield* operatorEvents(request);
      return;
    }
    // The packages of the providers run their top level when a model is first asked, not at the start.
    if (provider === "anthropic") {
      const { anthropicStep } = await import("./anthropic.ts");
      yield* anthropicStep(endpoint, model, request, limits);
    } else {
      const { openAiCompatibleStep } = await import("./openai-compatible.ts");
      yield* openAiCompatibleStep(endpoint, model, request, limits);
    }
  }
}
