/** The names of models: `provider/model`, `operator`, and what people write for short. */

export const PROVIDERS = ["anthropic", "openai", "google", "workers-ai", "operator"] as const;
export type ProviderName = (typeof PROVIDERS)[number];

export const OPERATOR = "operator";

export interface ModelName {
  readonly provider: ProviderName;
  /** As the provider calls it. */
  readonly model: string;
}

/** Names without a provider, by how they begin. */
const SHORT_NAMES: readonly (readonly [pattern: RegExp, provider: ProviderName])[] = [
  [/^claude-/, "anthropic"],
  [/^(gpt-|chatgpt-|o\d)/, "openai"],
  [/^gemini-/, "google"],
  [/^@(cf|hf)\//, "workers-ai"],
];

/** Null for a name that says no provider. */
export function parseModelName(name: string): ModelName | null {
  if (name === OPERATOR) return { provider: OPERATOR, model: OPERATOR };
  const slash = name.indexOf("/");
  const provider = PROVIDERS.find((known) => known === name.slice(0, Math.max(slash, 0)));
  const model = name.slice(slash + 1);
  if (provider !== undefined && provider !== OPERATOR) {
    return model === "" ? null : { provider, model };
  }
  const short = SHORT_NAMES.find(([pattern]) => pattern.test(name));
  return short === undefined ? null : { provider: short[1], model: name };
}

/** The one name of a model under which it is stored and priced. */
export function fullName({ provider, model }: ModelName): string {
  return provider === OPERATOR ? OPERATOR : `${provider}/${model}`;
}
