/**
 * `npm run demo`: boots the whole service on a state of its own, has it work on this repository's
 * source tree, shows what happens, and checks what came of it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Display, type Row, table } from "./demo/display.ts";
import { demonstratePipeline } from "./demo/pipeline.ts";
import { readSources } from "./demo/sources.ts";
import { type DemoTask, demoTasks } from "./demo/tasks.ts";
import { Api, Client, type RunEvent } from "./lib/client.ts";
import { freshDevVars } from "./lib/dev-vars.ts";
import { freePort } from "./lib/probe.ts";
import { prepareService } from "./lib/service.ts";

/** How a command ends that Ctrl-C ended. */
const INTERRUPTED = 130;
const interruption = new AbortController();

interface Finished {
  readonly cells: readonly string[];
  readonly problem: string | null;
}

/** A line about an event, for people; null when it is not worth one. */
function noteOf(event: RunEvent): string | null {
  const error = Object(Object(event).error);
  switch (event.type) {
    case "attempt.started":
      return `attempt ${event.attempt}`;
    case "attempt.finished":
      return event.status === "failed" ? `attempt ${event.attempt}: ${event.message}` : null;
    case "step.waiting":
      return "waits to be tried again";
    case "log":
      return String(event.text).trimStart();
    case "run.failed":
      return String(error.message ?? "failed");
    default:
      return null;
  }
}

async function perform(
  demo: DemoTask,
  row: Row,
  client: Client,
  display: Display,
): Promise<Finished> {
  let problem: string | null = null;
  let cells = [row.name, "—", "—", "—", ""];
  try {
    const { id } = await client.start(demo.definition);
    const reactions: Promise<void>[] = [];
    for await (const event of client.events(id)) {
      if (event.type === "run.started") row.state = "running";
      const note = noteOf(event)?.split("\n")[0];
      if (note) {
        row.note = note;
        display.update(row);
      }
      const reaction = demo.onEvent?.(event, id, client);
      if (!reaction) continue;
      // It is waited for below, which is not reached when the events break off.
      reaction.catch(() => undefined);
      reactions.push(reaction);
    }
    await Promise.all(reactions);
    const task = await client.get(id);
    row.state = task.state;
    const duration = task.duration_ms === null ? "—" : `${task.duration_ms.toFixed(0)} ms`;
    cells = [row.name, task.state, String(task.attempt), duration, ""];
    const expected = demo.ends ?? "completed";
    if (task.state !== expected) {
      throw new Error(`it is ${task.state} instead of ${expected}: ${task.error ?? "no error"}`);
    }
    row.note = await demo.verify(task, client);
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
    // What fails because everything is being stopped is no news.
    if (!interruption.signal.aborted) row.note = `✗ ${problem}`;
  }
  if (!interruption.signal.aborted) display.update(row);
  return { cells: cells.with(-1, row.note), problem };
}

async function demonstrate(data: string): Promise<boolean> {
  const variables = freshDevVars();
  const began = performance.now();
  const since = () => `${((performance.now() - began) / 1_000).toFixed(1)} s`;
  let output = "";
  const service = await prepareService({
    hostname: "127.0.0.1",
    port: await freePort(),
    data,
    variables,
    onOutput: (text) => {
      output += text;
    },
  });
  try {
    if (interruption.signal.aborted) return false;
    interruption.signal.addEventListener("abort", () => void service.stop());
    await service.start();
    console.log(`PIPELZR runs at ${service.url} (built and booted in ${since()})`);
    const sources = await readSources();
    const api = new Api(service.url, variables.PIPELZR_DEV_API_KEY);
    const client = new Client(api);
    const tasks = await demoTasks(sources, client);
    console.log(`${tasks.length} tasks on the ${sources.size} files of this repository:\n`);
    const rows = tasks.map(({ definition }) => ({
      name: definition.name,
      state: "pending",
      note: "",
    }));
    const display = new Display(rows);
    display.start();
    const finished = await Promise.all(
      tasks.map((task, index) =>
        perform(task, rows[index] ?? { name: "", state: "", note: "" }, client, display),
      ),
    );
    display.stop();
    if (interruption.signal.aborted) return false;
    console.log(
      `\n${table(
        ["task", "state", "attempts", "time", "outcome"],
        finished.map(({ cells }) => cells),
      )}\n`,
    );
    const problems = finished.filter(({ problem }) => problem !== null);
    if (problems.length > 0) {
      console.error(output);
      console.log(`${problems.length} of ${tasks.length} tasks did not end as they must.`);
      return false;
    }
    await demonstratePipeline(api, sources, () => interruption.signal.aborted);
    if (interruption.signal.aborted) return false;
    console.log(`All ${tasks.length} tasks and the pipeline ended as they must, in ${since()}.`);
    return true;
  } finally {
    await service.stop();
  }
}

async function main(): Promise<boolean> {
  const data = await mkdtemp(join(tmpdir(), "pipelzr-demo-"));
  try {
    return await demonstrate(data);
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
