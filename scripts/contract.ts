/**
 * `npm run contract`: runs the contract suite on every executor and writes what passed into the
 * README. Dagger and E2B are this repository's fakes, by their real SDKs.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { TASK_TYPES } from "../workers/executors/port.ts";
import { runTool } from "./lib/command.ts";
import { contractTable, reportSchema, tally, withTable } from "./lib/contract-table.ts";
import { rootPath } from "./lib/paths.ts";

const SUITES = ["contract", "local.workers"];

const folder = await mkdtemp(join(tmpdir(), "pipelzr-contract-"));
try {
  const report = join(folder, "report.json");
  const { code, output } = await runTool("vitest", [
    ...["run", "--project", "workers", "--project", "containers"],
    ...["--reporter", "json", "--outputFile", report, ...SUITES],
  ]);
  const results = reportSchema.parse(JSON.parse(await readFile(report, "utf8")));
  const table = contractTable(tally(results, TASK_TYPES), TASK_TYPES);
  const readme = rootPath("README.md");
  await writeFile(readme, withTable(await readFile(readme, "utf8"), table));
  console.log(table);
  if (code !== 0) process.stderr.write(output);
  process.exitCode = code;
} finally {
  await rm(folder, { recursive: true, force: true });
}
