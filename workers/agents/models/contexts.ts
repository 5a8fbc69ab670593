/** How much models read, in tokens, as their providers' pages had it on 24 November 2026. */

const DEFAULT_TOKENS = 200_000;

/** By the beginning of the full name, the longest one first that fits. */
const CONTEXT_TOKENS: Readonly<Record<string, number>> = {
  "anthropic/": 200_000,
  "openai/gpt-4o": 128_000,
  "openai/gpt-4.1": 1_000_000,
  "openai/gpt-5": 400_000,
  "openai/o": 200_000,
  "google/": 1_000_000,
  "workers-ai/": 32_000,
};

/** Tokens that a model reads and writes in one step; a cautious figure for one that is not known. */
export function contextTokens(name: string): number {
  const [known] = Object.keys(CONTEXT_TOKENS)
    .filter((start) => name.startsWith(start))
    .sort((a, b) => b.length - a.length);
  return known === undefined ? DEFAULT_TOKENS : (CONTEXT_TOKENS[known] ?? DEFAULT_TOKENS);
}
