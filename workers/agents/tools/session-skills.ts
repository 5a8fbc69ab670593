/** The skills of a session as tools: called by their slugs, as the versions that they were pinned to. */
import type { ResolvedSkill } from "../../skills/resolver.ts";
import type { ToolDefinition, ToolResult } from "../tool-port.ts";
import { invokeForSession } from "./invocations.ts";
import { failure, success } from "./results.ts";
import type { SessionSetup, SkillTool } from "./setup.ts";
import { ATTACHES, READS, type ToolSession } from "./tool.ts";

const ANY_OBJECT = { type: "object" } as const;
const NO_INPUT = { type: "object", properties: {}, additionalProperties: false } as const;

export function toSkillTool({ content, ...skill }: ResolvedSkill): SkillTool {
  const { slug, number, version, digest, name } = skill;
  return {
    ...{ slug, number, version, digest, name },
    description: content.description,
    inputs: content.inputs,
    is_instructions: content.implementation === null,
    requires_approval: content.requires_approval,
  };
}

export function skillDefinition(skill: SkillTool): ToolDefinition {
  const { slug, name, description, inputs, is_instructions, requires_approval } = skill;
  const what = description ?? name;
  if (is_instructions) {
    return {
      name: slug,
      description: `Reads the instructions of the skill "${name}". ${what}`,
      input_schema: NO_INPUT,
      ...READS,
      kind: "tool",
    };
  }
  return {
    name: slug,
    description: requires_approval ? `${what} A person has to approve each call.` : what,
    input_schema: { ...inputs, ...ANY_OBJECT },
    ...ATTACHES,
    kind: "tool",
  };
}

/** The session's skill that a reference without a version means; null when it is none of them. */
export function ownSkill({ skills }: SessionSetup, slug: string): SkillTool | null {
  return skills.find((skill) => skill.slug === slug) ?? null;
}

export async function runSkill(session: ToolSession, skill: SkillTool): Promise<ToolResult> {
  const { slug, number, is_instructions } = skill;
  if (!is_instructions) {
    return invokeForSession(session, slug, { kind: "number", number }, session.call.input);
  }
  const { skills } = session.deps.services;
  const { content } = await skills.resolve(session.project_id, `${slug}@${number}`);
  if (content.instructions !== null) return success(content.instructions);
  return failure(`The skill "${slug}" says nothing, and has nothing to run.`);
}
