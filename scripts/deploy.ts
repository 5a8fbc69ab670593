/**
 * `npm run deploy`: checks the built Worker against its budget, lists what it needs, applies the
 * migrations and deploys. `--dry-run` stops after the list.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { BUDGET } from "./lib/budget.ts";
import { build } from "./lib/build.ts";
import { type Descriptor, type Modules, readModules } from "./lib/bundle.ts";
import { runTool } from "./lib/command.ts";
import { measureStartup } from "./lib/startup.ts";

const { values: options } = parseArgs({
  options: { "dry-run": { type: "boolean", default: false } },
});

/** Secrets of a deployment: what each is for, and what happens without it. */
const SECRETS = [
  ["PIPELZR_ADMIN_KEY", "the first key, to create API keys with"],
  ["SECRETS_MASTER_KEYS", "encrypts stored secrets; without it /api/v1/secrets refuses"],
  ["SECRET_KEY", "verifies CommandCentral's HS256 tokens, unless JWT_JWKS_URL is set"],
  ["E2B_API_KEY", "for E2B_ENABLED alone"],
  ["ANTHROPIC_API_KEY", "for models of Anthropic"],
  ["OPENAI_API_KEY", "for models of OpenAI, or of the server at OPENAI_BASE_URL if it asks"],
  ["GEMINI_API_KEY", "for models of Google"],
  ["CLOUDFLARE_API_TOKEN", "for models of Workers AI, with CLOUDFLARE_ACCOUNT_ID"],
  ["OTEL_EXPORTER_OTLP_HEADERS", "for a collector of traces that wants a key"],
] as const;

const kib = (bytes: number) => `${Math.ceil(bytes / 1024).toLocaleString("en")} KiB`;

interface Figure {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: (value: number) => string;
}

async function figuresOf(descriptor: Descriptor, modules: Modules): Promise<Figure[]> {
  const contents = Object.values(modules).map((module) => Buffer.from(module.contents));
  const bytes = contents.reduce((sum, content) => sum + content.byteLength, 0);
  const compressed = contents.reduce((sum, content) => sum + gzipSync(content).byteLength, 0);
  const startup = await measureStartup(descriptor, modules);
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  return [
    { name: "size", value: bytes, limit: BUDGET.bundleBytes, unit: kib },
    { name: "compressed", value: compressed, limit: BUDGET.compressedBytes, unit: kib },
    { name: "start-up", value: startup, limit: BUDGET.startupMs, unit: ms },
  ];
}

function listNeeds({ config, crons, migrations }: Descriptor): void {
  console.log("\nBindings");
  for (const [name, binding] of Object.entries(config.env ?? {})) {
    console.log(`  ${name.padEnd(20)} ${binding.type}`);
  }
  console.log(`  ${"cron".padEnd(20)} ${crons.join(", ")}`);
  console.log("\nMigrations, applied before the Worker is deployed where they are not yet");
  for (const { name } of migrations) console.log(`  ${name}`);
  console.log("\nSecrets to set once, with `npx wrangler secret put NAME`");
  for (const [name, purpose] of SECRETS) console.log(`  ${name.padEnd(20)} ${purpose}`);
}

async function deploy(database: string): Promise<void> {
  const account = await runTool("wrangler", ["whoami"]);
  if (account.code !== 0 || /not authenticated/i.test(account.output)) {
    throw new Error(
      "No Cloudflare account is at hand. Run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN and " +
        "CLOUDFLARE_ACCOUNT_ID, and deploy again.",
    );
  }
  const found = await runTool("wrangler", ["d1", "info", database]);
  if (found.code !== 0) {
    throw new Error(
      "The account has no database named in wrangler.toml yet. Create what the Worker binds, once:\n" +
        "  npx wrangler d1 create pipelzr          and put the id it prints into wrangler.toml\n" +
        "  npx wrangler r2 bucket create pipelzr-blobs\n" +
        "  npx wrangler queues create pipelzr-outbox\n" +
        `wrangler said:\n${found.output}`,
    );
  }
  for (const args of [["d1", "migrations", "apply", database, "--remote"], ["deploy"]]) {
    console.log(`\n$ wrangler ${args.join(" ")}`);
    const { code } = await runTool("wrangler", args, { stdio: "inherit" });
    if (code !== 0) throw new Error(`\`wrangler ${args.join(" ")}\` failed; nothing after it ran.`);
  }
}

async function main(): Promise<void> {
  const { dist, descriptor } = await build();
  const figures = await figuresOf(descriptor, await readModules(dist));
  for (const { name, value, limit, unit } of figures) {
    const mark = value <= limit ? "✓" : "✗";
    console.log(`${mark} ${name.padEnd(11)} ${unit(value).padStart(10)} of ${unit(limit)}`);
  }
  listNeeds(descriptor);
  const over = figures.filter(({ value, limit }) => value > limit).map(({ name }) => name);
  if (over.length > 0) {
    throw new Error(`Over budget: ${over.join(", ")}. The budget is in scripts/lib/budget.ts.`);
  }
  if (options["dry-run"]) console.log("\nDry run: nothing was deployed.");
  else await deploy(descriptor.database);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`pipelzr: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
