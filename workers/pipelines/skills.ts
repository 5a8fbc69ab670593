/** The skills that the steps of a definition invoke. */
import type { NamedSkill } from "../runs/skills.ts";
import type { PipelineDefinition } from "./definition-schema.ts";

/** Where a definition names skills. */
export function skillPlaces({ tasks }: Pick<PipelineDefinition, "tasks">): NamedSkill[] {
  return tasks.flatMap(({ skill }, index) =>
    skill ? [{ place: `tasks[${index}].skill`, reference: skill }] : [],
  );
}
