/**
 * Bundles what runs inside Dynamic Workers into text files that the Worker imports: the harness of
 * JavaScript tasks, and just-bash for shell tasks. As text they cost nothing at the Worker's start.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "esbuild";
import { CHANGES } from "./lib/just-bash-changes.ts";

const local = fileURLToPath(new URL("../workers/executors/local/", import.meta.url));
const dist = `${local}dist/`;

/**
 * just-bash's browser entry leaves out tar and yq, which work in workerd; its main entry has them,
 * and names native modules and runtimes that do not: the commands that ask for those refuse.
 */
const JUST_BASH = fileURLToPath(import.meta.resolve("just-bash"));
const ABSENT = /^(sql\.js|quickjs-emscripten|@mongodb-js\/zstd|node-liblzma)$/;

/** The functions that just-bash asks of the compressions that are absent. */
const ABSENT_MODULE = `
const absent = () => { throw new Error("this compression is not available to local tasks; use gzip or bzip2"); };
export { absent as xzSync, absent as unxzSync, absent as compress, absent as decompress };
export default undefined;`;

const justBashInWorkerd: Plugin = {
  name: "just-bash-in-workerd",
  setup(bundle) {
    bundle.onResolve({ filter: /^just-bash\/browser$/ }, () => ({ path: JUST_BASH }));
    bundle.onResolve({ filter: ABSENT }, ({ path }) => ({ path, namespace: "absent" }));
    bundle.onLoad({ filter: /.*/, namespace: "absent" }, () => ({ contents: ABSENT_MODULE }));
    const unseen = new Set(CHANGES);
    bundle.onLoad({ filter: /\bjust-bash\/dist\/bundle\/.*\.js$/ }, async ({ path }) => {
      let contents = await readFile(path, "utf8");
      for (const change of CHANGES) {
        const [theirs, ours] = change;
        const changed = contents.replaceAll(theirs, ours);
        if (changed !== contents) unseen.delete(change);
        contents = changed;
      }
      return { contents };
    });
    bundle.onEnd(({ metafile }) => {
      const inputs = Object.keys(metafile?.inputs ?? {});
      if (!inputs.some((path) => path.includes("just-bash")) || unseen.size === 0) return;
      const missing = [...unseen].map(([theirs]) => theirs).join(", ");
      throw new Error(`just-bash no longer has ${missing}; see lib/just-bash-changes.ts.`);
    });
  },
};

const kib = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`;

await mkdir(dist, { recursive: true });
for (const child of ["javascript", "bash"]) {
  const { outputFiles } = await build({
    entryPoints: [`${local}child/${child}.ts`],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2024",
    platform: "node",
    conditions: ["workerd"],
    // A module of a Dynamic Worker has no URL of its own, which `createRequire` asks for.
    define: { "import.meta.url": '"file:///harness.js"' },
    plugins: [justBashInWorkerd],
    legalComments: "none",
    logLevel: "warning",
    metafile: true,
    write: false,
  });
  for (const { contents } of outputFiles) {
    // Moved into place, so that a build beside this one never reads half a file.
    const file = `${dist}${child}-child.bundle.txt`;
    await writeFile(`${file}.${process.pid}`, contents);
    await rename(`${file}.${process.pid}`, file);
    console.log(
      `${child} child: ${kib(contents.byteLength)}, ${kib(gzipSync(contents).byteLength)} gzip`,
    );
  }
}
