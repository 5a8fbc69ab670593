/** Steps that are agents, as a definition writes them. */
import { z } from "@hono/zod-openapi";
import { MAX_MESSAGE_CHARS } from "../agents/order.ts";
import { agentSpecSchema } from "../agents/spec.ts";
import type { Issue } from "../http/errors.ts";
import { toIssues } from "../http/issues.ts";
import { inOurWords } from "../http/wording.ts";
import { hasExpression } from "../runs/expressions-template.ts";
import type { NamedSkill } from "../runs/skills.ts";
import { openCodebaseSchema } from "../tasks/fields.ts";
import type { PipelineDefinition, StepDefinition } from "./definition-schema.ts";

const { name } = agentSpecSchema.shape;

/** The agent of a step, once its expressions are resolved: what POST /agents takes, and a prompt. */
export const agentStepSchema = agentSpecSchema.extend({
  name: name.optional(),
  prompt: z.string().min(1).max(MAX_MESSAGE_CHARS),
});

/** As it is written: the codebase may depend on the inputs of the run. */
const writtenSchema = agentStepSchema.extend({
  codebase: openCodebaseSchema.nullable().optional(),
});

/** Issues of the `agent` of a step, with paths within the step. */
export function agentIssues({ agent }: Pick<StepDefinition, "agent">): Issue[] {
  const read = writtenSchema.safeParse(agent, { error: inOurWords });
  if (!read.success) {
    return toIssues(read.error).map(({ path, message }) => ({
      path: path === "" ? "agent" : `agent.${path}`,
      message,
    }));
  }
  return read.data.skills.flatMap((reference, index) =>
    hasExpression(reference)
      ? [
          {
            path: `agent.skills[${index}]`,
            message: "Name the skill itself: a run is pinned to its skills before it begins.",
          },
        ]
      : [],
  );
}

/** Where agents name skills. */
export function agentSkillPlaces({ tasks }: Pick<PipelineDefinition, "tasks">): NamedSkill[] {
  return tasks.flatMap(({ agent }, step) => {
    const named = writtenSchema.shape.skills.safeParse(agent?.skills).data ?? [];
    return named.map((reference, index) => ({
      place: `tasks[${step}].agent.skills[${index}]`,
      reference,
    }));
  });
}
