/** The skills that the steps of a definition invoke. */
import type { NamedSkill } from "../runs/skills.ts";
import { agentSkillPlaces } from "./agents.ts";
import type { PipelineDefinition } from "./definition-schema.ts";

/** Where a definition names skills: for steps to invoke, and for its agents. */
export function skillPlaces(definition: Pick<PipelineDefinition, "tasks">): NamedSkill[] {
  const steps = definition.tasks.flatMap(({ skill }, index) =>
    skill ? [{ place: `tasks[${index}].skill`, reference: skill }] : [],
  );
  return [...steps, ...agentSkillPlaces(definition)];
}
