/** Runs the official conformance suite of the Model Context Protocol, and reads what it came to. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootPath } from "../lib/paths.ts";

const CLI = rootPath("node_modules/@modelcontextprotocol/conformance/dist/index.js");
/** `- name [revisions it is for]` */
const LISTED = /^ {2}- ([\w-]+) \[([^\]]*)\]$/gm;
/** `✓ name: 3 passed, 0 failed`, of a suite. */
const SUMMED_UP = /^[✓✗] ([\w-]+): (\d+) passed, (\d+) failed/gm;
/** `Passed: 3/4, 1 failed, 0 warnings`, of one scenario. */
const COUNTED = /^Passed: (\d+)\/\d+, (\d+) failed/m;

export interface ScenarioResult {
  readonly scenario: string;
  /** Checks of it. */
  readonly passed: number;
  readonly failed: number;
}

/** The scenarios for servers that the installed suite has, with the revisions that each is for. */
export async function listScenarios(): Promise<ReadonlyMap<string, readonly string[]>> {
  const output = await run(["list", "--server"]);
  return new Map(
    [...output.matchAll(LISTED)].map(([, name = "", revisions = ""]) => [
      name,
      revisions.split(","),
    ]),
  );
}

/** Runs all scenarios for a revision of the protocol, whatever they come to. */
export async function runSuite(url: string, revision: string): Promise<ScenarioResult[]> {
  const output = await run([
    ...["server", "--url", url],
    ...["--suite", "all", "--spec-version", revision],
  ]);
  const results = [...output.matchAll(SUMMED_UP)].map(([, scenario = "", passed, failed]) => ({
    scenario,
    passed: Number(passed),
    failed: Number(failed),
  }));
  if (results.length === 0) throw new Error(`The suite did not run:\n${output}`);
  return results;
}

/** Runs one scenario, such as of an extension, which belongs to no revision. */
export async function runScenario(
  url: string,
  scenario: string,
  revision: string,
): Promise<ScenarioResult> {
  const output = await run([
    ...["server", "--url", url, "--scenario", scenario],
    ...["--spec-version", revision, "--force"],
  ]);
  const counted = COUNTED.exec(output);
  if (counted === null) throw new Error(`The scenario ${scenario} did not run:\n${output}`);
  return { scenario, passed: Number(counted[1]), failed: Number(counted[2]) };
}

/** It writes its findings into the folder that it is run in. */
async function run(args: readonly string[]): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), "pipelzr-conformance-"));
  try {
    return await new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [CLI, ...args], { cwd, stdio: "pipe" });
      const chunks: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
      child.once("error", reject);
      child.once("close", () => resolve(Buffer.concat(chunks).toString("utf8")));
    });
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
