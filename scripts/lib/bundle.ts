/**
 * The built service: what `wrangler deploy` uploads, and beside it everything that the host needs
 * to run it, so that a restart reads a few files and no configuration tool.
 */
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import type { MiniflareWorkerConfig } from "miniflare";
import { z } from "zod";

/** The folder of modules and the description beside it, in the folder of a build. */
export const MODULES_FOLDER = "worker";
export const DESCRIPTOR_FILE = "service.json";
export const MAIN_MODULE = "index.js";

const descriptorSchema = z.object({
  /** Hash of everything that the build read. */
  inputs: z.string(),
  /** Miniflare's options of the Worker, without its modules; Miniflare itself validates them. */
  config: z.custom<MiniflareWorkerConfig>(
    (value) => typeof value === "object" && value !== null && "compatibilityDate" in value,
  ),
  /** Cron expressions that the platform would fire. */
  crons: z.array(z.string()),
  /** The D1 binding that `migrations` belongs to. */
  database: z.string(),
  migrations: z.array(z.object({ name: z.string(), queries: z.array(z.string()) })),
});
export type Descriptor = z.output<typeof descriptorSchema>;
export type Migration = Descriptor["migrations"][number];
export type Modules = NonNullable<MiniflareWorkerConfig["manifest"]>["modules"];

/** Reads the description of the build in `dist`; null when there is none. */
export async function readDescriptor(dist: string): Promise<Descriptor | null> {
  const text = await readFile(join(dist, DESCRIPTOR_FILE), "utf8").catch(() => null);
  return text === null ? null : descriptorSchema.parse(JSON.parse(text));
}

type ModuleType = Modules[string]["type"];

function moduleType(file: string): ModuleType | null {
  switch (extname(file)) {
    case ".js":
      return "esm";
    case ".txt":
    case ".sql":
    case ".html":
    case ".scm":
      return "text";
    case ".bin":
    case ".gz":
      return "data";
    case ".wasm":
      return "wasm";
    default:
      return null;
  }
}

/** Reads the modules of the build in `dist`, by name. */
export async function readModules(dist: string): Promise<Modules> {
  const folder = join(dist, MODULES_FOLDER);
  const modules: Modules = {};
  for (const file of (await readdir(folder)).sort()) {
    const type = moduleType(file);
    if (type === null) continue;
    const bytes = await readFile(join(folder, file));
    const binary = type === "data" || type === "wasm";
    modules[file] = { type, contents: binary ? new Uint8Array(bytes) : bytes.toString("utf8") };
  }
  return modules;
}
