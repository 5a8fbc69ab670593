/** `npm run check`: everything that can be said about the sources without running them. */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import process from "node:process";
import { runTool } from "./lib/command.ts";
import { lockfileSchema, missingOptionalPackages } from "./lib/lockfile.ts";
import { rootPath } from "./lib/paths.ts";

interface Check {
  readonly name: string;
  /** What to run when it fails. */
  readonly remedy: string;
  /** Resolves with what is wrong; an empty string when nothing is. */
  run(): Promise<string>;
}

const colors = process.stdout.isTTY === true;

async function tool(name: string, ...args: string[]): Promise<string> {
  const { code, output } = await runTool(name, args);
  return code === 0 ? "" : output;
}

const checks: readonly Check[] = [
  {
    name: "types",
    remedy: "correct the types",
    run: () => tool("tsc", "--noEmit", "--pretty", String(colors)),
  },
  {
    name: "format and lint",
    remedy: "npm run format",
    run: () => tool("biome", "ci", "--error-on-warnings", `--colors=${colors ? "force" : "off"}`),
  },
  {
    name: "binding types",
    remedy: "npm run types",
    // Without an env file of its own the tool would add the variables of .dev.vars.
    run: () =>
      tool("wrangler", "types", "--include-runtime=false", "--check", "--env-file", "/dev/null"),
  },
  {
    name: "migrations",
    remedy: "npx drizzle-kit generate --name <what-changes>",
    run: async () => {
      const { migrationDrift } = await import("./lib/migration-drift.ts");
      const statements = await migrationDrift();
      return statements.join("\n");
    },
  },
  {
    name: "lockfile",
    remedy: "npm run lockfile",
    run: async () => {
      const lock = JSON.parse(await readFile(rootPath("package-lock.json"), "utf8"));
      const missing = missingOptionalPackages(lockfileSchema.parse(lock));
      return missing.map((entry) => `${entry.name}@${entry.version} has no entry`).join("\n");
    },
  },
];

async function perform(check: Check): Promise<boolean> {
  const began = performance.now();
  const problem = await check.run().catch((error: unknown) => String(error));
  const took = `${((performance.now() - began) / 1_000).toFixed(1)} s`;
  console.log(`${problem === "" ? "✓" : "✗"} ${check.name.padEnd(16)} ${took}`);
  if (problem !== "") console.log(`${problem.trimEnd()}\n→ ${check.remedy}\n`);
  return problem === "";
}

const queue = [...checks];
let failed = 0;
async function work(): Promise<void> {
  for (let check = queue.shift(); check; check = queue.shift()) {
    if (!(await perform(check))) failed += 1;
  }
}
await Promise.all(Array.from({ length: Math.min(availableParallelism(), checks.length) }, work));
console.log(failed === 0 ? "All checks passed." : `${failed} of ${checks.length} checks failed.`);
process.exitCode = failed === 0 ? 0 : 1;
