/**
 * `npm run bench`: measures tasks, pipelines, runners, codebases, skills, agents and what neighbours
 * cost, each beside its yardstick in the same run, and says how they compare. `npm run bench -- tasks`,
 * `-- pipelines`, `-- executors`, `-- codebases`, `-- skills`, `-- agents` or `-- neighbours` measures one of them;
 * `--runs N` repeats each measurement N times; `--only TEXT` measures the pipelines whose name
 * contains it, and records nothing.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { agentsNotes, agentsTable, areWhole, measureAgents } from "../bench/agents.ts";
import { codebasesNotes, codebasesTable, measureCodebases } from "../bench/codebases.ts";
import { executorsNotes, executorsTable, measureExecutors } from "../bench/executors.ts";
import {
  isToldExactly,
  measureNeighbours,
  neighboursNotes,
  neighboursTable,
} from "../bench/neighbours.ts";
import { measurePipelines } from "../bench/pipelines.ts";
import { endProgress } from "../bench/progress.ts";
import { isExact, measureSkills, skillsNotes, skillsTable } from "../bench/skills.ts";
import { measureTasks, tasksTable } from "../bench/tasks.ts";
import { growthOf, judge, memoryTable, notes, timesTable } from "../bench/verdicts.ts";
import { rootPath } from "./lib/paths.ts";

const TASK_RUNS = 5;
const SKILL_RUNS = 5;
const PARTS = ["tasks", "pipelines", "executors", "codebases", "skills", "agents", "neighbours"];
const PIPELINE_RUNS = 10;
const NEIGHBOUR_RUNS = 10;
const USAGE =
  "usage: npm run bench [-- [tasks | pipelines | executors | codebases | skills | agents | neighbours] [--runs N] [--only TEXT]]";

const machine = { cpu: cpus()[0]?.model.trim() ?? "unknown", cores: cpus().length };

async function record(name: string, runs: number, figures: object): Promise<void> {
  const results = rootPath("bench/results");
  await mkdir(results, { recursive: true });
  const written = { measured_at: new Date().toISOString(), machine, runs, ...figures };
  await writeFile(`${results}/${name}.json`, `${JSON.stringify(written, null, 2)}\n`);
  console.log(`\nWritten to bench/results/${name}.json.\n`);
}

async function benchTasks(runs: number): Promise<void> {
  const figures = await measureTasks(runs);
  endProgress();
  console.log(`Tasks, median of ${runs} runs\n\n${tasksTable(figures)}`);
  console.log(
    "\n  A task waits for two commits that are on the disk, the bare route for none: the rows with the\n" +
      "  state on a RAM disk tell how much of the ratio that is.",
  );
  await record("tasks", runs, figures);
}

async function benchPipelines(runs: number, only: string): Promise<void> {
  const workloads = await measurePipelines(runs, only);
  endProgress();
  console.log(
    `Pipelines, median of ${runs} runs, fewer of the longest\n\n${timesTable(workloads)}`,
  );
  console.log(`\n${memoryTable(workloads)}\n`);
  for (const note of notes(workloads)) console.log(`  ${note}`);
  const figures = workloads.map((figure) => ({ ...figure, ...judge(figure) }));
  if (only === "")
    await record("pipelines", runs, { growth: growthOf(workloads), workloads: figures });
  if (workloads.some(({ failure }) => failure !== null)) process.exitCode = 1;
}

async function benchExecutors(): Promise<void> {
  const figures = await measureExecutors();
  endProgress();
  console.log(`A companion runner\n\n${executorsTable(figures)}\n`);
  for (const note of executorsNotes(figures)) console.log(`  ${note}`);
  await record("executors", 1, figures);
  if (figures.burst.wrong > 0) process.exitCode = 1;
}

async function benchCodebases(): Promise<void> {
  const figures = await measureCodebases();
  endProgress();
  console.log(`A codebase\n\n${codebasesTable(figures)}\n`);
  for (const note of codebasesNotes(figures)) console.log(`  ${note}`);
  await record("codebases", 1, figures);
}

async function benchSkills(runs: number): Promise<void> {
  const figures = await measureSkills(runs);
  endProgress();
  console.log(`A warm skill, median of ${runs} runs\n\n${skillsTable(figures)}\n`);
  for (const note of skillsNotes(figures)) console.log(`  ${note}`);
  await record("skills", runs, figures);
  if (!isExact(figures)) process.exitCode = 1;
}

async function benchAgents(): Promise<void> {
  const figures = await measureAgents();
  endProgress();
  console.log(`Agent sessions\n\n${agentsTable(figures)}\n`);
  for (const note of agentsNotes(figures)) console.log(`  ${note}`);
  await record("agents", 1, figures);
  if (!areWhole(figures)) process.exitCode = 1;
}

async function benchNeighbours(runs: number): Promise<void> {
  const figures = await measureNeighbours(runs);
  endProgress();
  console.log(`Neighbours, median of ${runs} turns of ten runs\n\n${neighboursTable(figures)}\n`);
  for (const note of neighboursNotes(figures)) console.log(`  ${note}`);
  await record("neighbours", runs, figures);
  if (!isToldExactly(figures)) process.exitCode = 1;
}

interface Arguments {
  readonly what: string | null;
  readonly runs: number | null;
  readonly only: string;
}

function readArguments(): Arguments {
  const { values, positionals } = parseArgs({
    options: { runs: { type: "string" }, only: { type: "string", default: "" } },
    allowPositionals: true,
  });
  const [what = null, ...more] = positionals;
  const runs = values.runs === undefined ? null : Number(values.runs);
  const known = what === null || PARTS.includes(what);
  if (!known || more.length > 0 || (runs !== null && !(Number.isInteger(runs) && runs > 0))) {
    throw new Error(USAGE);
  }
  return { what, runs, only: values.only };
}

try {
  const { what, runs, only } = readArguments();
  console.log(`${machine.cpu}, ${machine.cores} cores\n`);
  const isAsked = (name: string) => what === null || what === name;
  if (isAsked("tasks")) await benchTasks(runs ?? TASK_RUNS);
  if (isAsked("pipelines")) await benchPipelines(runs ?? PIPELINE_RUNS, only);
  if (isAsked("executors")) await benchExecutors();
  if (isAsked("codebases")) await benchCodebases();
  if (isAsked("skills")) await benchSkills(runs ?? SKILL_RUNS);
  if (isAsked("agents")) await benchAgents();
  if (isAsked("neighbours")) await benchNeighbours(runs ?? NEIGHBOUR_RUNS);
} catch (error) {
  endProgress();
  process.stderr.write(`pipelzr: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
