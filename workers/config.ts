/**
 * The only reader of variables and secrets. Each variable of the original service keeps its name
 * and default where it has a meaning here; README.md, "Configuration", says what became of each.
 */
import { z } from "zod";
import { ApiError } from "./http/errors.ts";

const flag = (fallback: boolean) =>
  z
    .enum(["true", "false", "1", "0", ""], "It must be true or false.")
    .default(fallback ? "true" : "false")
    .transform((value) => value === "true" || value === "1");
const WHOLE = "It must be a whole number above 0.";
const positive = (fallback: number) =>
  z.coerce.number(WHOLE).int(WHOLE).positive(WHOLE).default(fallback);
const list = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform((value) =>
      value
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== ""),
    );
/** An unset secret and an empty one mean the same. */
const optional = z
  .string()
  .optional()
  .transform((value) => (value === undefined || value.trim() === "" ? null : value.trim()));
/** Errors show these, so that no key may be in one. */
const isPlainUrl = (value: string) => {
  const url = URL.parse(value);
  return url !== null && /^https?:$/.test(url.protocol) && url.username + url.password === "";
};
const PLAIN_URL = "It must be an http:// or https:// URL, without a user or password.";
const optionalUrl = optional.refine((value) => value === null || isPlainUrl(value), PLAIN_URL);
const serviceUrl = (fallback: string) => z.string().default(fallback).refine(isPlainUrl, PLAIN_URL);

const optionalPath = optional.refine(
  (value) => value === null || /^\/(?![/\\])[^\s\\]*$/.test(value),
  "It must be a path, as /api/v1/events/.",
);

const rate = z.number("It must be a number of USD, 0 or above.").nonnegative();
/** USD per million tokens. What is read from or written to a cache costs as `input` unless it is given. */
const modelPricesSchema = z.record(
  z.string(),
  z.strictObject({
    input: rate,
    output: rate,
    cached_input: rate.optional(),
    cache_write: rate.optional(),
  }),
);
const modelPrices = z
  .string()
  .default("{}")
  .transform((text, context) => {
    try {
      return modelPricesSchema.parse(JSON.parse(text === "" ? "{}" : text));
    } catch {
      const message =
        'It must be JSON of prices by model, as {"openai/llama3.3": {"input": 0, "output": 0}}.';
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }
  });

const identity = {
  APP_NAME: z.string().default("PIPELZR"),
  APP_VERSION: z.string().default("0.1.0"),
};

const variables = z.object({
  ...identity,
  /** `local` is set by `npm start` and `npm run dev` alone; it admits PIPELZR_DEV_API_KEY. */
  ENVIRONMENT: z.enum(["local", "production"]).default("production"),
  DEBUG: flag(false),
  PIPELZR_ADMIN_KEY: optional,
  PIPELZR_DEV_API_KEY: optional,
  /** HS256 secret shared with CommandCentral. */
  SECRET_KEY: optional,
  JWT_ALGORITHM: z.enum(["HS256", "RS256", "ES256", "EdDSA"]).default("HS256"),
  /** Upper bound of a token's age, counted from its `iat`. */
  JWT_EXPIRATION_HOURS: positive(24),
  JWT_JWKS_URL: optional,
  JWT_ISSUER: optional,
  JWT_AUDIENCE: optional,
  /** Projects of a CommandCentral user whose token names none; `*` is all, empty is none. */
  JWT_DEFAULT_PROJECTS: list(""),
  /** JSON of scopes by role, such as `{"user": ["tasks:*"]}`; roles that it leaves out have their defaults. */
  JWT_ROLE_SCOPES: optional,
  /** `id:base64` pairs, 32 bytes each, comma separated; the first encrypts, all decrypt. */
  SECRETS_MASTER_KEYS: list(""),
  CORS_ORIGINS: list(
    "http://localhost:3000,http://localhost:3001,http://localhost:3002,http://localhost:5173",
  ),
  RATE_LIMIT_REQUESTS: positive(10_000),
  RATE_LIMIT_WINDOW: positive(60),
  MAX_BODY_BYTES: positive(16 * 1024 * 1024),
  /** Whether the neighbours are called, and told what happens here. */
  COMMANDCENTRAL_ENABLED: flag(false),
  COMMANDCENTRAL_URL: serviceUrl("http://localhost:8000"),
  /** A token of CommandCentral, for calls that no user makes. */
  COMMANDCENTRAL_TOKEN: optional,
  /** Whether users whose projects it cannot tell now are refused; else they have what their token says. */
  COMMANDCENTRAL_REQUIRED: flag(false),
  /** Where entries of the audit log are sent; empty is nowhere. */
  COMMANDCENTRAL_AUDIT_PATH: optionalPath,
  /** Whether pipelines, tasks and agents are registered with its state tracker. */
  COMMANDCENTRAL_STATE_TRACKER: flag(false),
  VISLZR_ENABLED: flag(false),
  VISLZR_URL: serviceUrl("http://localhost:8002"),
  IDEALZR_ENABLED: flag(false),
  IDEALZR_URL: serviceUrl("http://localhost:8003"),
  /** Where people and neighbours reach this service, for links to what is here. */
  PUBLIC_URL: serviceUrl("http://localhost:8001"),
  DAGGER_ENABLED: flag(false),
  /** Commands on the hosts of runners that allow them. */
  SUBPROCESS_ENABLED: flag(false),
  E2B_ENABLED: flag(false),
  E2B_API_KEY: optional,
  /** For a self-hosted E2B, or a fake; E2B's own cloud without. */
  E2B_API_URL: optional,
  /** Where the sandboxes of that E2B are reached, all through one address. */
  E2B_SANDBOX_URL: optional,
  /** Creates that the account's plan allows: 1 a second on Hobby, 5 on Pro. */
  E2B_MAX_CREATES_PER_SECOND: positive(1),
  /** Sandboxes that this deployment has at once; the plans allow 20 on Hobby and 100 on Pro. */
  E2B_MAX_CONCURRENT: positive(20),
  E2B_DEFAULT_TEMPLATE: z.string().min(1).default("base"),
  /** Price of a sandbox: 2 vCPU at 0.0504 and 512 MiB at 0.0162 a GiB, as the default template has. */
  E2B_USD_PER_HOUR: z.coerce
    .number("It must be a number, 0 or above.")
    .nonnegative("It must be a number, 0 or above.")
    .default(0.1089),
  /** A sandbox that steps of a run share ends when none has used it for so long. */
  E2B_SHARED_IDLE_SECONDS: positive(60),
  /** Model of agents and prompts that name none; without, the first provider's that is configured. */
  DEFAULT_MODEL: optional,
  ANTHROPIC_API_KEY: optional,
  /** For a proxy; Anthropic's own API without. */
  ANTHROPIC_BASE_URL: optionalUrl,
  /** Needed by OpenAI itself; other servers may do without. */
  OPENAI_API_KEY: optional,
  /** Any server with OpenAI's chat completions, `/v1` included; OpenAI's own API without. */
  OPENAI_BASE_URL: optionalUrl,
  GEMINI_API_KEY: optional,
  /** The account and the token by which models of Workers AI are called. */
  CLOUDFLARE_ACCOUNT_ID: optional,
  CLOUDFLARE_API_TOKEN: optional,
  /** Prices that are added to the table in `agents/models/prices.ts`, or come over its. */
  MODEL_PRICES: modelPrices,
  /** An OTLP/HTTP collector that the traces of agents are sent to; without, they can only be read here. */
  OTEL_EXPORTER_OTLP_ENDPOINT: optionalUrl,
  /** `name=value` pairs, comma separated, that the collector is sent with each request. */
  OTEL_EXPORTER_OTLP_HEADERS: optional,
  OTEL_SERVICE_NAME: z.string().min(1).default("pipelzr"),
  /** Whether traces hold what was said to agents, by them, and by their tools. */
  OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: flag(false),
  /** Silence after which a model's stream is given up. */
  MODEL_STALL_SECONDS: positive(120),
  /** Hosts (`host` or `host:port`) that user-supplied URLs may reach although they are private. */
  OUTBOUND_ALLOW_HOSTS: list(""),
  /** DNS-over-HTTPS resolver that the outbound guard asks before it connects. */
  OUTBOUND_DOH_URL: z.string().default("https://cloudflare-dns.com/dns-query"),
  /** CPU time one local attempt may use; the platform enforces it when deployed. */
  LOCAL_CPU_MS: positive(30_000),
  /** Sessions that are initialized or in a turn, over the whole deployment. */
  MAX_CONCURRENT_AGENTS: positive(10),
  /** Steps of one turn of a session that sets none. */
  AGENT_MAX_ITERATIONS: positive(100),
  /** Working time of one turn of a session that sets none. */
  AGENT_TIMEOUT_SECONDS: positive(300),
  /** Runs of pipelines that have something in flight, over the whole deployment. */
  MAX_CONCURRENT_PIPELINES: positive(5),
  /** The time of a run whose definition sets none. */
  PIPELINE_TIMEOUT_SECONDS: positive(3_600),
  /** A tool call over MCP that takes longer is handed over as a task, to clients that follow tasks. */
  MCP_TASK_AFTER_SECONDS: z.coerce
    .number("It must be a number of seconds, 0 or above.")
    .nonnegative("It must be a number of seconds, 0 or above.")
    .max(50, "It must be 50 or below, as long as a call waits at all.")
    .default(5),
  /** Finished runs stay in their object this long before their events move to the blob store. */
  RUN_RETENTION_SECONDS: positive(86_400),
});

export type Config = Readonly<z.output<typeof variables>>;

/** The names of all variables, for whatever passes an environment on. */
export const VARIABLE_NAMES: readonly string[] = Object.keys(variables.shape);

const parsed = new WeakMap<object, Config>();

/** Parses the variables of an environment once; throws `misconfigured` with every problem. */
export function loadConfig(env: object): Config {
  const known = parsed.get(env);
  if (known) return known;
  const outcome = variables.safeParse(env);
  if (!outcome.success) {
    throw new ApiError(
      "misconfigured",
      "The service's variables are not usable; correct those listed.",
      {
        issues: outcome.error.issues.map((issue) => ({
          path: issue.path.join("."),
          message: issue.message,
        })),
      },
    );
  }
  parsed.set(env, outcome.data);
  return outcome.data;
}

/** Name and version, also of a service whose other variables are not usable. */
export function serviceIdentity(env: object): { service: string; version: string } {
  const known = z.object(identity).safeParse(env);
  const { APP_NAME, APP_VERSION } = known.success ? known.data : z.object(identity).parse({});
  return { service: APP_NAME, version: APP_VERSION };
}
