/** The providers, as the configuration has them. */
import type { Config } from "../../config.ts";
import { OPERATOR, PROVIDERS, type ProviderName } from "./names.ts";

const OPENAI_URL = "https://api.openai.com/v1";
const GOOGLE_URL = "https://generativelanguage.googleapis.com/v1beta/openai";
const ANTHROPIC_URL = "https://api.anthropic.com/v1";

/** Where a provider is reached and by what key; `variables` are those to correct when it fails. */
export interface Endpoint {
  readonly provider: ProviderName;
  /** How people call it. */
  readonly label: string;
  /** Ends without a slash. */
  readonly base_url: string;
  readonly api_key: string | null;
  readonly variables: { readonly key: string; readonly base_url: string };
}

export interface Provider {
  readonly name: ProviderName;
  readonly label: string;
  /** Null when it is not configured, and for the operator, which needs none. */
  readonly endpoint: Endpoint | null;
  /** What to set for it; null when it is usable. */
  readonly missing: string | null;
  /** The model of it that is used when none is named; null when that is not to be guessed. */
  readonly default_model: string | null;
}

type Providers = Readonly<Record<ProviderName, Provider>>;

/** All providers, those that are not configured too. */
export function providersOf(config: Config): Providers {
  return {
    anthropic: anthropic(config),
    openai: openai(config),
    google: provider(
      {
        provider: "google",
        label: "Google Gemini",
        base_url: GOOGLE_URL,
        api_key: config.GEMINI_API_KEY,
        variables: { key: "GEMINI_API_KEY", base_url: "GEMINI_API_KEY" },
      },
      null,
      config.GEMINI_API_KEY === null ? "Set GEMINI_API_KEY." : null,
    ),
    "workers-ai": workersAi(config),
    operator: {
      name: OPERATOR,
      label: "the operator",
      endpoint: null,
      missing: null,
      default_model: OPERATOR,
    },
  };
}

/** In the order in which a default is looked for. */
export const providersInOrder = (providers: Providers): readonly Provider[] =>
  PROVIDERS.map((name) => providers[name]);

function provider(
  endpoint: Endpoint,
  defaultModel: string | null,
  missing: string | null,
): Provider {
  return {
    name: endpoint.provider,
    label: endpoint.label,
    endpoint: missing === null ? endpoint : null,
    missing,
    default_model: defaultModel,
  };
}

function anthropic({ ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL }: Config): Provider {
  const endpoint: Endpoint = {
    provider: "anthropic",
    label: "Anthropic",
    base_url: versioned(ANTHROPIC_BASE_URL ?? ANTHROPIC_URL),
    api_key: ANTHROPIC_API_KEY,
    variables: { key: "ANTHROPIC_API_KEY", base_url: "ANTHROPIC_BASE_URL" },
  };
  const missing = ANTHROPIC_API_KEY === null ? "Set ANTHROPIC_API_KEY." : null;
  return provider(endpoint, "claude-sonnet-5-5", missing);
}

/** Without a base URL it is OpenAI's own, which needs a key; another server may do without. */
function openai({ OPENAI_API_KEY, OPENAI_BASE_URL }: Config): Provider {
  const endpoint: Endpoint = {
    provider: "openai",
    label: OPENAI_BASE_URL === null ? "OpenAI" : `The server at ${OPENAI_BASE_URL}`,
    base_url: withoutSlash(OPENAI_BASE_URL ?? OPENAI_URL),
    api_key: OPENAI_API_KEY,
    variables: { key: "OPENAI_API_KEY", base_url: "OPENAI_BASE_URL" },
  };
  const missing =
    OPENAI_API_KEY === null && OPENAI_BASE_URL === null
      ? "Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server that speaks OpenAI's protocol."
      : null;
  return provider(endpoint, OPENAI_BASE_URL === null ? "gpt-6.1-sol" : null, missing);
}

function workersAi({ CLOUDFLARE_ACCOUNT_ID, CLOUDFLARE_API_TOKEN }: Config): Provider {
  const endpoint: Endpoint = {
    provider: "workers-ai",
    label: "Workers AI",
    base_url: `https://api.cloudflare.com/client/v4/accounts/${CLOUDFLARE_ACCOUNT_ID ?? ""}/ai/v1`,
    api_key: CLOUDFLARE_API_TOKEN,
    variables: { key: "CLOUDFLARE_API_TOKEN", base_url: "CLOUDFLARE_ACCOUNT_ID" },
  };
  const missing =
    CLOUDFLARE_ACCOUNT_ID === null || CLOUDFLARE_API_TOKEN === null
      ? "Set CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN."
      : null;
  return provider(endpoint, "@cf/meta/llama-3.3-70b-instruct-fp8-fast", missing);
}

/** Whether it is OpenAI itself, which wants some members by other names than servers like it. */
export const isOpenAi = ({ base_url }: Endpoint) => base_url === OPENAI_URL;

const withoutSlash = (url: string) => url.replace(/\/+$/, "");

/** Anthropic's own clients leave `/v1` out of the base URL, others write it. */
function versioned(url: string): string {
  const base = withoutSlash(url);
  return URL.parse(base)?.pathname === "/" ? `${base}/v1` : base;
}
