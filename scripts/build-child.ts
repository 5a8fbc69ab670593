/**
 * Bundles what runs inside Dynamic Workers into text files that the Worker imports: the harness of
 * JavaScript tasks, and just-bash for shell tasks. As text they cost nothing at the Worker's start.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const local = fileURLToPath(new URL("../workers/executors/local/", import.meta.url));

const kib = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`;

for (const child of ["javascript", "bash"]) {
  const outfile = `${local}dist/${child}-child.bundle.txt`;
  await build({
    entryPoints: [`${local}child/${child}.ts`],
    outfile,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2024",
    platform: "node",
    conditions: ["workerd", "browser"],
    legalComments: "none",
    logLevel: "warning",
  });
  const text = await readFile(outfile);
  console.log(`${child} child: ${kib(text.byteLength)}, ${kib(gzipSync(text).byteLength)} gzip`);
}
