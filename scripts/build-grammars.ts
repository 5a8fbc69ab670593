/**
 * Makes what reads source files: tree-sitter's core, ast-grep and the grammars as compressed data, and
 * the harnesses around them as text. As data they cost the Worker nothing until a language is asked for.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { z } from "zod";

const languages = fileURLToPath(new URL("../workers/codebases/languages/", import.meta.url));
const dist = `${languages}dist/`;

/**
 * Where each artifact comes from. Collections of prebuilt grammars come first: the packages of single
 * grammars bring native builds for every platform, ten times as large.
 */
const SOURCES: Readonly<Record<string, string>> = {
  core: "web-tree-sitter/web-tree-sitter.wasm",
  structure: "@ast-grep/wasm/wasm_bg.wasm",
  ...Object.fromEntries(
    [
      ...["bash", "cpp", "css", "go", "java", "javascript", "php", "python", "ruby", "rust"],
      ...["tsx", "typescript"],
    ].map((name) => [name, `@vscode/tree-sitter-wasm/wasm/tree-sitter-${name}.wasm`]),
  ),
  csharp: "@vscode/tree-sitter-wasm/wasm/tree-sitter-c-sharp.wasm",
  ...Object.fromEntries(
    ["c", "dart", "swift", "vue"].map((name) => [
      name,
      `@repomix/tree-sitter-wasms/out/tree-sitter-${name}.wasm`,
    ]),
  ),
  ...Object.fromEntries(
    ["kotlin", "lua", "toml", "yaml", "zig"].map((name) => [
      name,
      `@tree-sitter-grammars/tree-sitter-${name}/tree-sitter-${name}.wasm`,
    ]),
  ),
  ...Object.fromEntries(
    ["elixir", "html", "json", "scala"].map((name) => [
      name,
      `tree-sitter-${name}/tree-sitter-${name}.wasm`,
    ]),
  ),
};

/** Moved into place, so that a build beside this one never reads half a file. */
async function write(file: string, contents: Uint8Array): Promise<void> {
  await writeFile(`${dist}${file}.${process.pid}`, contents);
  await rename(`${dist}${file}.${process.pid}`, `${dist}${file}`);
}

const kib = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`;

await mkdir(dist, { recursive: true });
/** What each artifact was made of, so that only what has changed is compressed again. */
const MADE_OF = "sources.generated.json";
const made = z
  .record(z.string(), z.string())
  .catch({})
  .parse(JSON.parse(await readFile(`${dist}${MADE_OF}`, "utf8").catch(() => "{}")));
const digests: Record<string, string> = {};
let raw = 0;
let compressed = 0;
for (const [name, source] of Object.entries(SOURCES)) {
  const wasm = await readFile(fileURLToPath(new URL(`../node_modules/${source}`, import.meta.url)));
  raw += wasm.byteLength;
  const digest = createHash("sha256").update(wasm).digest("hex");
  digests[name] = digest;
  const present = await stat(`${dist}${name}.wasm.gz`).catch(() => null);
  if (made[name] === digest && present !== null) {
    compressed += present.size;
    continue;
  }
  const data = gzipSync(wasm, { level: 9 });
  compressed += data.byteLength;
  await write(`${name}.wasm.gz`, data);
}
await write(MADE_OF, Buffer.from(JSON.stringify(digests)));
const count = Object.keys(SOURCES).length - 2;
console.log(`${count} grammars, the core and ast-grep: ${kib(raw)}, ${kib(compressed)} gzip`);

const CHILDREN = {
  "parser-child": "child/parser.ts",
  "structure-child": "structure-child/main.ts",
};
for (const [name, entry] of Object.entries(CHILDREN)) {
  const { outputFiles } = await build({
    entryPoints: [`${languages}${entry}`],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2024",
    platform: "node",
    conditions: ["workerd"],
    external: ["./*.wasm", "./parts.txt"],
    // A module of a Dynamic Worker has no URL of its own.
    define: { "import.meta.url": '"file:///main.js"' },
    legalComments: "none",
    logLevel: "warning",
    write: false,
  });
  for (const { contents } of outputFiles) {
    await write(`${name}.bundle.txt`, contents);
    console.log(`${name}: ${kib(contents.byteLength)}, ${kib(gzipSync(contents).byteLength)} gzip`);
  }
}
