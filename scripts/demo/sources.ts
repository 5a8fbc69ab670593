/** The demo's input: this repository's own source tree. */
import { glob, readFile } from "node:fs/promises";
import { rootPath } from "../lib/paths.ts";

export type Sources = ReadonlyMap<string, string>;

const PATTERNS = ["{workers,scripts,bench}/**/*.ts", "migrations/*.sql", "*.{ts,toml,json}"];
const LEFT_OUT = /^package-lock\.json$|(^|\/)(dist|node_modules)\//;

/** Paths, relative to the repository's root, and texts. */
export async function readSources(): Promise<Sources> {
  const sources = new Map<string, string>();
  for await (const path of glob(PATTERNS, { cwd: rootPath() })) {
    if (!LEFT_OUT.test(path)) sources.set(path, await readFile(rootPath(path), "utf8"));
  }
  return sources;
}

/** Sources as a definition gives them. */
export const filesOf = (sources: Sources, choose: (path: string) => boolean) =>
  Object.fromEntries([...sources].filter(([path]) => choose(path)));

export const isTypeScript = (path: string) => path.includes("/") && path.endsWith(".ts");

/** Tests are not reviewed. */
export const isReviewed = (path: string) =>
  isTypeScript(path) && !/\.test\.ts$|\/test\//.test(path);

/** As what the demo pushes is called, and stands in the workspace of a step. */
export const CODEBASE = "pipelzr";

/** The same choice in a step's script, where the codebase is mounted; `code/` is cut off. */
export const LIST_REVIEWED = `ctx.files.list("code/**/*.ts").map((path) => path.slice(5)).filter((path) => path.includes("/") && !/\\.test\\.ts$|\\/test\\//.test(path)).sort()`;
