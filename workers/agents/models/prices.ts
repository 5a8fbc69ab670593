/**
 * What well-known models cost, in USD per million tokens, as their providers' price lists had it on
 * 24 November 2026. Prices change: check them against the lists before money depends on them, and
 * set MODEL_PRICES for what differs, or for a contract of one's own.
 */

/** Says which table a cost was reckoned by. */
export const PRICES_VERSION = "2026-11-24";

export interface Rates {
  readonly input: number;
  readonly output: number;
  /** Of input that is read from the provider's cache; as `input` when it is not given. */
  readonly cached_input?: number | undefined;
  /** Of input that is written there, to be kept for five minutes; as `input` when it is not given. */
  readonly cache_write?: number | undefined;
}

export interface Price extends Rates {
  /** Requests with more input cost by these rates altogether; null when they are not known. */
  readonly long?: { readonly above_input_tokens: number; readonly rates: Rates | null };
}

const rates = (
  input: number,
  output: number,
  cached_input = input,
  cache_write = input,
): Rates => ({
  input,
  output,
  cached_input,
  cache_write,
});

/** OpenAI asks more for longer prompts, by a list that is not kept here. */
const short = (price: Rates): Price => ({
  ...price,
  long: { above_input_tokens: 272_000, rates: null },
});

const HAIKU_5_5: Price = {
  ...rates(0.1, 0.5, 0.01, 0.125),
  long: { above_input_tokens: 100_000, rates: rates(0.5, 2.5, 0.05, 0.625) },
};

/** By full name, without the date that a snapshot of a model ends with. */
export const PRICES: Readonly<Record<string, Price>> = {
  "anthropic/claude-fable-5-1": rates(10, 50, 0.25, 12.5),
  "anthropic/claude-opus-5-5": rates(4, 20, 0.2, 5),
  "anthropic/claude-opus-5": rates(5, 25, 0.5, 6.25),
  "anthropic/claude-opus-4-8": rates(5, 25, 0.5, 6.25),
  "anthropic/claude-opus-4-7": rates(5, 25, 0.5, 6.25),
  "anthropic/claude-opus-4-6": rates(5, 25, 0.5, 6.25),
  "anthropic/claude-opus-4-5": rates(5, 25, 0.5, 6.25),
  "anthropic/claude-sonnet-5-5": rates(2, 10, 0.1, 2.5),
  "anthropic/claude-sonnet-5": rates(2, 10, 0.2, 2.5),
  "anthropic/claude-sonnet-4-6": rates(3, 15, 0.3, 3.75),
  "anthropic/claude-sonnet-4-5": rates(3, 15, 0.3, 3.75),
  "anthropic/claude-sonnet-4": rates(3, 15, 0.3, 3.75),
  "anthropic/claude-haiku-5-5": HAIKU_5_5,
  "anthropic/claude-haiku-4-5": rates(1, 5, 0.1, 1.25),
  "openai/gpt-6-astra": short(rates(10, 50, 1)),
  "openai/gpt-6.1-sol": short(rates(2, 10, 0.1, 2.5)),
  "openai/gpt-6-sol": short(rates(2, 10, 0.2, 2.5)),
  "openai/gpt-6-luna": short(rates(0.1, 0.5, 0.01, 0.125)),
  "openai/gpt-5.6-terra": short(rates(2, 12, 0.2)),
  "openai/gpt-5.6-luna": short(rates(0.2, 1.2, 0.02)),
  "openai/gpt-5": rates(1.25, 10, 0.125),
  "openai/gpt-5-mini": rates(0.25, 2, 0.025),
  "openai/gpt-4.1": rates(2, 8, 0.5),
  "openai/gpt-4.1-mini": rates(0.4, 1.6, 0.1),
  "openai/gpt-4o": rates(2.5, 10, 1.25),
  "openai/gpt-4o-mini": rates(0.15, 0.6, 0.075),
  "workers-ai/@cf/meta/llama-3.3-70b-instruct-fp8-fast": rates(0.293, 2.253),
  "workers-ai/@cf/meta/llama-3.1-8b-instruct-fp8-fast": rates(0.045, 0.384),
  "workers-ai/@cf/openai/gpt-oss-120b": rates(0.35, 0.75),
  "workers-ai/@cf/openai/gpt-oss-20b": rates(0.2, 0.3),
};
