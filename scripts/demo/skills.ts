/** The demo's skills: installed, tried, invoked over the codebase, and made steps of a pipeline. */
import { z } from "zod";
import findTodos from "../../examples/skills/find-todos/scripts/find.ts";
import { Api } from "../lib/api.ts";
import { PipelineClient } from "../lib/pipeline-client.ts";
import { seedSkills } from "../lib/seeding.ts";
import { table } from "./display.ts";
import { demand, equal } from "./expect.ts";
import type { Stage } from "./stage.ts";
import { inFigures, inTime } from "./words.ts";

const SKILLS = ["changelog", "convert-data", "dependency-report", "find-todos", "summarise-run"];
const KINDS = ["TODO", "FIXME", "XXX"];

const testedSchema = z.object({
  passed: z.boolean(),
  items: z.array(z.object({ name: z.string(), verdict: z.string() })),
});
const invocationSchema = z.object({
  state: z.string(),
  outputs: z.unknown(),
  error: z.string().nullable(),
  duration_ms: z.number().nullable(),
});
const todosSchema = z.object({ total: z.number(), files: z.number() });
const summarySchema = z.object({ states: z.record(z.string(), z.number()), markdown: z.string() });

/** `codebase` is what the demo has pushed. */
const INVENTORY = {
  name: "inventory",
  tasks: [
    {
      name: "todos",
      skill: "find-todos",
      inputs: { codebase: "${{ inputs.codebase }}", kinds: KINDS },
    },
    {
      name: "dependencies",
      skill: "dependency-report",
      inputs: { codebase: "${{ inputs.codebase }}" },
    },
    {
      name: "table",
      needs: ["dependencies"],
      skill: "convert-data@1.0.0",
      inputs: {
        data: "${{ toJSON(tasks.dependencies.result.dependencies) }}",
        ...{ from: "json", to: "csv", columns: ["name", "version", "kind"] },
      },
    },
  ],
  outputs: {
    todos: "${{ tasks.todos.result.total }}",
    packages: "${{ tasks.dependencies.result.packages }}",
    csv: "${{ tasks.table.result.text }}",
  },
};

class SkillsDemo {
  readonly #api: Api;
  readonly #pipelines: PipelineClient;
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#api = new Api(stage.url, stage.key);
    this.#pipelines = new PipelineClient(stage.url, stage.key);
  }

  async perform(): Promise<void> {
    console.log("Skills of examples/skills, as `npm run seed` installs them:\n");
    await this.#install();
    const todos = await this.#invoke();
    await this.#run(todos);
  }

  async #install(): Promise<void> {
    const rows: string[][] = [];
    for (const { slug, version } of await seedSkills(this.#api, null, SKILLS)) {
      const reply = await this.#api.call("POST", `/skills/${slug}/test`, { json: {} });
      const { passed, items } = testedSchema.parse(await reply.json());
      equal(passed, true, `whether the examples of ${slug} pass`);
      rows.push([slug, version, `${items.length} pass`]);
    }
    console.log(`${table(["skill", "version", "examples"], rows)}\n`);
  }

  async #invoke(): Promise<number> {
    const expected = await findTodos(
      { files: Object.fromEntries(this.#stage.sources), kinds: KINDS },
      { files: { list: () => [], read: () => "" } },
    );
    const { outputs, duration_ms } = await this.#outputsOf("find-todos", {
      codebase: "pipelzr",
      kinds: KINDS,
    });
    const { total, files } = todosSchema.parse(outputs);
    equal([total, files], [expected.total, expected.files], "what find-todos counts");
    console.log(
      `  find-todos looks through ${inFigures(files)} files of the codebase in ${inTime(duration_ms ?? 0)} and finds ${total} notes, as Node does\n`,
    );
    return total;
  }

  async #run(todos: number): Promise<void> {
    const { id } = await this.#pipelines.create(INVENTORY);
    const done = await this.#pipelines.execute(id, { codebase: "pipelzr" });
    equal(done.state, "completed", `the state of the pipeline (${done.error})`);
    const manifest = z
      .object({ dependencies: z.record(z.string(), z.string()) })
      .loose()
      .parse(JSON.parse(this.#stage.sources.get("package.json") ?? ""));
    const outputs = z
      .object({ todos: z.number(), packages: z.number(), csv: z.string() })
      .parse(done.outputs);
    equal(outputs.todos, todos, "the notes that the step finds");
    for (const [name, version] of Object.entries(manifest.dependencies)) {
      demand(
        outputs.csv.includes(`${name},${version},runtime\r\n`),
        `the table lacks ${name} ${version}`,
      );
    }
    const path = `/pipelines/${id}/runs/1`;
    const [run, steps] = await Promise.all(
      [path, `${path}/steps`].map(async (each) => (await this.#api.call("GET", each)).json()),
    );
    const summary = summarySchema.parse(
      (await this.#outputsOf("summarise-run", { run, steps })).outputs,
    );
    equal(summary.states, { completed: INVENTORY.tasks.length }, "the steps of the pipeline");
    console.log(
      `  A pipeline of ${INVENTORY.tasks.length} skills tells ${inFigures(outputs.packages)} packages, and summarise-run tells of its run:\n`,
    );
    console.log(`${summary.markdown.replaceAll(/\n{2,}/g, "\n").replaceAll(/^/gm, "  ")}\n`);
  }

  async #outputsOf(slug: string, inputs: object) {
    const reply = await this.#api.call("POST", `/skills/${slug}/invoke`, { json: { inputs } });
    const invocation = invocationSchema.parse(await reply.json());
    equal(invocation.state, "completed", `the state of ${slug} (${invocation.error})`);
    return invocation;
  }
}

/** Resolves with how many problems there were. */
export async function performSkills(stage: Stage): Promise<number> {
  try {
    await new SkillsDemo(stage).perform();
    return 0;
  } catch (error) {
    if (stage.interruption.aborted) return 0;
    console.log(`\n✗ The skills: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
