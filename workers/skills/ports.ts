/** What the run engine asks of skills: what references stand for, and invocations for steps. */
import { ApiError } from "../http/errors.ts";
import { StepNotReady } from "../runs/ports.ts";
import type { SkillPin, SkillPinning, SkillPorts } from "../runs/skills.ts";
import { freeObject } from "../tasks/fields.ts";
import { grantsNeeded } from "./grants.ts";
import { sealed } from "./invocation-service.ts";
import { INVOCATION_KIND } from "./kind.ts";
import { admit } from "./order.ts";
import type { ResolvedSkill } from "./resolver.ts";

type Resolve = (projectId: string, reference: string) => Promise<ResolvedSkill>;

/** `resolve` is the skill service's. */
export function createSkillPorts(resolve: Resolve): SkillPorts {
  const pinOne = async (projectId: string, reference: string): Promise<SkillPinning> => {
    try {
      const skill = await resolve(projectId, reference);
      return { pin: toPin(skill), needs: grantsNeeded(skill.content), problem: null };
    } catch (error) {
      if (!(error instanceof ApiError) || error.status >= 500) throw error;
      return { pin: null, problem: error.detail };
    }
  };
  return {
    pin: (projectId, references) =>
      Promise.all(references.map((reference) => pinOne(projectId, reference))),

    async invocation(projectId, { pin, grants }, { invoked_by, parent }, inputs) {
      try {
        const skill = await resolve(projectId, `${pin.slug}@${pin.number}`);
        if (skill.skill_id !== pin.skill_id) throw replaced(pin);
        const document = admit(skill, {
          inputs: objectOf(inputs),
          context: null,
          invoked_by: invoked_by ?? `pipeline:${parent.resource_id}`,
          parent: { kind: "pipeline", id: parent.resource_id, run: parent.run },
          above: [],
          grants,
        });
        return { kind: INVOCATION_KIND, document: sealed(document) };
      } catch (error) {
        if (!(error instanceof ApiError) || error.status >= 500) throw error;
        throw new StepNotReady(`skill_${error.code}`, explain(error));
      }
    },
  };
}

function toPin({ skill_id, slug, number, version, digest }: ResolvedSkill): SkillPin {
  return { skill_id, slug, number, version, digest };
}

/** Throws `validation_failed` for inputs of a step that are no object. */
function objectOf(json: string) {
  const value: unknown = JSON.parse(json);
  const parsed = freeObject.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ApiError("validation_failed", "A skill takes an object of inputs; correct the step's.");
}

function replaced({ slug }: SkillPin): ApiError {
  return new ApiError(
    "not_found",
    `The skill "${slug}" that the run began with was deleted, and another has its name since. Start the pipeline again.`,
  );
}

function explain({ detail, issues }: ApiError): string {
  const list = issues.map(({ path, message }) => `${path}: ${message}`).join(" ");
  return list === "" ? detail : `${detail} ${list}`;
}
