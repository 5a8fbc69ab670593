/** Translates wrangler.toml and the migrations for the host. */
import { readD1Migrations } from "@cloudflare/vitest-plugin";
import { convertV4MiniflareOptions } from "miniflare";
import { unstable_readConfig } from "wrangler";
import { type Descriptor, MAIN_MODULE } from "./bundle.ts";
import { rootPath } from "./paths.ts";
import { readWorkerOptions } from "./worker-options.ts";

const CONFIG = rootPath("wrangler.toml");

/** What the host needs to know of wrangler.toml, in Miniflare's terms. */
export async function describeService(): Promise<Omit<Descriptor, "inputs">> {
  const { modulesRules: _, ...options } = readWorkerOptions(CONFIG).options;
  const toml = unstable_readConfig({ config: CONFIG });
  const database = toml.d1_databases[0];
  if (!database?.migrations_dir) {
    throw new Error("wrangler.toml names no D1 database with a migrations_dir; PIPELZR needs one.");
  }
  const source = { path: MAIN_MODULE, type: "ESModule" as const, contents: "" };
  const converted = convertV4MiniflareOptions({
    workers: [{ ...options, name: toml.name ?? "pipelzr", bindings: toml.vars, modules: [source] }],
  });
  const config = converted.workers[0]?.config;
  if (!config) throw new Error("Miniflare's option converter returned no Worker.");
  const { manifest: __, ...rest } = config;
  return {
    config: rest,
    crons: toml.triggers.crons ?? [],
    database: database.binding,
    migrations: await readD1Migrations(rootPath(database.migrations_dir)),
  };
}
