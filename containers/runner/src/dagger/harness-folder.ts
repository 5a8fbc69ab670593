/**
 * The harness of scripts as a folder that any container with Node.js can run: the same code that runs
 * them as processes of this machine, its types removed, with the modules that it imports.
 */
import { createHash, randomUUID } from "node:crypto";
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { rootPath } from "../../../../scripts/lib/paths.ts";
import { stripTypes } from "../../../../workers/executors/local/typescript.ts";
import { HARNESS as ENTRY } from "../subprocess/program.ts";
import { HARNESS } from "./places.ts";

const IMPORT = /(?<=\bfrom\s*)"([^"]+)"/g;
/** Node takes what ends so for a module, wherever it lies. */
const SUFFIX = ".mjs";

const inRepository = (path: string) => relative(rootPath(), path);

/** What a container runs for a script. */
export const HARNESS_ENTRY = join(HARNESS, `${inRepository(ENTRY)}${SUFFIX}`);

interface Modules {
  /** JavaScript by its path below the repository's root. */
  readonly sources: Map<string, string>;
  readonly packages: Set<string>;
}

async function collectModule(path: string, modules: Modules): Promise<void> {
  const name = inRepository(path);
  if (modules.sources.has(name)) return;
  const code = stripTypes(await readFile(path, "utf8"));
  modules.sources.set(
    name,
    code.replaceAll(IMPORT, (whole, specifier: string) =>
      specifier.startsWith(".") ? `"${specifier}${SUFFIX}"` : whole,
    ),
  );
  for (const [, specifier = ""] of code.matchAll(IMPORT)) {
    if (specifier.startsWith(".")) await collectModule(resolve(dirname(path), specifier), modules);
    else if (!specifier.startsWith("node:")) modules.packages.add(specifier);
  }
}

/** Folders that this process is making. */
const drafts = new Set<string>();

/**
 * Makes the folder below `parent`, named by its content; one that is there already stays. Whatever else
 * lies there is of an earlier version of the runner, or was not finished, and is removed.
 */
export async function makeHarnessFolder(parent: string): Promise<string> {
  const modules: Modules = { sources: new Map(), packages: new Set() };
  await collectModule(ENTRY, modules);
  const hash = createHash("sha256");
  for (const [name, code] of modules.sources) hash.update(`${name}\0${code}\0`);
  const require = createRequire(import.meta.url);
  const packages = [...modules.packages].map((name) => require.resolve(`${name}/package.json`));
  for (const path of packages) hash.update(await readFile(path));
  const folder = join(parent, hash.digest("hex").slice(0, 16));
  const draft = `${folder}.${randomUUID()}`;
  drafts.add(draft);
  for (const [name, code] of modules.sources) {
    const target = join(draft, `${name}${SUFFIX}`);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, code);
  }
  for (const [index, name] of [...modules.packages].entries()) {
    const source = dirname(packages[index] ?? "");
    await cp(source, join(draft, "node_modules", name), { recursive: true });
  }
  try {
    await rename(draft, folder);
  } catch (error) {
    const isThere = error instanceof Error && "code" in error;
    if (!isThere || (error.code !== "ENOTEMPTY" && error.code !== "EEXIST")) throw error;
    await rm(draft, { recursive: true, force: true });
  }
  drafts.delete(draft);
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    if (path !== folder && !drafts.has(path)) await rm(path, { recursive: true, force: true });
  }
  return folder;
}
