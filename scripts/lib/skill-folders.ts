/**
 * The skills of `examples/skills`, each as the bundle that is imported: as its folder is, but for a
 * script that imports others, which is made one module, since the code of a skill stands alone.
 */
import { glob, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { z } from "zod";
import type { BundleFile } from "../../workers/skills/bundle.ts";
import { packBundle } from "../../workers/skills/bundle-archive.ts";
import { rootPath } from "./paths.ts";

export const SKILLS_FOLDER = rootPath("examples/skills");
const SIDE_FILE = "pipelzr.json";
const EXECUTABLE = 0o100;
const IMPORT = /^import\s(?!type\s)/m;
/** The package that a path of a module leads into. */
const PACKAGE = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//;

const sideSchema = z.looseObject({
  implementation: z.looseObject({ script_file: z.string().optional() }).nullish(),
});
type Side = z.output<typeof sideSchema>;
const packageSchema = z.object({ name: z.string(), version: z.string(), license: z.string() });

/** Slugs, in their order. */
export async function skillFolders(): Promise<string[]> {
  const entries = await readdir(SKILLS_FOLDER, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? entry.name : [])).sort();
}

/** The archive to import, called as the folder says unless a version is given. */
export async function packSkill(
  slug: string,
  version: string | null = null,
): Promise<Uint8Array<ArrayBuffer>> {
  const folder = join(SKILLS_FOLDER, slug);
  const files: BundleFile[] = [];
  for await (const path of glob("**/*", { cwd: folder, exclude: (name) => isTest(name) })) {
    const found = await stat(join(folder, path));
    if (!found.isFile()) continue;
    const content = await readFile(join(folder, path));
    const isExecutable = (found.mode & EXECUTABLE) !== 0;
    if (path !== SIDE_FILE) files.push({ path, isExecutable, content });
    else files.push({ path, isExecutable, content: await sideFile(folder, content, version) });
  }
  return packBundle(
    slug,
    files.sort((left, right) => (left.path < right.path ? -1 : 1)),
    "tar.gz",
  );
}

const isTest = (path: string) => path.endsWith(".test.ts");

/** `pipelzr.json` with the module in the place of a script that imports others. */
async function sideFile(folder: string, content: Buffer, version: string | null): Promise<Buffer> {
  const side = sideSchema.parse(JSON.parse(content.toString("utf8")));
  const implementation = await alone(folder, side.implementation ?? null);
  const made = { ...side, implementation, ...(version !== null && { version }) };
  return Buffer.from(JSON.stringify(made));
}

async function alone(folder: string, implementation: Side["implementation"]) {
  if (!implementation?.script_file) return implementation;
  const { script_file, ...rest } = implementation;
  const source = await readFile(join(folder, script_file), "utf8");
  if (!IMPORT.test(source)) return implementation;
  return { ...rest, type: "javascript", script: await moduleOf(folder, script_file) };
}

async function moduleOf(folder: string, script_file: string): Promise<string> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: folder,
    entryPoints: [script_file],
    ...{ bundle: true, write: false, metafile: true, format: "esm", target: "es2022" },
    // As isolates are: neither Node nor a browser's page. Names stay, for the sake of messages.
    ...{ platform: "browser", minifySyntax: true, minifyWhitespace: true, logLevel: "silent" },
  });
  const packages = await packagesOf(folder, Object.keys(metafile.inputs));
  const contains = packages.length === 0 ? "" : ` It contains ${packages.join(", ")}.`;
  const head = `// Made of ${script_file}, which is a file of this skill.${contains}`;
  return `${head}\n${outputFiles.map(({ text }) => text).join("\n")}`;
}

/** What is taken in, with the licences that want to be told. */
async function packagesOf(folder: string, inputs: readonly string[]): Promise<string[]> {
  const folders = new Set(inputs.flatMap((path) => PACKAGE.exec(path)?.[1] ?? []));
  const told = [...folders].map(async (path) => {
    const text = await readFile(join(folder, path, "package.json"), "utf8");
    const { name, version, license } = packageSchema.parse(JSON.parse(text));
    return `${name} ${version} (${license})`;
  });
  return (await Promise.all(told)).sort();
}
