/**
 * The `operator`: no language model, but what carries out a handful of commands by the tools of a
 * session. It needs no key, so that a session works on a fresh machine, and says what it is.
 */
import type { Json } from "../../http/json.ts";
import { SUBMIT_RESULT } from "../result-tool.ts";
import { SPAWN_AGENT } from "../spawn.ts";
import { parseJson } from "./complete.ts";
import { type ModelMessage, type ToolMessage, textOf, toolCallsOf } from "./messages.ts";
import { OPERATOR } from "./names.ts";
import { ModelError, type ModelEvent, type ModelRequest, NO_USAGE } from "./port.ts";

const WHAT_TO_SET =
  "set ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENAI_BASE_URL, and name one of its models";

interface Command {
  readonly tool: string;
  readonly usage: string;
  readonly does: string;
  /** The input that the rest of a message is; null when it is not as `usage` says. */
  input(rest: string): Json | null;
}

/** A word, and behind it what is left. */
const WORD = /^(\S+)\s*([\s\S]*)$/;

const isObject = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const COMMANDS: Readonly<Record<string, Command>> = {
  "/skills": {
    tool: "list_skills",
    usage: "/skills [words]",
    does: "list the skills, or those that the words find",
    input: (rest) => (rest === "" ? {} : { query: rest }),
  },
  "/invoke": {
    tool: "invoke_skill",
    usage: '/invoke name {"input": "as JSON"}',
    does: "invoke a skill",
    input: (rest) => {
      const [, skill, json = ""] = WORD.exec(rest) ?? [];
      const input = parseJson(json === "" ? "{}" : json);
      return skill === undefined || input === undefined ? null : { skill, input };
    },
  },
  "/run": {
    tool: "run_task",
    usage: '/run a shell line, or /run {"script": "…", "language": "python"}',
    does: "run a task",
    input: (rest) => {
      const task = parseJson(rest);
      if (isObject(task)) return task;
      return rest === "" ? null : { command: rest };
    },
  },
  "/spawn": {
    tool: SPAWN_AGENT,
    usage: '/spawn a prompt, or /spawn {"prompt": "…", "name": "…"}',
    does: "have a sub-agent do something",
    input: (rest) => {
      const order = parseJson(rest);
      if (isObject(order)) return order;
      return rest === "" ? null : { prompt: rest };
    },
  },
  "/search": {
    tool: "search_code",
    usage: "/search query",
    does: "search the codebase",
    input: (rest) => (rest === "" ? null : { query: rest }),
  },
  "/submit": {
    tool: SUBMIT_RESULT,
    usage: '/submit {"result": "as JSON"}',
    does: "hand in the result of the session",
    input: (rest) => parseJson(rest) ?? null,
  },
  "/read": {
    tool: "read_file",
    usage: "/read path",
    does: "read a file of the codebase",
    input: (rest) => (rest === "" ? null : { path: rest }),
  },
};

const CALL_USAGE = '/call tool {"input": "as JSON"}';

export type OperatorStep =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "call"; readonly tool: string; readonly input: Json };

/** What comes next in a conversation. Throws `model_no_language` when it is a model's own words. */
export function operatorStep(request: ModelRequest): OperatorStep {
  if (request.output_schema !== null) {
    throw new ModelError("model_no_language", `The operator model cannot write; ${WHAT_TO_SET}.`);
  }
  const last = request.messages.at(-1);
  if (last?.role === "tool") {
    return { kind: "text", text: resultsText(last, request.messages.at(-2)) };
  }
  return carryOut(last === undefined ? "" : textOf(last).trim(), request);
}

/** The same as events; a step of the operator costs nothing. */
export async function* operatorEvents(
  request: ModelRequest,
): AsyncGenerator<ModelEvent, void, void> {
  const step = operatorStep(request);
  if (step.kind === "text") yield { type: "text_delta", text: step.text };
  else {
    const { tool: name, input } = step;
    const id = `operator_${request.messages.flatMap(toolCallsOf).length + 1}`;
    yield {
      type: "tool_call",
      call: { type: "tool_call", id, name, input, signature: null, provider: OPERATOR },
    };
  }
  yield { type: "usage", usage: NO_USAGE };
  yield {
    type: "finish",
    reason: step.kind === "text" ? "stop" : "tool_calls",
    raw: null,
    response_id: null,
    response_model: OPERATOR,
  };
}

function carryOut(text: string, request: ModelRequest): OperatorStep {
  const offered = new Set(
    request.tool_choice === "none" ? [] : request.tools.map(({ name }) => name),
  );
  const say = (words: string): OperatorStep => ({ kind: "text", text: words });
  const [, name = "", rest = ""] = WORD.exec(text) ?? [];
  if (name === "/help") return say(help(offered));
  if (name === "/call") return callNamed(rest.trim(), offered);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const unknown = name.startsWith("/") ? `There is no command ${name}.` : introduction;
    return say(`${unknown}\n\n${help(offered)}`);
  }
  if (!offered.has(command.tool)) {
    return say(
      `${name} needs the tool "${command.tool}", which this session does not offer. Add it to the agent's tools.`,
    );
  }
  const input = command.input(rest.trim());
  if (input === null) return say(`That cannot be read. Write: ${command.usage}`);
  return { kind: "call", tool: command.tool, input };
}

/** Any tool of the session, by its own name. */
function callNamed(rest: string, offered: ReadonlySet<string>): OperatorStep {
  const [, tool, json = ""] = WORD.exec(rest) ?? [];
  const input = parseJson(json === "" ? "{}" : json);
  if (tool === undefined || input === undefined) {
    return { kind: "text", text: `That cannot be read. Write: ${CALL_USAGE}` };
  }
  if (offered.has(tool)) return { kind: "call", tool, input };
  const there = offered.size === 0 ? "It offers none." : `It offers: ${[...offered].join(", ")}.`;
  return { kind: "text", text: `This session does not offer the tool "${tool}". ${there}` };
}

const introduction = `I am the operator, which is no language model: I carry out commands and understand nothing else. For answers in words, ${WHAT_TO_SET}.`;

function help(offered: ReadonlySet<string>): string {
  const lines = Object.values(COMMANDS).map(({ usage, does, tool }) => {
    const note = offered.has(tool) ? "" : ` (needs the tool "${tool}", which is not offered)`;
    return `- \`${usage}\`: ${does}${note}`;
  });
  const call = `- \`${CALL_USAGE}\`: call any tool of the session by its name`;
  return ["Commands:", ...lines, call, "- `/help`: this list"].join("\n");
}

/** The results of calls, each under the name of its tool when there are several. */
function resultsText({ content }: ToolMessage, before: ModelMessage | undefined): string {
  const names = new Map(toolCallsOf(before).map(({ id, name }) => [id, name]));
  return content
    .map(({ id, output, is_error }) => {
      const name = names.get(id) ?? id;
      const body = outputText(output);
      if (is_error) return `${name} failed: ${body}`;
      return content.length === 1 ? body : `${name}:\n${body}`;
    })
    .join("\n\n");
}

function outputText(output: Json): string {
  if (typeof output === "string") return output === "" ? "(nothing)" : output;
  return `\`\`\`json\n${JSON.stringify(output, null, 2)}\n\`\`\``;
}
