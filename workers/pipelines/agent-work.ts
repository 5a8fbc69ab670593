/** What a run makes of a step that is an agent. */
import { z } from "zod";
import { writeOrder } from "../agents/order.ts";
import { toIssues } from "../http/issues.ts";
import type { Json } from "../http/json.ts";
import { inOurWords } from "../http/wording.ts";
import { keyOf, refOf } from "../runs/codebases.ts";
import { resolveJson, type Scope } from "../runs/expressions.ts";
import { type RunView, StepNotReady } from "../runs/ports.ts";
import { agentStepSchema } from "./agents.ts";
import type { StepDefinition } from "./definition-schema.ts";
import { codebaseOf, resolveMount } from "./mounts.ts";
import { prepare } from "./prepared.ts";

/** What an agent is told that is any JSON: told as text. */
const TEXTS = ["prompt", "system_prompt"];

/** The document of the step's agent. Throws `StepNotReady`, and `EvaluationFailed`. */
export function agentDocument(
  view: RunView,
  step: StepDefinition,
  inputs: Json,
  scope: Scope,
): string {
  const { agent = null } = step;
  const { codebase: _, mcp_servers, ...written } = agent ?? {};
  const resolved = Object.entries(written).map(([member, value]): [string, Json] => {
    const found = resolveJson(value, scope, ["agent", member]);
    return [member, TEXTS.includes(member) ? asText(found) : found];
  });
  const read = agentStepSchema.safeParse(
    { ...Object.fromEntries(resolved), mcp_servers, codebase: lookedAt(view, step) },
    { error: inOurWords },
  );
  if (!read.success) {
    const list = toIssues(read.error).map(({ path, message }) => `agent.${path}: ${message}`);
    throw new StepNotReady("agent_invalid", list.join(" "));
  }
  const { prompt, skills, context, ...spec } = read.data;
  const { texts, grants } = prepare(view);
  const pins = texts.pins(view.pins).skills;
  return writeOrder({
    spec: {
      ...spec,
      name: spec.name ?? step.name,
      skills: skills.map((reference) => pinned(pins[reference], reference)),
      context: inputs === null ? context : { ...context, inputs: z.json().parse(inputs) },
    },
    prompt,
    grants,
  });
}

function asText(value: Json): Json {
  return typeof value === "string" || value === null ? value : JSON.stringify(value, null, 2);
}

function pinned(
  pin: { readonly slug: string; readonly number: number } | undefined,
  reference: string,
): string {
  if (pin !== undefined) return `${pin.slug}@${pin.number}`;
  throw new StepNotReady(
    "skill_not_pinned",
    `The run was begun without the skill "${reference}" of this step's agent. Start the pipeline again.`,
  );
}

/** The codebase that the run is pinned to of what the agent looks at. */
function lookedAt(view: RunView, step: StepDefinition): Json {
  const { definition, texts } = prepare(view);
  const spec = codebaseOf(step, definition);
  if (spec === null) return null;
  const found = texts.pins(view.pins).codebases[keyOf(refOf(resolveMount(spec, view.inputs)))];
  if (found === undefined) {
    throw new StepNotReady(
      "codebase_not_pinned",
      "The run was begun without the codebase of this step's agent. Start the pipeline again.",
    );
  }
  const { codebase_id: codebase, snapshot, folder } = found;
  return { codebase, snapshot, ...(folder !== "" && { folder }) };
}
