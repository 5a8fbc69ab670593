/**
 * `npm test`: builds, runs every lane and reports on all of them at once. The lane inside workerd
 * waits more than it computes, and cannot share a group of vitest with lanes that have more workers
 * than its one; so it runs in a vitest of its own beside the others. Arguments are vitest's: those
 * that choose tests make it one run.
 */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { build } from "./lib/build.ts";
import { runTool } from "./lib/command.ts";

const SIDE_BY_SIDE = [["unit", "containers", "e2e"], ["workers"]];
/** Options of the report alone. */
const REPORTING = /^--(reporter|outputFile)\b[^=]*=/;

const secondsSince = (began: number) => `${((performance.now() - began) / 1_000).toFixed(0)} s`;

/** Runs lanes and leaves what came of them as a file; resolves with what went wrong beside tests. */
async function runLanes(lanes: readonly string[], folder: string): Promise<string> {
  const began = performance.now();
  const file = `${lanes.join("-")}.json`;
  const { output } = await runTool("vitest", [
    "run",
    ...lanes.map((lane) => `--project=${lane}`),
    ...["--reporter=blob", `--outputFile.blob=${join(folder, file)}`],
  ]);
  console.log(`${lanes.join(", ")}: ended after ${secondsSince(began)}`);
  return (await readdir(folder)).includes(file) ? "" : output;
}

async function runAll(reporting: readonly string[]): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "pipelzr-reports-"));
  try {
    const shown = SIDE_BY_SIDE.map((lanes) => lanes.join(", ")).join("; beside them: ");
    console.log(`Running ${shown}. All results come together at the end, within some minutes.`);
    const problems = await Promise.all(SIDE_BY_SIDE.map((lanes) => runLanes(lanes, folder)));
    for (const problem of problems) process.stderr.write(problem);
    const merge = ["run", `--merge-reports=${folder}`, ...reporting];
    const { code } = await runTool("vitest", merge, { stdio: "inherit" });
    return problems.some((problem) => problem !== "") ? code || 1 : code;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const { built } = await build();
if (built) console.log("Built dist/.");
const args: readonly string[] = process.argv.slice(2);
process.exitCode = args.every((arg) => REPORTING.test(arg))
  ? await runAll(args)
  : (await runTool("vitest", ["run", ...args], { stdio: "inherit" })).code;
