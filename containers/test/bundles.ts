/**
 * Beside the `containers` lane: bundles of what its tests start as processes again and again, made
 * once. Most of the life of such a process is loading: some hundred modules, those of this repository
 * with types that have to be removed first.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";
import type { TestProject } from "vitest/node";
import { rootPath } from "../../scripts/lib/paths.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Variables of a process that runs from bundles. */
    bundled: Readonly<Record<"NODE_OPTIONS" | "NODE_COMPILE_CACHE", string>>;
  }
}

const require = createRequire(import.meta.url);

const OURS = [
  "containers/fakes/dagger/main.ts",
  "containers/fakes/e2b/main.ts",
  "containers/runner/src/dagger/child.ts",
  "containers/runner/src/main.ts",
].map((path) => rootPath(path));

/** What the child of an attempt loads of the SDK, by itself and late. */
const SDK = [
  "./api/client.gen.js",
  "./common/context.js",
  "./common/graphql/connection.js",
  "./common/graphql/client.js",
].map((path) => resolve(dirname(require.resolve("@dagger.io/dagger")), path));

/** Packages that are no ES modules ask for Node's own by this. */
const BANNER = `import { createRequire as requireOf } from "node:module";
const require = requireOf(import.meta.url);`;

/** Modules of this repository find others by where they are themselves. */
const keepPlaces: Plugin = {
  name: "keep-places",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.ts$/ }, async ({ path }) => ({
      loader: "ts",
      contents: (await readFile(path, "utf8"))
        .replaceAll("import.meta.dirname", JSON.stringify(dirname(path)))
        .replaceAll("import.meta.url", JSON.stringify(urlOf(path))),
    })),
};

async function bundle(entries: readonly string[], folder: string): Promise<Map<string, string>> {
  const { metafile } = await build({
    entryPoints: [...entries],
    outdir: folder,
    outbase: rootPath(),
    outExtension: { ".js": ".mjs" },
    ...{ bundle: true, splitting: true, metafile: true, format: "esm", platform: "node" },
    ...{ target: "node22", logLevel: "warning", banner: { js: BANNER } },
    plugins: [keepPlaces],
  });
  return new Map(
    Object.entries(metafile.outputs).flatMap(([output, { entryPoint }]): [string, string][] =>
      entryPoint === undefined ? [] : [[urlOf(entryPoint), urlOf(output)]],
    ),
  );
}

/** esbuild names files from the working directory. */
const urlOf = (path: string) => pathToFileURL(path).href;

/** Bundles the hook that leads from modules to their bundles; returns its path. */
async function bundleRedirect(bundles: ReadonlyMap<string, string>, folder: string) {
  const outfile = join(folder, "redirect.cjs");
  await build({
    entryPoints: [join(import.meta.dirname, "redirect.ts")],
    ...{ outfile, bundle: true, format: "cjs", platform: "node" },
    define: {
      FOLDER: JSON.stringify(urlOf(folder)),
      BUNDLES: JSON.stringify(Object.fromEntries(bundles)),
      ROOT: JSON.stringify(urlOf(rootPath("package.json"))),
    },
  });
  return outfile;
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "pipelzr-bundles-"));
  const redirect = await bundleRedirect(await bundle([...OURS, ...SDK], folder), folder);
  project.provide("bundled", {
    NODE_OPTIONS: `--require=${JSON.stringify(redirect)}`,
    NODE_COMPILE_CACHE: join(folder, "compile-cache"),
  });
  return () => rm(folder, { recursive: true, force: true });
}
