/** The structure that README.md draws, held against the imports. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";

const MAX_LINES = 500;
const MAX_MEDIAN_LINES = 120;

/** From the lowest layer up; a file imports from its own layer and from those below it. */
const LAYERS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["foundation", /^workers\/(config\.ts|http\/|security\/|database\/)/],
  ["executors", /^workers\/executors\//],
  ["runs", /^workers\/runs\//],
  [
    "features",
    /^workers\/(agents|audit|commandcentral|idealzr|tasks|pipelines|codebases|delivery|integrations|keys|secrets|runners|dead-letters|operations|console|skills|mcp|vislzr|webhooks)\//,
  ],
  [
    "app",
    /^workers\/(app|services|run-coordinator|agent-session|runner-pool|remote-attempt|codebase-index|couriers|subjects|webhook-couriers|skills|skill-gateway|backends|bury|queues)\.ts/,
  ],
  ["index", /^workers\/index\.ts/],
];

/** Logic without I/O: it runs, and is tested, without a runtime around it. */
const PURE = new RegExp(
  `^workers/(${[
    "agents/(mcp/(spec|names|pinned|content)|accounts|call-key|message-end|order|spec|spawn|result-tool|view|workspace/(overlay|patch))",
    "agents/machine/[a-z-]+",
    "agents/models/(messages|port|complete|names|providers|prompt|failures|step-events|output-schema|strict-schema|operator|prices|pricing)",
    "agents/session/(conversation|estimate|call-specs|bundle-schema|row|snapshot)",
    "agents/traces/(conventions|spans|otlp)",
    "audit/chain",
    "codebases/(intake|query|diff)/[a-z0-9-]+",
    "codebases/git/(advertisement|delta|errors|files|pack|pkt-line)",
    "codebases/languages/(child/[a-z-]+|traits|registry|parsed-file|empty-answer|words|resolve|resolve-[a-z0-9_]+|references|repomap|map-graph|pagerank)",
    "commandcentral/(projects|lookups|audit-entries|tracker)",
    "delivery/(message|schedule|target)",
    "executors/(port|tree-archive|output-file|artifact-path|workspace-path|detached|e2b/(drive|reach|lease|usage|state|explain|labels|network|script|node-harness|sandbox|ports)|runner/(protocol|matching|leases|output-buffer|tracker|accepted-outcome|pool-types))",
    "http/audit-record",
    "idealzr/(evidence|mapping)",
    "integrations/(names|view)",
    "mcp/(origin|task-id)",
    "pipelines/(definition|agents|agent-work|mounts|why|why-step|document|skills|children|draft|places|prepared|contexts|compile|evaluate|work|matrix|cache-request|check|check-[a-z0-9_]+)",
    "runs/(machine|machine/[a-z-]+|rerun|taken-files|codebases|locations|named-paths|nested|nesting|pins|skills|state|retry|suspects|types|address|explain|events|graph|rest|expressions|expressions-[a-z0-9_]+)",
    "security/(roles|masking[a-z0-9_]*|masking-[a-z0-9_]+|outbound-(url|hosts|addresses))",
    "skills/(reference|semver|slug|changes|check|check-[a-z0-9_]+|bundle|bundle-archive|skill-md|digest|files|render|expressions|grants|mount|order|work|kind|invocation-document|invocation-view)",
    "tasks/(rules|files|artifact-globs|backend-members)",
    "vislzr/(chunks|digest|graph|nodes|record|wanted)",
    "webhooks/(events|signature|names|view)",
  ].join("|")})\\.ts$`,
);
const RUNTIME = /^(cloudflare:|hono|drizzle-orm)/;

const sources = globSync("workers/**/*.ts", { cwd: process.cwd() })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => !/\.d\.ts$|\/testdata\//.test(path))
  .sort();
const product = sources.filter(
  (path) =>
    !/\.test\.ts$|^workers\/test\/|\/(contract|contract-support|contract-trees|backend-executor|test-support)|machine-(simulator|witness|fixture)|inspection-fixture/.test(
      path,
    ),
);

const text = new Map(sources.map((path) => [path, readFileSync(path, "utf8")]));
const linesOf = (path: string) => (text.get(path) ?? "").split("\n").length - 1;

function importsOf(path: string): string[] {
  const specifiers = (text.get(path) ?? "").matchAll(
    /^(?:import|export)\s[^;"]*?from\s+"([^"]+)"|^import\s+"([^"]+)"/gm,
  );
  return [...specifiers].map((match) => match[1] ?? match[2] ?? "");
}

/** What a file imports from this repository, as paths from its root. */
function localImports(path: string): string[] {
  return importsOf(path)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => normalize(join(dirname(path), specifier)).replaceAll("\\", "/"));
}

const layerOf = (path: string) => LAYERS.findIndex(([, pattern]) => pattern.test(path));

describe("the structure", () => {
  it("has a layer for every file", () => {
    expect(product.length).toBeGreaterThan(50);
    expect(product.filter((path) => layerOf(path) < 0)).toEqual([]);
  });

  it("is imported one way", () => {
    const upward = product.flatMap((path) =>
      localImports(path)
        .filter((target) => layerOf(target) > layerOf(path))
        .map((target) => `${path} imports ${target}`),
    );
    expect(upward).toEqual([]);
  });

  it("keeps each feature's repository to itself", () => {
    const featureOf = (path: string) => /^workers\/(\w+)\//.exec(path)?.[1];
    const foreign = product.flatMap((path) =>
      localImports(path)
        .filter((target) => target.endsWith("/repository.ts"))
        .filter((target) => featureOf(target) !== featureOf(path) && layerOf(path) < 4)
        .map((target) => `${path} imports ${target}`),
    );
    expect(foreign).toEqual([]);
  });

  it("keeps the HTTP framework out of services and repositories", () => {
    const users = product.filter(
      (path) =>
        /\/(service|repository|coordinator|engine|store)\.ts$/.test(path) &&
        importsOf(path).some((specifier) => /^(hono|@hono)/.test(specifier)),
    );
    expect(users).toEqual([]);
  });

  it("keeps pure logic free of the runtime", () => {
    const pure = product.filter((path) => PURE.test(path));
    expect(pure.length).toBeGreaterThan(12);
    const impure = pure.flatMap((path) =>
      importsOf(path)
        .filter((specifier) => RUNTIME.test(specifier))
        .map((specifier) => `${path} imports ${specifier}`),
    );
    expect(impure).toEqual([]);
  });

  it("has only files that can be read in one go", () => {
    const long = sources
      .filter((path) => linesOf(path) > MAX_LINES)
      .map((path) => `${path}: ${linesOf(path)} lines`);
    expect(long).toEqual([]);
    const sizes = product.map(linesOf).sort((a, b) => a - b);
    expect(sizes[Math.floor(sizes.length / 2)]).toBeLessThanOrEqual(MAX_MEDIAN_LINES);
  });
});
