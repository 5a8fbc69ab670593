/** The demo's pipeline on every executor: each counts the same files, and all have to agree. */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { Api } from "../lib/api.ts";
import { PipelineClient } from "../lib/pipeline-client.ts";
import type { DemoStep } from "./definition.ts";
import { table } from "./display.ts";
import { equal } from "./expect.ts";
import { Progress } from "./progress.ts";
import { CODEBASE, filesOf, isReviewed, LIST_REVIEWED, type Sources } from "./sources.ts";
import type { Stage } from "./stage.ts";
import { inFigures, inTime } from "./words.ts";

/** How long the runner may take to connect and to find its engine. */
const RUNNER_LIMIT_MS = 60_000;
const POLL_MS = 100;

const runnersSchema = z.object({
  items: z.array(z.object({ task_types: z.array(z.string()), unavailable: z.unknown() })),
});
const countSchema = z.object({ lines: z.coerce.number(), files: z.coerce.number() });

const LIST = `type Context = { files: { list(glob: string): string[]; read(path: string): string; write(path: string, data: string): void } };

export default (_: null, ctx: Context) => {
  const paths = ${LIST_REVIEWED};
  const sizes = paths.map((path) => ctx.files.read("code/" + path).split("\\n").length - 1 + " " + path);
  ctx.files.write("sizes.txt", sizes.join("\\n") + "\\n");
  return paths.length;
};`;

const IN_SHELL = `awk '{ lines += $1 } END { print "lines=" lines "\\nfiles=" NR }' sizes.txt >> "$PIPELZR_OUTPUT"
tail -1 "$PIPELZR_OUTPUT"`;

const IN_JAVASCRIPT = `export default (_, ctx) => {
  const rows = ctx.files.read("sizes.txt").trim().split("\\n");
  const lines = rows.reduce((sum, row) => sum + Number.parseInt(row, 10), 0);
  console.log("files=" + rows.length);
  return { lines, files: rows.length };
};`;

const COUNTERS = {
  local: { script: IN_JAVASCRIPT },
  dagger: { image: "alpine:3", command: IN_SHELL },
  e2b: { script: IN_JAVASCRIPT },
  subprocess: { command: IN_SHELL },
} as const;
const TYPES = ["local", "dagger", "e2b", "subprocess"] as const;

function relayDefinition() {
  const tasks: readonly DemoStep[] = [
    {
      name: "list",
      language: "typescript",
      codebase: CODEBASE,
      artifacts: ["sizes.txt"],
      script: LIST,
    },
    ...TYPES.map((type) => ({
      name: type,
      needs: ["list"],
      task_type: type,
      use_artifacts: [{ from: "list" }],
      timeout_seconds: 120,
      ...COUNTERS[type],
    })),
    {
      name: "agree",
      needs: TYPES,
      inputs: TYPES.map((type) => `\${{ tasks.${type}.result }}`),
      script: `export default (counts) => {
  const lines = new Set(counts.map((count) => Number(count.lines)));
  if (lines.size > 1) throw new Error("they differ: " + JSON.stringify(counts));
  return "all " + counts.length + " counted " + [...lines][0] + " lines";
};`,
    },
  ];
  return { name: "relay", tasks, outputs: { verdict: "${{ tasks.agree.result }}" } };
}

function expectedCount(sources: Sources) {
  const texts = Object.values(filesOf(sources, isReviewed));
  const lines = texts.reduce((sum, text) => sum + text.split("\n").length - 1, 0);
  return { lines, files: texts.length };
}

/** Resolves when a runner is connected that can run all that the pipeline asks of it. */
async function runnerReady({ url, key, interruption }: Stage): Promise<void> {
  const api = new Api(url, key);
  const wanted = ["dagger", "subprocess"];
  for (const limit = performance.now() + RUNNER_LIMIT_MS; ; ) {
    const reply = await api.call("GET", "/runners");
    const { items } = runnersSchema.parse(await reply.json());
    if (items.some((one) => wanted.every((type) => one.task_types.includes(type)))) return;
    if (performance.now() > limit) {
      throw new Error(`no runner came for ${wanted.join(" and ")}: ${JSON.stringify(items)}`);
    }
    await delay(POLL_MS, undefined, { signal: interruption });
  }
}

async function perform(stage: Stage): Promise<void> {
  const client = new PipelineClient(stage.url, stage.key);
  const definition = relayDefinition();
  const expected = expectedCount(stage.sources);
  console.log("A pipeline on all four executors: an isolate, a container, a sandbox, a process.");
  console.log("Engine and sandboxes are this repository's fakes, which run real processes:\n");
  await runnerReady(stage);
  const { id } = await client.create(definition);
  await client.start(id);
  const progress = new Progress(definition.tasks, []);
  progress.display.start();
  try {
    for await (const event of client.events(id, 1)) progress.see(event, "");
  } finally {
    progress.display.stop();
  }
  const { state, nodes } = await client.graph(id, 1);
  equal(state, "completed", "the state of the run");
  const rows = await Promise.all(
    TYPES.map(async (type) => {
      const count = countSchema.parse(await client.result(id, 1, type));
      equal(count, expected, `what ${type} counted`);
      const took = nodes.find(({ name }) => name === type)?.duration_ms ?? 0;
      return [type, inFigures(count.lines), inFigures(count.files), inTime(took)];
    }),
  );
  console.log(`\n${table(["executor", "lines", "files", "time"], rows)}\n`);
  console.log("All four counted the same, and so does Node.\n");
}

/** Resolves with how many problems there were. */
export async function performRelay(stage: Stage): Promise<number> {
  try {
    await perform(stage);
    return 0;
  } catch (error) {
    if (stage.interruption.aborted) return 0;
    console.log(`\n✗ The relay: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
