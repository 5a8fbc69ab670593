/** Invokes a skill for code of another: permitted by its declaration, and ended with its attempt. */
import { uuidv7 } from "uuidv7";
import type { SkillGatewayProps } from "../executors/local/executor.ts";
import type { Json } from "../executors/port.ts";
import { ApiError } from "../http/errors.ts";
import { MAX_WAIT_SECONDS } from "../http/prefer.ts";
import type { RunClient } from "../runs/client.ts";
import type { AttemptName } from "../runs/nested.ts";
import { invocationId } from "../runs/nesting.ts";
import type { CreateInput } from "../runs/requests.ts";
import type { Snapshot } from "../runs/store-types.ts";
import type { StoredResult } from "../runs/types.ts";
import type { JsonObject } from "./invocation-document.ts";
import { sealed } from "./invocation-service.ts";
import { INVOCATION_KIND } from "./kind.ts";
import { admit } from "./order.ts";
import type { ResolvedSkill } from "./resolver.ts";

/** The object of the invocation whose code invokes. */
export interface Above {
  nest(attempt: AttemptName, child: { id: string; slug: string }): Promise<boolean>;
  nestedEnded(child: string): Promise<void>;
}

export interface NestedDeps {
  readonly resolve: (projectId: string, reference: string) => Promise<ResolvedSkill>;
  readonly runs: RunClient;
  readonly above: (resourceId: string) => Above;
  /** A result, wherever it lies. */
  readonly result: (stored: StoredResult | null) => Promise<Json>;
}

/** What the code that invokes is told; `code` says why by a word. */
export class NestedFailure extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "NestedFailure";
    this.code = code;
  }
}

/** Resolves to the outputs. Throws `NestedFailure`. */
export async function invokeNested(
  deps: NestedDeps,
  { project_id, ref, grant }: SkillGatewayProps,
  reference: string,
  inputs: JsonObject,
): Promise<Json> {
  const [slug = ""] = reference.split("@");
  if (!grant.allow.includes(slug)) throw notPermitted(slug);
  const skill = await refusable(deps.resolve(project_id, reference));
  const { resource_id, run, step, epoch } = ref;
  const document = await refusable(async () =>
    sealed(
      admit(skill, {
        inputs,
        context: null,
        invoked_by: grant.invoked_by,
        parent: { kind: "invocation", id: resource_id, run },
        above: grant.chain,
        grants: grant.grants,
      }),
    ),
  );
  const id = invocationId(uuidv7(), project_id, grant.chain.length);
  const above = deps.above(resource_id);
  if (!(await above.nest({ resource_id, run, step, epoch }, { id, slug }))) throw overtaken();
  const created: CreateInput = {
    ...{ id, kind: INVOCATION_KIND, project_id, document, is_nested: true },
    start: {
      wait_ms: MAX_WAIT_SECONDS * 1000,
      request_id: id,
      triggered_by: grant.invoked_by,
    },
  };
  const ended = await ending(deps.runs, created);
  await above.nestedEnded(id);
  if (ended.run?.status === "completed") return deps.result(ended.result);
  throw failureOf(slug, ended);
}

/** Created again it answers as it is: so it is asked for its end until that has come. */
async function ending(runs: RunClient, created: CreateInput): Promise<Snapshot> {
  for (;;) {
    const snapshot = await refusable(runs.create(created));
    if (snapshot.run?.completed_at != null) return snapshot;
  }
}

async function refusable<T>(work: Promise<T> | (() => Promise<T>)): Promise<T> {
  try {
    return await (typeof work === "function" ? work() : work);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const issues = error.issues.map(({ path, message }) => `${path}: ${message}`);
    throw new NestedFailure(error.code, [error.detail, ...issues].join(" "));
  }
}

function failureOf(slug: string, { run }: Snapshot): NestedFailure {
  if (run?.status === "cancelled") {
    return new NestedFailure("cancelled", `The skill "${slug}" was cancelled.`);
  }
  const { code = "skill_failed", message = "no reason was recorded" } = run?.error ?? {};
  return new NestedFailure(code, `The skill "${slug}" failed: ${message}`);
}

function notPermitted(slug: string): NestedFailure {
  return new NestedFailure(
    "skill_not_permitted",
    `The skill "${slug}" may not be invoked here. Name it in permissions.skills of the skill that invokes it.`,
  );
}

function overtaken(): NestedFailure {
  return new NestedFailure("attempt_over", "The attempt that invokes it is over.");
}
