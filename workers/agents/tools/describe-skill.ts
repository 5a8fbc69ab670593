import { z } from "zod";
import { success } from "./results.ts";
import { referenceFor, skillReference } from "./skill-reference.ts";
import { defineTool, READS } from "./tool.ts";

export const describeSkill = defineTool({
  name: "describe_skill",
  description:
    "Tells what a skill is for, the inputs it takes, what it answers, and its instructions.",
  scopes: ["skills:read"],
  ...READS,
  input: z.strictObject({ skill: skillReference }),
  async run({ project_id, setup, deps }, { skill: named }) {
    const skill = await deps.services.skills.resolve(project_id, referenceFor(setup, named));
    const { description, implementation, inputs, outputs, instructions, examples } = skill.content;
    return success({
      ...{ slug: skill.slug, name: skill.name, version: skill.version, description },
      ...{ runs: implementation !== null, inputs, outputs, instructions },
      examples: examples.slice(0, 3).map(({ inputs: given }) => given),
    });
  },
});
