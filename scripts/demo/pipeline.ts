/**
 * The demo's pipeline: measures this repository folder by folder, waits for an approval, fails, and
 * is retried from where it failed. What it finds is held against what Node counts, here.
 */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { Api, RunEvent } from "../lib/client.ts";
import { Display, type Row, table } from "./display.ts";
import type { Sources } from "./sources.ts";

const pipelineSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  error: z.string().nullable(),
  outputs: z.unknown(),
});
const dryRunSchema = z.looseObject({ rerun: z.array(z.string()), reuse: z.array(z.string()) });
const graphSchema = z.looseObject({
  nodes: z.array(
    z.looseObject({
      name: z.string(),
      state: z.string(),
      group: z.string().nullable(),
      attempt: z.int(),
      reused_from: z.int().nullable(),
      duration_ms: z.number().nullable(),
    }),
  ),
  critical_path: z.object({ duration_ms: z.number(), steps: z.array(z.string()) }),
});
type Graph = z.output<typeof graphSchema>;

/** What is said of an item in one character. */
const SYMBOLS = new Map([
  ["running", "◐"],
  ["completed", "●"],
  ["failed", "✗"],
  ["cancelled", "○"],
]);

const folderOf = (path: string) => path.split("/").slice(0, -1).join("/");
const linesOf = (text: string) => text.split("\n").length - 1;

function definition(files: Readonly<Record<string, string>>) {
  return {
    name: "measure-this-repository",
    description: "Counts the lines of every folder, and lets a person look before it reports",
    max_parallel: 6,
    tasks: [
      {
        name: "list-folders",
        files,
        script: `export default (_, { files }) => [...new Set(files.list("**/*.ts")
  .map((path) => path.split("/").slice(0, -1).join("/")))].sort();`,
      },
      {
        name: "measure",
        needs: ["list-folders"],
        strategy: { matrix: { folder: "${{ tasks.list-folders.result }}" }, max_parallel: 4 },
        files,
        inputs: { folder: "${{ matrix.folder }}" },
        script: `export default ({ folder }, { files }) => {
  const paths = files.list(folder + "/*.ts");
  const lines = paths.reduce((sum, path) => sum + files.read(path).split("\\n").length - 1, 0);
  return { folder, files: paths.length, lines };
};`,
      },
      {
        name: "fetch-limit",
        needs: ["list-folders"],
        retry: { max_attempts: 3, backoff: "fixed", initial_seconds: 0.2, jitter: false },
        script: `export default (_, { attempt }) => {
  if (attempt < 2) throw new Error("the moon is in the wrong phase");
  return { lines_per_folder: 1_000_000 };
};`,
      },
      {
        name: "approve",
        needs: ["measure"],
        approval: {
          message: "${{ tasks.measure.state }}: publish the figures?",
          timeout_seconds: 60,
        },
      },
      {
        name: "check",
        needs: ["approve", "measure", "fetch-limit"],
        inputs: {
          measured: "${{ tasks.measure.results }}",
          limit: "${{ tasks.fetch-limit.result.lines_per_folder }}",
        },
        script: `export default ({ measured, limit }, { run }) => {
  if (run === 1) throw new Error("fails in every first run, to show a retry from failure");
  return measured.every(({ result }) => result.lines < limit);
};`,
      },
      {
        name: "report",
        needs: ["check", "measure"],
        inputs: { measured: "${{ tasks.measure.results }}" },
        script: `export default ({ measured }) => measured.reduce(
  (sum, { result }) => ({ files: sum.files + result.files, lines: sum.lines + result.lines }),
  { files: 0, lines: 0 });`,
      },
      {
        name: "on-failure",
        needs: ["check"],
        if: "failure()",
        command: "echo the check failed, and this step ran because of it",
      },
    ],
    outputs: { total: "${{ tasks.report.result }}" },
  };
}

/** One line a step; of a matrix, a symbol an item. */
class Board {
  readonly #rows: readonly Row[];
  readonly #items = new Map<string, string[]>();
  readonly display: Display;

  constructor(names: readonly string[], reused: readonly string[]) {
    this.#rows = names.map((name) =>
      reused.includes(name)
        ? { name, state: "completed", note: "reused" }
        : { name, state: "pending", note: "" },
    );
    this.display = new Display(this.#rows);
  }

  take(event: RunEvent): void {
    const [, name = "", item] = /^(.+?)(?:\[(\d+)\])?$/.exec(String(event.step ?? "")) ?? [];
    const row = this.#rows.find((each) => each.name === name);
    if (!row) return;
    const state = stateAfter(event);
    const note = noteOf(event);
    const isNews = state !== null || note !== null || event.type === "step.expanded";
    if (!isNews) return;
    if (item === undefined) {
      if (event.type === "step.expanded")
        this.#items.set(name, Array(Number(event.items)).fill("·"));
      else row.state = state ?? row.state;
      row.note = note ?? row.note;
    } else {
      const symbols = this.#items.get(name) ?? [];
      symbols[Number(item)] = SYMBOLS.get(state ?? "") ?? symbols[Number(item)] ?? "·";
      row.state = "running";
      row.note = symbols.join("");
      // Where nothing can be redrawn, a line for each of many items says no more than the last.
      if (symbols.some((symbol) => symbol !== "●")) return;
    }
    this.display.update(row);
  }
}

function stateAfter({ type, status }: RunEvent): string | null {
  switch (type) {
    case "attempt.started":
      return "running";
    case "attempt.finished":
      return String(status);
    case "gate.opened":
    case "step.waiting":
      return "waiting";
    case "gate.approved":
    case "step.completed":
      return "completed";
    case "step.failed":
      return "failed";
    case "step.skipped":
      return "skipped";
    default:
      return null;
  }
}

function noteOf(event: RunEvent): string | null {
  switch (event.type) {
    case "attempt.started":
      return "";
    case "attempt.finished":
      return event.status === "failed" ? (String(event.message).split("\n")[0] ?? "") : "";
    case "step.waiting":
      return "waits to be tried again";
    case "gate.opened":
      return "waits for an approval";
    case "gate.approved":
      return `approved by ${String(event.by)}`;
    default:
      return null;
  }
}

function demand(condition: boolean, problem: string): void {
  if (!condition) throw new Error(problem);
}

/** Runs the pipeline and its retry, showing both; throws with what is other than it must be. */
export async function demonstratePipeline(
  api: Api,
  sources: Sources,
  isInterrupted: () => boolean,
): Promise<void> {
  const files = Object.fromEntries(
    [...sources].filter(([path]) => path.includes("/") && path.endsWith(".ts")),
  );
  const defined = definition(files);
  const created = await (await api.call("POST", "/pipelines", defined)).json();
  const { id } = pipelineSchema.parse(created);
  const names = defined.tasks.map(({ name }) => name);
  const read = async () =>
    pipelineSchema.parse(await (await api.call("GET", `/pipelines/${id}`)).json());
  const graphOf = async (run: number) =>
    graphSchema.parse(await (await api.call("GET", `/pipelines/${id}/runs/${run}/graph`)).json());

  const follow = async (run: number, reused: readonly string[]) => {
    const board = new Board(names, reused);
    board.display.start();
    try {
      for await (const event of api.events(`/pipelines/${id}/runs/${run}/events`)) {
        board.take(event);
        if (event.type !== "gate.opened") continue;
        const answer = { step: String(event.step), comment: "looks good" };
        await api.call("POST", `/pipelines/${id}/runs/${run}/approve`, answer);
      }
    } finally {
      board.display.stop();
    }
  };

  console.log(`\nA pipeline over the ${Object.keys(files).length} TypeScript files here:\n`);
  await api.call("POST", `/pipelines/${id}/start`, {});
  await follow(1, []);
  if (isInterrupted()) return;
  demand((await read()).state === "failed", "its first run did not fail at the check");

  const dry = dryRunSchema.parse(
    await (await api.call("POST", `/pipelines/${id}/retry`, { dry_run: true })).json(),
  );
  console.log(
    `\nA retry from failure runs ${dry.rerun.join(", ")} again and reuses ${dry.reuse.length} steps:\n`,
  );
  const prefer = { prefer: "respond-async" };
  await api.call("POST", `/pipelines/${id}/retry`, {}, prefer);
  await follow(2, dry.reuse);
  if (isInterrupted()) return;
  const graph = await graphOf(2);
  verify(await read(), graph, dry.reuse, files);
  print(graph);
}

function verify(
  { state, error, outputs }: z.output<typeof pipelineSchema>,
  { nodes }: Graph,
  reuse: readonly string[],
  files: Readonly<Record<string, string>>,
): void {
  demand(state === "completed", `the retry is ${state}: ${error ?? "no error"}`);
  const paths = Object.entries(files);
  const total = {
    files: paths.length,
    lines: paths.reduce((sum, [, text]) => sum + linesOf(text), 0),
  };
  demand(
    isDeepStrictEqual(outputs, { total }),
    `its total is ${JSON.stringify(outputs)}, but Node counted ${JSON.stringify(total)}`,
  );
  const folders = new Set(paths.map(([path]) => folderOf(path)));
  const items = nodes.filter(({ group }) => group === "measure");
  demand(items.length === folders.size, `it measured ${items.length} of ${folders.size} folders`);
  const reused = nodes.filter(({ reused_from }) => reused_from === 1).map(({ name }) => name);
  demand(
    isDeepStrictEqual(reused.toSorted(), [...reuse].sort()),
    `it reused ${reused.length} steps, and the dry run said ${reuse.length}`,
  );
}

function print({ nodes, critical_path: critical }: Graph): void {
  const steps = nodes.filter(({ group }) => group === null);
  const rows = steps.map((node) => {
    const items = nodes.filter(({ group }) => group === node.name).length;
    return [
      node.name,
      node.state,
      items > 0 ? `${items} items` : "",
      node.reused_from === null ? "" : `run ${node.reused_from}`,
      node.duration_ms === null ? "—" : `${node.duration_ms.toFixed(0)} ms`,
    ];
  });
  console.log(`\n${table(["step", "state", "matrix", "reused from", "time"], rows)}`);
  console.log(
    `\n  critical path: ${critical.steps.join(" → ")} (${critical.duration_ms.toFixed(0)} ms)\n`,
  );
}
