/** The demo's pipeline, run: it fails, is retried from its failure, and is held against Node. */
import { setTimeout as delay } from "node:timers/promises";
import type { ApiEvent } from "../lib/api.ts";
import { type Graph, PipelineClient, type RetryPlan } from "../lib/pipeline-client.ts";
import {
  AGAIN,
  expectedReview,
  FAILS,
  FLAKY,
  GATE,
  MATRIX,
  REPORT,
  reviewDefinition,
} from "./definition.ts";
import { demand, equal } from "./expect.ts";
import { Progress } from "./progress.ts";
import type { Stage } from "./stage.ts";
import { summarize } from "./summary.ts";
import { inFigures } from "./words.ts";

/** How long the gate stays closed, so that people see it. */
const THINKING_MS = 700;

/** Steps of which the events tell that an attempt at them began. */
const begun = (events: readonly ApiEvent[]) => [
  ...new Set(
    events.flatMap(({ type, step }) => (type === "attempt.started" ? [String(step)] : [])),
  ),
];

const sorted = (names: readonly string[]) => [...names].sort();

class Review {
  readonly #client: PipelineClient;
  readonly #stage: Stage;
  readonly #definition: ReturnType<typeof reviewDefinition>;
  readonly #expected: ReturnType<typeof expectedReview>;
  #id = "";

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#client = new PipelineClient(stage.url, stage.key);
    this.#definition = reviewDefinition();
    this.#expected = expectedReview(stage.sources);
  }

  async perform(): Promise<void> {
    const { folders } = this.#expected;
    const count = this.#definition.tasks.length;
    console.log(`A pipeline of ${count} steps, one of them for each of ${folders.length} folders.`);
    console.log("Its check fails in run 1, so that there is something to retry:\n");
    this.#id = (await this.#client.create(this.#definition)).id;
    await this.#client.start(this.#id);
    await this.#follow(1, []);
    const first = await this.#client.graph(this.#id, 1);
    await this.#verifyFailure(first);

    const plan = await this.#client.planRetry(this.#id);
    this.#verifyPlan(plan, first);
    const { rerun, reuse } = plan;
    console.log(
      `\nRun 1 failed at ${FAILS}. Of its ${rerun.length + reuse.length} steps and items a retry, says ` +
        `the dry run, reuses ${reuse.length}\nand runs ${rerun.length} again: ${rerun.join(", ")}. ` +
        "Run 2 does so:\n",
    );
    await this.#client.retry(this.#id);
    const events = await this.#follow(2, reuse);
    const second = await this.#client.graph(this.#id, 2);
    await this.#verifyRetry(second, plan, events);
    console.log(summarize(this.#definition.tasks, first, second));
    console.log(
      `\n  Not run again: ${reuse.length} steps and items, their results the same byte for byte.`,
    );
    const { files, folders: parts, lines, symbols } = await this.#verifyTotal();
    console.log(
      `  Total: ${inFigures(lines)} lines and ${inFigures(symbols)} exports in ${files} files of ` +
        `${parts} folders.\n  Node counts the same.\n`,
    );
    console.log("The pipeline failed, was retried and completed as it must.\n");
  }

  /** Shows a run until it ends, and gives the approval that it asks for. */
  async #follow(run: number, reused: readonly string[]): Promise<ApiEvent[]> {
    const progress = new Progress(this.#definition.tasks, reused);
    const events: ApiEvent[] = [];
    progress.display.start();
    try {
      for await (const event of this.#client.events(this.#id, run)) {
        events.push(event);
        const isAsked = event.type === "gate.opened";
        progress.see(event, isAsked ? await this.#client.why(this.#id, run, GATE) : "");
        if (isAsked) await this.#approve(run);
      }
    } finally {
      progress.display.stop();
    }
    return events;
  }

  async #approve(run: number): Promise<void> {
    await delay(THINKING_MS, undefined, { signal: this.#stage.interruption });
    await this.#client.approve(this.#id, run, GATE, "go on");
  }

  async #verifyFailure({ state, nodes }: Graph): Promise<void> {
    equal(state, "failed", "the state of run 1");
    equal((await this.#client.get(this.#id)).failed_steps, [FAILS], "what failed");
    const states = new Map(nodes.map((node) => [node.name, node.state]));
    equal(states.get("alert"), "completed", "the state of alert, which runs after a failure");
    equal(states.get(REPORT), "skipped", "the state of the report");
    const flaky = nodes.find(({ name }) => name === FLAKY.step);
    equal([flaky?.state, flaky?.attempt], ["completed", FLAKY.attempts], "the flaky step");
    const items = nodes.filter(({ group }) => group === MATRIX);
    equal(items.length, this.#expected.folders.length, "the number of items");
    demand(
      items.every((item) => item.state === "completed"),
      "not every item completed",
    );
  }

  #verifyPlan({ rerun, reuse }: RetryPlan, { nodes }: Graph): void {
    equal(sorted(rerun), sorted(AGAIN), "what the dry run would run again");
    const rest = nodes.map(({ name }) => name).filter((name) => !AGAIN.includes(name));
    equal(sorted(reuse), sorted(rest), "what the dry run would reuse");
  }

  async #verifyRetry(graph: Graph, plan: RetryPlan, events: readonly ApiEvent[]): Promise<void> {
    equal(graph.state, "completed", "the state of run 2");
    equal(sorted(begun(events)), sorted([FAILS, REPORT]), "what run 2 ran");
    const reused = graph.nodes.flatMap(({ name, reused_from }) => (reused_from === 1 ? name : []));
    equal(sorted(reused), sorted(plan.reuse), "what run 2 reused");
    await Promise.all(
      plan.reuse.map(async (step) => {
        const [before, after] = await Promise.all([
          this.#client.result(this.#id, 1, step),
          this.#client.result(this.#id, 2, step),
        ]);
        equal(JSON.stringify(after), JSON.stringify(before), `the reused result of ${step}`);
      }),
    );
  }

  async #verifyTotal() {
    const { total, largest } = this.#expected;
    const { outputs } = await this.#client.get(this.#id);
    equal(outputs, { total }, "the outputs");
    const report = await this.#client.artifact(this.#id, 2, REPORT, "review.md");
    demand(report.includes("# Review: passed in run 2"), "the report lacks the verdict");
    demand(
      report.includes(`${largest?.lines} ${largest?.path}`),
      "the report lacks the largest file",
    );
    return total;
  }
}

/** Resolves with how many problems there were. */
export async function performReview(stage: Stage): Promise<number> {
  try {
    await new Review(stage).perform();
    return 0;
  } catch (error) {
    if (stage.interruption.aborted) return 0;
    console.log(`\n✗ The pipeline: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
