/** `npm run test:chaos`: the tests that depend on chance, with their full counts. */
import process from "node:process";
import { build } from "./lib/build.ts";
import { runTool } from "./lib/command.ts";

/** Variables that the tests read; one that is set keeps its value. */
const FULL_COUNTS = {
  /** Runs, with half as many kills of the process. */
  CHAOS_RUNS: "200",
  /** Runs of pipelines, with half as many kills and more. */
  CHAOS_PIPELINE_RUNS: "100",
  /** Turns of agents, with a kill each. */
  CHAOS_AGENT_TURNS: "200",
  /** Kills of the process while calls are written down. */
  CHAOS_AUDIT_KILLS: "20",
  /** Random schedules of the run machine. */
  MACHINE_RUNS: "50000",
  /** Requests with random bodies. */
  FUZZ_REQUESTS: "10000",
  /** Deaths of every kind at every step of an ingest, every fault of a neighbour at every call. */
  TEST_ALL_CRASHES: "true",
};

await build();
const env = Object.fromEntries(
  Object.entries(FULL_COUNTS).map(([name, count]) => [name, process.env[name] || count]),
);
const args = [
  "run",
  "--project",
  "unit",
  "--project",
  "workers",
  "--project",
  "e2e",
  "crash",
  "properties",
  "dags",
  "fuzz",
  "vislzr/faults",
];
const { code } = await runTool("vitest", args, { env, stdio: "inherit" });
process.exitCode = code;
