/** Builds the service into `dist/`, once for the same inputs. */
import { createHash } from "node:crypto";
import { glob, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { DESCRIPTOR_FILE, type Descriptor, MODULES_FOLDER, readDescriptor } from "./bundle.ts";
import { runScript, runTool } from "./command.ts";
import { rootPath } from "./paths.ts";

const DIST = rootPath("dist");

const INPUTS = [
  "workers/**/*.{ts,js,json,html,css,sql,scm,txt}",
  "migrations/*.sql",
  "scripts/build-child.ts",
  "scripts/build-grammars.ts",
  "scripts/lib/build.ts",
  "wrangler.toml",
  "package-lock.json",
];

/** Every file that a build reads; tests and what the build itself generates are not among them. */
export async function inputFiles(): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob(INPUTS, { cwd: rootPath() })) {
    if (
      !/(\.test\.ts|\.d\.ts|\.generated\.\w+|\.bundle\.txt)$|^workers\/test\/|\/testdata\//.test(
        file,
      )
    )
      files.push(file);
  }
  return files.sort();
}

async function hashInputs(): Promise<string> {
  const hash = createHash("sha256");
  for (const file of await inputFiles()) {
    hash.update(`${file}\0`);
    hash.update(await readFile(rootPath(file)));
  }
  return hash.digest("hex");
}

export interface BuildResult {
  readonly dist: string;
  readonly descriptor: Descriptor;
  /** False when the last build was of the same inputs. */
  readonly built: boolean;
}

/** Makes `dist/` match the sources. Throws with the tool's own output when they do not build. */
export async function build(): Promise<BuildResult> {
  const inputs = await hashInputs();
  const last = await readDescriptor(DIST).catch(() => null);
  if (last?.inputs === inputs) return { dist: DIST, descriptor: last, built: false };

  const [child, grammars] = await Promise.all([
    runScript("build-child"),
    runScript("build-grammars"),
  ]);
  if (child.code !== 0)
    throw new Error(`The local executor's child did not build:\n${child.output}`);
  if (grammars.code !== 0)
    throw new Error(`The parsers of languages did not build:\n${grammars.output}`);

  // Built aside and moved into place, so that a service that restarts meanwhile finds a whole build.
  const staging = join(DIST, `staging-${process.pid}`);
  await mkdir(staging, { recursive: true });
  try {
    const wrangler = await runTool("wrangler", ["deploy", "--dry-run", "--outdir", staging]);
    if (wrangler.code !== 0) throw new Error(`The service did not build:\n${wrangler.output}`);
    // Loading wrangler takes a second, which a start with nothing to build does not spend.
    process.env.WRANGLER_LOG ??= "error";
    const { describeService } = await import("./describe.ts");
    const descriptor = { inputs, ...(await describeService()) };
    await rm(join(DIST, DESCRIPTOR_FILE), { force: true });
    await rm(join(DIST, MODULES_FOLDER), { recursive: true, force: true });
    await rename(staging, join(DIST, MODULES_FOLDER));
    await writeFile(join(DIST, DESCRIPTOR_FILE), JSON.stringify(descriptor));
    return { dist: DIST, descriptor, built: true };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}
