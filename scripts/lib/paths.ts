/** Where things are. The repository's root is found from this file, not from the working directory. */
import { resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

/** An absolute path inside the repository. */
export function rootPath(...segments: string[]): string {
  return resolve(ROOT, ...segments);
}

/** Everything that running PIPELZR on this machine leaves behind; `PIPELZR_DATA_DIR` moves it. */
export function dataPath(...segments: string[]): string {
  return resolve(process.env.PIPELZR_DATA_DIR || rootPath(".pipelzr"), ...segments);
}

/**
 * The variables of a local service that are made once and kept: beside wrangler.toml, where
 * `wrangler dev` looks, or in the data folder when that is set.
 */
export function devVarsPath(): string {
  return process.env.PIPELZR_DATA_DIR ? dataPath(".dev.vars") : rootPath(".dev.vars");
}
