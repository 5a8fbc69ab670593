/**
 * Bundles what runs inside Dynamic Workers into text files that the Worker imports: the harness of
 * JavaScript tasks, and just-bash for shell tasks. As text they cost nothing at the Worker's start.
 */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "esbuild";

const local = fileURLToPath(new URL("../workers/executors/local/", import.meta.url));
const dist = `${local}dist/`;

/**
 * just-bash's browser entry leaves out tar and yq, which work in workerd; its main entry has them,
 * and names native modules and runtimes that do not: the commands that ask for those refuse.
 */
const JUST_BASH = fileURLToPath(import.meta.resolve("just-bash"));
const ABSENT = /^(sql\.js|quickjs-emscripten|@mongodb-js\/zstd|node-liblzma)$/;

const justBashInWorkerd: Plugin = {
  name: "just-bash-in-workerd",
  setup(bundle) {
    bundle.onResolve({ filter: /^just-bash\/browser$/ }, () => ({ path: JUST_BASH }));
    bundle.onResolve({ filter: ABSENT }, ({ path }) => ({ path, namespace: "absent" }));
    bundle.onLoad({ filter: /.*/, namespace: "absent" }, () => ({
      contents: "export default undefined;",
    }));
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
