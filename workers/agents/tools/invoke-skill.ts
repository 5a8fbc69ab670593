import { z } from "zod";
import { ApiError } from "../../http/errors.ts";
import { parseReference } from "../../skills/reference.ts";
import { freeObject } from "../../tasks/fields.ts";
import { invokeForSession } from "./invocations.ts";
import { referenceFor, skillReference } from "./skill-reference.ts";
import { ATTACHES, defineTool } from "./tool.ts";

export const invokeSkill = defineTool({
  name: "invoke_skill",
  description: "Runs a skill of the project and answers with its outputs.",
  scopes: ["skills:execute"],
  ...ATTACHES,
  input: z.strictObject({
    skill: skillReference,
    input: freeObject.default({}).describe("As the skill's inputs say; see describe_skill."),
  }),
  async run(session, { skill, input }) {
    const reference = parseReference(referenceFor(session.setup, skill));
    if (reference !== null) {
      return invokeForSession(session, reference.skill, reference.version, input);
    }
    throw new ApiError(
      "validation_failed",
      `"${skill}" names no skill. Write slug, or slug@version; list_skills tells the slugs.`,
    );
  },
});
