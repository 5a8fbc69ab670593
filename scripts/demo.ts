/**
 * `npm run demo`: boots the whole service on a state of its own, has it work on this repository's
 * source tree by tasks, by a pipeline, as a codebase, by skills and by an agent, shows what happens, and checks what
 * came of it. With `--all-executors` a second pipeline does so in isolates, containers, sandboxes and processes.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { modelVariables, performAgents } from "./demo/agents.ts";
import { performCodebase } from "./demo/codebase.ts";
import { allExecutors, LOCAL_ONLY } from "./demo/executors.ts";
import { performTasks } from "./demo/perform.ts";
import { performRelay } from "./demo/relay.ts";
import { performReview } from "./demo/review.ts";
import { performSkills } from "./demo/skills.ts";
import { readSources } from "./demo/sources.ts";
import { freshDevVars } from "./lib/dev-vars.ts";
import { freePort } from "./lib/probe.ts";
import { prepareService } from "./lib/service.ts";

/** How a command ends that Ctrl-C ended. */
const INTERRUPTED = 130;
const interruption = new AbortController();

async function demonstrate(data: string, isOnAll: boolean): Promise<boolean> {
  const began = performance.now();
  const since = () => `${((performance.now() - began) / 1_000).toFixed(1)} s`;
  let output = "";
  const onOutput = (text: string) => {
    output += text;
  };
  const executors = isOnAll ? await allExecutors(data, onOutput) : LOCAL_ONLY;
  const variables = { ...freshDevVars(), ...modelVariables(), ...executors.variables };
  const service = await prepareService({
    hostname: "127.0.0.1",
    port: await freePort(),
    data,
    variables,
    onOutput,
  });
  try {
    if (interruption.signal.aborted) return false;
    interruption.signal.addEventListener("abort", () => void service.stop());
    await service.start();
    await executors.attach(service.url, variables.PIPELZR_DEV_API_KEY);
    console.log(`PIPELZR runs at ${service.url} (built and booted in ${since()})`);
    const stage = {
      url: service.url,
      key: variables.PIPELZR_DEV_API_KEY,
      sources: await readSources(),
      interruption: interruption.signal,
    };
    let problems = await performTasks(stage);
    if (!interruption.signal.aborted) problems += await performCodebase(stage);
    if (!interruption.signal.aborted) problems += await performReview(stage);
    if (!interruption.signal.aborted) problems += await performSkills(stage);
    if (!interruption.signal.aborted) problems += await performAgents(stage);
    if (isOnAll && !interruption.signal.aborted) problems += await performRelay(stage);
    if (interruption.signal.aborted) return false;
    if (problems > 0) console.error(output);
    console.log(
      problems === 0
        ? `All of it went as it must, in ${since()} altogether.`
        : "Not all of it went as it must; the service's own words are above.",
    );
    return problems === 0;
  } finally {
    await executors.stop();
    await service.stop();
  }
}

async function main(): Promise<boolean> {
  const options = { "all-executors": { type: "boolean", default: false } } as const;
  const { values } = parseArgs({ options });
  const data = await mkdtemp(join(tmpdir(), "pipelzr-demo-"));
  try {
    return await demonstrate(data, values["all-executors"]);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    if (interruption.signal.aborted) process.exit(INTERRUPTED);
    interruption.abort();
  });
}
try {
  const good = await main();
  process.exitCode = good ? 0 : 1;
} catch (error) {
  process.exitCode = 1;
  if (!interruption.signal.aborted) {
    process.stderr.write(`pipelzr: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}
if (interruption.signal.aborted) process.exitCode = INTERRUPTED;
