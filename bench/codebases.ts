/**
 * How fast a code base is indexed, how large its index is, and how soon searches of it answer, beside
 * ripgrep over the same files in the same run. The tree is made of the packages that this repository
 * installs, at the versions of its lockfile.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { table } from "../scripts/demo/display.ts";
import { rootPath } from "../scripts/lib/paths.ts";
import { blobOid } from "../workers/codebases/intake/git-objects.ts";
import { tarOf } from "../workers/codebases/intake/test-support-archives.ts";
import { drawQueries, textOf } from "../workers/test/code-queries.ts";
import { Random } from "../workers/test/random.ts";
import { CodebaseClient, codebase, snapshot } from "./codebase-client.ts";
import { type GrowthFigures, measureGrowth } from "./codebase-growth.ts";
import { type MeasuredService, withService } from "./fixture.ts";
import { showProgress } from "./progress.ts";
import { quantile } from "./statistics.ts";

const PACKAGES = [
  "@opentelemetry",
  "just-bash",
  "miniflare",
  "@dagger.io",
  "zod",
  "drizzle-orm",
  "web-streams-polyfill",
  "graphql",
  "@types",
  "@grpc",
  "hono",
];
const TEXT = /\.(?:[cm]?[jt]sx?|json|md|graphql|proto)$/;
const MAX_FILE_BYTES = 1_000_000;
const LITERALS = 200;
const EXPRESSIONS = 100;
const UPDATES = 10;
const SEED = 5;
/** Expressions that hold no three letters in a row to look up. */
const SCANS = ["\\d{4}-\\d{2}-\\d{2}", "[A-Z]{6,}", "0x[0-9a-f]{8}"];

/** Code of a shape, in some 20 MB of JavaScript and TypeScript. */
const STRUCTURE = "path:/^@opentelemetry\\//";
const STRUCTURES = [
  "$LIST.reduce($$$)",
  "process.nextTick($$$)",
  "throw new TypeError($MESSAGE)",
  "new Map($$$)",
  "$A?.unref()",
  "JSON.stringify($VALUE)",
  "Promise.race($$$)",
  "Object.defineProperty(exports, $NAME, $$$)",
  "clearTimeout($TIMER)",
  "$A instanceof Error",
];

interface Tree {
  readonly root: string;
  readonly files: readonly string[];
  readonly bytes: number;
}

export interface Delays {
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly max_ms: number;
}

export interface CodebaseFigures {
  readonly files: number;
  readonly megabytes: number;
  readonly archive_megabytes: number;
  readonly text: { readonly seconds: number; readonly megabytes_per_second: number };
  readonly symbols: { readonly seconds: number; readonly megabytes_per_second: number };
  /** Of the index with all contents, of the source. */
  readonly size_ratio: number;
  readonly identifier: Delays;
  readonly literal: Delays;
  readonly regex: Delays;
  readonly scan: Delays;
  readonly backtracking_ms: number;
  readonly symbol: Delays;
  /** The first of them starts the isolates of its languages. */
  readonly structure: Delays & { readonly first_ms: number };
  /** Null without the history. */
  readonly growth: GrowthFigures | null;
  readonly ripgrep: Delays | null;
  readonly update: Delays;
  /** Contents that an update of one file added, at most. */
  readonly update_contents: number;
}

/** Copies what is text of the packages, so that archive and ripgrep see the same. */
function makeTree(root: string): Tree {
  const files: string[] = [];
  let bytes = 0;
  for (const name of PACKAGES) {
    const from = rootPath(join("node_modules", name));
    for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || !TEXT.test(entry.name)) continue;
      const { size } = statSync(path);
      if (size > MAX_FILE_BYTES) continue;
      const to = join(name, path.slice(from.length + 1));
      mkdirSync(dirname(join(root, to)), { recursive: true });
      cpSync(path, join(root, to));
      files.push(to);
      bytes += size;
    }
  }
  return { root, files, bytes };
}

function delaysOf(values: readonly number[]): Delays {
  return {
    p50_ms: quantile(values, 0.5),
    p95_ms: quantile(values, 0.95),
    max_ms: Math.max(...values),
  };
}

async function until(ready: () => Promise<boolean>): Promise<void> {
  while (!(await ready())) await delay(20);
}

export async function measureCodebases(): Promise<CodebaseFigures> {
  const folder = await mkdtemp(join(tmpdir(), "pipelzr-tree-"));
  try {
    showProgress("Codebases:", "copying the tree");
    const tree = makeTree(folder);
    return await withService({}, (service) => measure(service, tree));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(service: MeasuredService, tree: Tree): Promise<CodebaseFigures> {
  const client = new CodebaseClient(service);
  const { id } = codebase.parse(await client.post("/api/v1/codebases", { name: "tree" }));
  client.path = `/api/v1/codebases/${id}`;
  const packed = spawnSync("tar", ["czf", "-", "."], { cwd: tree.root, maxBuffer: 1 << 30 });
  const megabytes = tree.bytes / 1e6;

  showProgress("Codebases:", "indexing");
  const started = performance.now();
  await client.call("/archive", { method: "POST", body: new Uint8Array(packed.stdout) });
  const state = async () => snapshot.parse(await client.call("/snapshots/1"));
  await until(async () => (await state()).state === "ready");
  const textSeconds = (performance.now() - started) / 1_000;
  await until(async () => {
    const { symbols } = await state();
    showProgress("Codebases:", `symbols ${symbols.parsed}/${symbols.of}`);
    return symbols.parsed === symbols.of;
  });
  const symbolSeconds = (performance.now() - started) / 1_000 - textSeconds;
  const { index } = codebase.parse(await client.call(""));

  const texts = tree.files.map((path) => readFileSync(join(tree.root, path), "utf8"));
  const drawn = drawQueries(texts, (LITERALS + EXPRESSIONS) * 3, SEED);
  const words = drawn.filter(({ kind, source }) => kind === "literal" && source.trim().length >= 4);
  const literals = words.slice(0, LITERALS).map(textOf);
  const expressions = drawn
    .filter(({ kind }) => kind === "regex")
    .slice(0, EXPRESSIONS)
    .map(textOf);
  const timesOf = async (label: string, queries: readonly string[]) => {
    const found: number[] = [];
    for (const [at, q] of queries.entries()) {
      showProgress("Codebases:", `${label} ${at + 1}/${queries.length}`);
      found.push(await client.search({ q }));
    }
    return found;
  };
  const times = async (label: string, queries: readonly string[]) =>
    delaysOf(await timesOf(label, queries));
  await times("warming up", literals.slice(0, 20));
  const literal = await times("literals", literals);
  const identifier = await times("identifiers", identifiersOf(texts));
  const regex = await times("expressions", expressions);
  const scan = await times(
    "scans",
    SCANS.map((source) => `content:/${source}/ case:yes`),
  );
  const symbol = await times(
    "symbols",
    drawn
      .flatMap(({ source }) => /[A-Za-z]{5,}/.exec(source) ?? [])
      .slice(0, EXPRESSIONS)
      .map((name) => `sym:${name}`),
  );
  const [firstStructure = 0, ...structures] = await timesOf(
    "structures",
    STRUCTURES.map((code) => `ast:"${code}" ${STRUCTURE}`),
  );
  const { update, contents } = await measureUpdates(client, tree);
  return {
    files: tree.files.length,
    megabytes,
    archive_megabytes: packed.stdout.byteLength / 1e6,
    text: { seconds: textSeconds, megabytes_per_second: megabytes / textSeconds },
    symbols: { seconds: symbolSeconds, megabytes_per_second: megabytes / symbolSeconds },
    size_ratio: (index?.bytes ?? 0) / tree.bytes,
    ...{ identifier, literal, regex, scan, symbol },
    structure: { ...delaysOf(structures), first_ms: firstStructure },
    growth: await measureGrowth(service),
    backtracking_ms: await measureBacktracking(service),
    ripgrep: measureRipgrep(
      tree,
      words.slice(0, 30).map(({ source }) => source),
    ),
    update: delaysOf(update),
    update_contents: Math.max(...contents),
  };
}

/** Words of the texts, each as likely as its file is to be picked. */
function identifiersOf(texts: readonly string[]): string[] {
  const random = new Random(SEED);
  const queries: string[] = [];
  while (queries.length < LITERALS) {
    const words = random.pick(texts).match(/[A-Za-z_][A-Za-z0-9_]{5,}/g);
    if (words !== null) queries.push(`content:"${random.pick(words)}" case:yes`);
  }
  return queries;
}

/** A snapshot that differs in one file, from the first byte sent until a search finds the change. */
async function measureUpdates(client: CodebaseClient, tree: Tree) {
  const manifest = tree.files.map((path) => {
    const content = readFileSync(join(tree.root, path));
    return [path, blobOid(content), content.byteLength] as const;
  });
  const update: number[] = [];
  const contents: number[] = [];
  const pushed = z.object({ snapshot, missing: z.array(z.unknown()) });
  let known = codebase.parse(await client.call("")).index?.contents ?? 0;
  for (let at = 0; at < UPDATES; at += 1) {
    showProgress("Codebases:", `updates ${at + 1}/${UPDATES}`);
    const needle = `updateNeedle${at}`;
    const content = Buffer.from(`export const ${needle} = ${at};\n`);
    const changed = ["changed.ts", blobOid(content), content.byteLength] as const;
    const started = performance.now();
    const begun = pushed.parse(await client.post("/manifest", { files: [...manifest, changed] }));
    await client.call(`/snapshots/${begun.snapshot.number}/blobs`, {
      method: "POST",
      body: new Uint8Array(tarOf([{ name: "changed.ts", content }])),
    });
    const answer = z.object({ items: z.array(z.unknown()) });
    const { items } = answer.parse(await client.call(`/search?q=${needle}`));
    update.push(performance.now() - started);
    if (items.length !== 1) throw new Error(`The update ${needle} is not found.`);
    const now = codebase.parse(await client.call("")).index?.contents ?? 0;
    contents.push(now - known);
    known = now;
  }
  return { update, contents };
}

/** An expression that other engines need years for, in a file that is made for it. */
async function measureBacktracking(service: MeasuredService): Promise<number> {
  const client = new CodebaseClient(service);
  const content = Buffer.from(`${"a".repeat(28)}!\n`);
  const { id } = codebase.parse(await client.post("/api/v1/codebases", { name: "backtracking" }));
  client.path = `/api/v1/codebases/${id}`;
  await client.post("/manifest", { files: [["a.txt", blobOid(content), content.byteLength]] });
  const body = new Uint8Array(tarOf([{ name: "a.txt", content }]));
  await client.call("/snapshots/1/blobs", { method: "POST", body });
  return client.search({ q: "content:/(a+)+$/" });
}

/** Each with the start of its process; null where it is not installed. */
function measureRipgrep(tree: Tree, literals: readonly string[]): Delays | null {
  if (spawnSync("rg", ["--version"]).status !== 0) return null;
  const times = literals.map((literal) => {
    const started = performance.now();
    spawnSync("rg", ["-n", "-F", "--hidden", "--no-ignore", "--regexp", literal, "."], {
      cwd: tree.root,
      maxBuffer: 1 << 30,
    });
    return performance.now() - started;
  });
  return delaysOf(times);
}

const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

export function codebasesTable(figures: CodebaseFigures): string {
  const row = (what: string, { p50_ms, p95_ms, max_ms }: Delays) => [
    what,
    ms(p50_ms),
    ms(p95_ms),
    ms(max_ms),
  ];
  return table(
    ["", "p50", "p95", "max"],
    [
      row("an identifier", figures.identifier),
      row("a piece of a line", figures.literal),
      row("an expression", figures.regex),
      row("an expression without letters to look up", figures.scan),
      row("a definition by name", figures.symbol),
      row("code of a shape, in 23 MB of it", figures.structure),
      ...(figures.ripgrep === null ? [] : [row("ripgrep, a piece of a line", figures.ripgrep)]),
      row("one file changed, until it is found", figures.update),
    ],
  );
}

export function codebasesNotes(figures: CodebaseFigures): string[] {
  const { files, megabytes, archive_megabytes, text, symbols, size_ratio, growth } = figures;
  const speed = (value: number) => `${value.toFixed(1)} MB/s`;
  return [
    `${files} files, ${megabytes.toFixed(1)} MB, sent as ${archive_megabytes.toFixed(1)} MB.`,
    `Searchable after ${text.seconds.toFixed(1)} s (${speed(text.megabytes_per_second)}), symbols ${symbols.seconds.toFixed(1)} s later (${speed(symbols.megabytes_per_second)}).`,
    `The index with all contents is ${size_ratio.toFixed(2)} times the source.`,
    `The first search for code of a shape, which starts isolates, took ${ms(figures.structure.first_ms)}.`,
    ...(growth === null
      ? []
      : [
          `The last ${growth.commits} commits of this repository, from ${growth.first_megabytes.toFixed(1)} to ${growth.last_megabytes.toFixed(1)} MB: ${growth.contents_ratio.toFixed(2)} times as many contents as the last has, in an index ${growth.size_ratio.toFixed(2)} times as large as of that alone, in ${growth.seconds.toFixed(0)} s.`,
        ]),
    `(a+)+$ over 28 letters: ${ms(figures.backtracking_ms)}. An update adds ${figures.update_contents} content at most.`,
  ];
}
