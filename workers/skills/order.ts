/** Whether a skill may be invoked with these inputs by this caller, and what the invocation is then. */
import { valueIssues } from "../executors/outputs-schema.ts";
import { ApiError } from "../http/errors.ts";
import { INVOCATION_LEVELS } from "../runs/nesting.ts";
import type { PinnedSkill } from "./content.ts";
import { GRANT_PURPOSES, type Grant, grantsNeeded } from "./grants.ts";
import {
  type InvocationDocument,
  type InvocationParent,
  type JsonObject,
  runnable,
} from "./invocation-document.ts";

export interface Order {
  readonly inputs: JsonObject;
  readonly context: JsonObject | null;
  /** As `kind:id`. */
  readonly invoked_by: string;
  readonly parent: InvocationParent;
  /** Slugs of the invocations above, the outermost first. */
  readonly above: readonly string[];
  readonly grants: readonly string[];
}

/** Throws `illegal_transition`, `forbidden`, and `validation_failed` with every problem of the inputs. */
export function admit(
  skill: PinnedSkill & { readonly enabled: boolean },
  order: Order,
): Omit<InvocationDocument, "format"> {
  const { content, slug } = skill;
  const { implementation } = content;
  if (!skill.enabled) throw disabled(slug);
  if (implementation === null) throw notInvocable(slug);
  const missing = grantsNeeded(content).filter((grant) => !order.grants.includes(grant));
  if (missing[0] !== undefined) throw notGranted(slug, missing[0], missing);
  const chain = [...order.above, slug];
  if (order.above.includes(slug)) throw inCircle(chain);
  if (chain.length > INVOCATION_LEVELS) throw tooDeep(chain);
  const issues = content.inputs === null ? [] : valueIssues(content.inputs, order.inputs, "inputs");
  if (issues.length > 0) throw invalidInputs(slug, issues);
  const { inputs, context, invoked_by, parent, grants } = order;
  const made = runnable(skill, implementation);
  return { skill: made, inputs, context, invoked_by, parent, chain, grants };
}

function disabled(slug: string): ApiError {
  return new ApiError(
    "illegal_transition",
    `The skill "${slug}" is disabled. Enable it with POST /api/v1/skills/${slug}/enable, or use another.`,
    { members: { state: "disabled", allowed: ["enable"] } },
  );
}

function notInvocable(slug: string): ApiError {
  return new ApiError(
    "illegal_transition",
    `The skill "${slug}" is instructions alone: agents read it, and nothing of it can be run. Give it an implementation with PATCH /api/v1/skills/${slug}.`,
    { members: { state: "instructions", allowed: ["patch"] } },
  );
}

function notGranted(slug: string, first: Grant, missing: readonly Grant[]): ApiError {
  const why = missing.map((grant) => `${GRANT_PURPOSES[grant]} ("${grant}")`).join(", ");
  return new ApiError(
    "forbidden",
    `The skill "${slug}" ${why}, which this caller has no scope for. Use a key or user that has it.`,
    { members: { required_scope: first, missing_scopes: missing } },
  );
}

function inCircle(chain: readonly string[]): ApiError {
  return new ApiError(
    "validation_failed",
    `Skills invoke each other in a circle: ${chain.join(" → ")}. Take one of these calls out.`,
    { issues: [{ path: "skill", message: "It is under way above itself." }] },
  );
}

function tooDeep(chain: readonly string[]): ApiError {
  return new ApiError(
    "validation_failed",
    `Skills invoke each other ${INVOCATION_LEVELS} deep at most: ${chain.join(" → ")}. Do more in one of them.`,
    { issues: [{ path: "skill", message: "It is too deep below others." }] },
  );
}

function invalidInputs(slug: string, issues: ReturnType<typeof valueIssues>): ApiError {
  return new ApiError(
    "validation_failed",
    `The inputs are not what the skill "${slug}" takes; correct what is listed.`,
    { issues },
  );
}
