/** The demo's tasks, started together, shown as they run, and held against what Node computed. */
import { Client, type TaskEvent } from "../lib/client.ts";
import { Display, type Row, table } from "./display.ts";
import type { Stage } from "./stage.ts";
import { type DemoTask, demoTasks } from "./tasks.ts";
import { inFigures } from "./words.ts";

interface Finished {
  readonly cells: readonly string[];
  readonly problem: string | null;
}

/** A line about an event, for people; null when it is not worth one. */
function noteOf(event: TaskEvent): string | null {
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
  interruption: AbortSignal,
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
    if (!interruption.aborted) row.note = `✗ ${problem}`;
  }
  if (!interruption.aborted) display.update(row);
  return { cells: cells.with(-1, row.note), problem };
}

/** Resolves with how many did not end as they must. */
export async function performTasks({ url, key, sources, interruption }: Stage): Promise<number> {
  const client = new Client(url, key);
  const tasks = await demoTasks(sources, client);
  console.log(
    `${tasks.length} tasks on the ${inFigures(sources.size)} files of this repository:\n`,
  );
  const rows = tasks.map(({ definition }) => ({
    name: definition.name,
    state: "pending",
    note: "",
  }));
  const display = new Display(rows);
  display.start();
  const finished = await Promise.all(
    tasks.map((task, index) => {
      const row = rows[index] ?? { name: "", state: "", note: "" };
      return perform(task, row, client, display, interruption);
    }),
  );
  display.stop();
  if (interruption.aborted) return 0;
  const cells = finished.map((one) => one.cells);
  console.log(`\n${table(["task", "state", "attempts", "time", "outcome"], cells)}\n`);
  const problems = finished.filter(({ problem }) => problem !== null).length;
  console.log(
    problems === 0
      ? `All ${tasks.length} tasks ended as they must.\n`
      : `${problems} of ${tasks.length} tasks did not end as they must.\n`,
  );
  return problems;
}
