/**
 * The demo's agent: a session that searches the codebase, invokes a skill and runs a task. Its model
 * is the `operator`, which carries out commands; with a key for a language model, or a server's
 * address, that model is asked for the same in words.
 */
import process from "node:process";
import { z } from "zod";
import { Api } from "../lib/api.ts";
import { table } from "./display.ts";
import { demand, equal } from "./expect.ts";
import type { Stage } from "./stage.ts";
import { firstLine, inFigures, inTime } from "./words.ts";

const DEFINITION = "RunCoordinatorBase";
const CSV = "id,name\\n1,Ada\\n2,Grace\\n";

/** What the operator is told, and what its answer has to hold. */
const COMMANDS = [
  {
    says: `/search class ${DEFINITION}`,
    tool: "search_code",
    holds: "workers/runs/coordinator.ts",
  },
  {
    says: `/invoke convert-data {"from": "csv", "to": "json", "data": "${CSV}"}`,
    tool: "invoke_skill",
    holds: "Grace",
  },
  { says: "/run echo $((6 * 7))", tool: "run_task", holds: "42" },
];

const IN_WORDS = `Do three things with your tools, one after the other, and then answer in one sentence: find the file that defines the class ${DEFINITION} by searching the code; convert the CSV "${CSV}" to JSON with the skill convert-data; run a task with the shell line: echo $((6 * 7)).`;

const agentSchema = z.object({
  id: z.string(),
  state: z.string(),
  error: z.string().nullable(),
  model: z.string().nullable(),
});
const sentSchema = z.object({
  turn: z.int().nullable(),
  reply: z.object({ text: z.string(), stop_reason: z.string() }).nullable(),
});
const usageSchema = z.object({
  totals: z.object({ iteration_count: z.int(), total_cost_usd: z.number() }),
});
const tracesSchema = z.object({
  resourceSpans: z.array(
    z.object({ scopeSpans: z.array(z.object({ spans: z.array(z.object({ name: z.string() })) })) }),
  ),
});

class AgentsDemo {
  readonly #api: Api;
  #path = "";

  constructor({ url, key }: Stage) {
    this.#api = new Api(url, key);
  }

  async perform(): Promise<void> {
    const isModel = hasModel();
    const model = await this.#create(isModel);
    console.log(`An agent with the model ${model}, this codebase and the skills:\n`);
    const rows: string[][] = [];
    const messages = isModel ? [IN_WORDS] : COMMANDS.map(({ says }) => says);
    for (const content of messages) {
      const began = performance.now();
      const { turn, reply } = await this.#say(content);
      const answer = firstLine(reply.text.replaceAll("```json\n", "")).slice(0, 48);
      const calls = await this.#calls(turn);
      rows.push([
        content.slice(0, 40),
        calls.join(", "),
        inTime(performance.now() - began),
        answer,
      ]);
      if (isModel) {
        for (const { tool } of COMMANDS) {
          const isCalled = calls.some((name) => name === tool || name === "convert-data");
          demand(isCalled, `the model did not call ${tool}`);
        }
      } else {
        const command = COMMANDS.find(({ says }) => says === content);
        equal(calls, [command?.tool], `what ${content} calls`);
        demand(
          reply.text.includes(command?.holds ?? ""),
          `the answer to ${content} lacks ${command?.holds}: ${reply.text.slice(0, 300)}`,
        );
      }
    }
    console.log(`${table(["message", "calls", "took", "answer"], rows)}\n`);
    const reply = await this.#api.call("GET", `${this.#path}/usage`);
    const { totals } = usageSchema.parse(await reply.json());
    console.log(
      `  ${inFigures(totals.iteration_count)} steps of the model for $${totals.total_cost_usd.toFixed(4)}; all of it is in /events, and as a trace in /traces\n`,
    );
    const ended = await this.#api.call("POST", `${this.#path}/terminate`, { json: {} });
    equal(agentSchema.parse(await ended.json()).state, "terminated", "the state of the agent");
  }

  async #create(isModel: boolean): Promise<string> {
    const reply = await this.#api.call("POST", "/agents", {
      json: {
        ...{ name: "demo", codebase: "pipelzr", skills: ["convert-data"], initialize: true },
        budget: { usd: 1, steps: 40 },
        ...(!isModel && { model: "operator" }),
      },
    });
    const { id, state, error, model } = agentSchema.parse(await reply.json());
    equal(state, "waiting", `the state of the agent (${error})`);
    this.#path = `/agents/${id}`;
    return model ?? "";
  }

  async #say(content: string) {
    const headers = { prefer: "wait=60" };
    const sent = await this.#api.call("POST", `${this.#path}/message`, {
      json: { content },
      headers,
    });
    const { turn, reply } = sentSchema.parse(await sent.json());
    demand(reply !== null && turn !== null, `there is no answer to ${content} after a minute`);
    equal(reply?.stop_reason, "end_turn", `how the turn of ${content} ended`);
    return { turn: turn ?? 0, reply: reply ?? { text: "", stop_reason: "" } };
  }

  /** Names of the tools that a turn has called. */
  async #calls(turn: number): Promise<string[]> {
    const reply = await this.#api.call("GET", `${this.#path}/traces?turn=${turn}`);
    const { resourceSpans } = tracesSchema.parse(await reply.json());
    return resourceSpans
      .flatMap(({ scopeSpans }) => scopeSpans)
      .flatMap(({ spans }) => spans)
      .filter(({ name }) => name.startsWith("execute_tool "))
      .map(({ name }) => name.slice("execute_tool ".length));
  }
}

/** Whether the demo's service can reach a language model: `MODEL_VARIABLES` of this process go to it. */
function hasModel(): boolean {
  return Object.keys(modelVariables()).length > 0;
}

const MODEL_VARIABLES = [
  "ANTHROPIC_API_KEY",
  "ANTHROPIC_BASE_URL",
  "OPENAI_API_KEY",
  "OPENAI_BASE_URL",
  "DEFAULT_MODEL",
] as const;

/** What of this process's environment says which model to ask; nothing unless it names one that can be. */
export function modelVariables(): Readonly<Record<string, string>> {
  const { ANTHROPIC_API_KEY, OPENAI_API_KEY, OPENAI_BASE_URL } = process.env;
  if (!ANTHROPIC_API_KEY && !OPENAI_API_KEY && !OPENAI_BASE_URL) return {};
  return Object.fromEntries(
    MODEL_VARIABLES.flatMap((name) => {
      const value = process.env[name];
      return value ? [[name, value]] : [];
    }),
  );
}

/** Resolves with how many problems there were. */
export async function performAgents(stage: Stage): Promise<number> {
  try {
    await new AgentsDemo(stage).perform();
    return 0;
  } catch (error) {
    if (stage.interruption.aborted) return 0;
    console.log(`\n✗ The agent: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
