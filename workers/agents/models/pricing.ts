/** What a step costs. */
import { OPERATOR } from "./names.ts";
import type { ModelUsage } from "./port.ts";
import { PRICES, type Price, type Rates } from "./prices.ts";

const MILLION = 1_000_000;
/** As Anthropic and OpenAI end the names of snapshots. */
const SNAPSHOT_DATE = /-(?:\d{8}|\d{4}-\d{2}-\d{2})$/;

/** Prices by model; a name that ends in `*` is of all that begin so, the longest one first. */
export type PriceTable = Readonly<Record<string, Price>>;

const FREE: Price = { input: 0, output: 0 };

/** The built-in prices, and over them those that are configured. */
export class Pricing {
  readonly #own: PriceTable;

  constructor(own: PriceTable) {
    this.#own = own;
  }

  /** The price of a model by its full name; null when it is not known. */
  of(name: string): Price | null {
    if (name === OPERATOR) return FREE;
    return lookUp(this.#own, name) ?? lookUp(PRICES, name);
  }

  /**
   * USD that a step of a model costs; null when its price, or what it used, is not known. What the
   * provider does not say of its cache is taken as not cached, which makes it the highest it can be
   * but for what was written there.
   */
  costOf(usage: ModelUsage, name: string): number | null {
    const price = this.of(name);
    const { input_tokens: input, output_tokens: output } = usage;
    if (price === null || input === null || output === null) return null;
    const rates = ratesFor(price, input);
    if (rates === null) return null;
    const read = Math.min(usage.cached_input_tokens ?? 0, input);
    const written = Math.min(usage.cache_write_tokens ?? 0, input - read);
    const usd =
      (input - read - written) * rates.input +
      read * (rates.cached_input ?? rates.input) +
      written * (rates.cache_write ?? rates.input) +
      output * rates.output;
    return usd / MILLION;
  }
}

function ratesFor({ long, ...rates }: Price, inputTokens: number): Rates | null {
  return long !== undefined && inputTokens > long.above_input_tokens ? long.rates : rates;
}

function lookUp(table: PriceTable, name: string): Price | null {
  const exact = entryOf(table, name) ?? entryOf(table, name.replace(SNAPSHOT_DATE, ""));
  if (exact !== null) return exact;
  const [pattern] = Object.keys(table)
    .filter((key) => key.endsWith("*") && name.startsWith(key.slice(0, -1)))
    .sort((a, b) => b.length - a.length);
  return pattern === undefined ? null : entryOf(table, pattern);
}

const entryOf = (table: PriceTable, name: string): Price | null =>
  (Object.hasOwn(table, name) ? table[name] : undefined) ?? null;
