/** How the run engine sees an invocation of a skill: its plan, its work, and the row of its history. */
import { valueIssues } from "../executors/outputs-schema.ts";
import type { Conclusion, ResourceKind, RunView } from "../runs/ports.ts";
import type { Resource, RunSummary } from "../runs/store-types.ts";
import type { RunPlan, StepPlan } from "../runs/types.ts";
import { retryPolicy } from "../tasks/retry-policy.ts";
import { type InvocationDocument, readDocument } from "./invocation-document.ts";
import { DELETE_SQL, UPSERT_SQL } from "./invocation-repository.ts";
import { toSummary } from "./invocation-view.ts";
import { namedCodebases } from "./mount.ts";
import { work } from "./work.ts";

export const INVOCATION_KIND = "invocation";
export const MAIN_STEP = "main";
export const APPROVAL_STEP = "approval";
/** Manual retries are the caller's to bound: each is a call of its own. */
const MAX_RETRIES = 1_000;

export const invocationKind: ResourceKind = {
  upsertSql: UPSERT_SQL,
  deleteSql: DELETE_SQL,
  versioned: false,
  actions: {
    pending: ["cancel"],
    queued: ["cancel"],
    running: ["cancel", "approve"],
    paused: ["cancel"],
    completed: [],
    failed: ["retry"],
    cancelled: ["retry"],
  },
  result: "run",

  plan(resource: Resource): RunPlan {
    const { content } = readDocument(resource).skill;
    const main = mainStep(readDocument(resource));
    return {
      steps: content.requires_approval ? [approvalStep(main), { ...main, needs: [0] }] : [main],
      max_parallel: 1,
      stop_on_failure: true,
      timeout_ms: null,
      slotted: false,
      concludes: true,
    };
  },

  work,

  child({ resource }) {
    const { implementation } = readDocument(resource).skill.content;
    if (implementation.type !== "pipeline") return null;
    return { resource_id: implementation.pipeline_id, placement: "own" };
  },

  decide: () => ({ verdict: { do: "run" }, items: [] }),
  conclude,

  question({ resource }) {
    const { skill, invoked_by } = readDocument(resource);
    return `Run the skill "${skill.slug}", version ${skill.version}, for ${invoked_by}?`;
  },

  codebases: (resource) => namedCodebases(readDocument(resource)),
  skills: () => [],
  mounts: ({ resource }) => readDocument(resource).skill.content.codebase !== null,
  nameOf: (resource) => readDocument(resource).skill.slug,

  failureAbove(resource, _, error) {
    const { slug } = readDocument(resource).skill;
    const why = error?.message ?? "no reason was recorded";
    return { code: error?.code ?? "skill_failed", message: `The skill "${slug}" failed: ${why}` };
  },

  admit: () => ({ issues: [], concurrent: false }),
  maxRetries: () => MAX_RETRIES,
  priority: () => 0,

  row(resource: Resource, run: RunSummary | null): Record<string, unknown> {
    const { skill } = readDocument(resource);
    const summary = toSummary(resource, run);
    return {
      id: summary.id,
      project_id: summary.project_id,
      skill_id: summary.skill_id,
      slug: summary.slug,
      number: skill.number,
      version: summary.version,
      state: summary.state,
      implementation_type: summary.implementation_type,
      invoked_by: summary.invoked_by,
      parent_id: summary.parent?.id ?? null,
      created_at: resource.created_at,
      updated_at: resource.updated_at,
      duration_ms: summary.duration_ms,
      revision: resource.changed_seq,
      document: summary,
    };
  },
};

function mainStep({ skill }: InvocationDocument): StepPlan {
  const { implementation, timeout_seconds, retry } = skill.content;
  const isRemote =
    implementation.type === "pipeline" ||
    ("executor" in implementation && implementation.executor !== "local");
  return {
    name: MAIN_STEP,
    needs: [],
    condition: null,
    matrix: null,
    gate: null,
    continue_on_error: false,
    timeout_ms: Math.ceil(timeout_seconds * 1000),
    retry: retryPolicy(retry),
    attached: !isRemote,
    durable: isRemote,
  };
}

function approvalStep(main: StepPlan): StepPlan {
  const gate = { type: "approval", signal: null, ms: null } as const;
  return { ...main, name: APPROVAL_STEP, gate, retry: retryPolicy(null) };
}

/** The outputs are what the main step came to; those of a pipeline are held against the schema here. */
function conclude(view: RunView): Conclusion {
  const main = view.plan.steps.findIndex(({ name }) => name === MAIN_STEP);
  const text = view.result(main);
  const { implementation, outputs } = readDocument(view.resource).skill.content;
  const result = text === null ? null : JSON.parse(text);
  if (implementation.type !== "pipeline" || outputs === null) return { result, error: null };
  const issues = valueIssues(outputs, result, "outputs");
  if (issues.length === 0) return { result, error: null };
  const list = issues.map(({ path, message }) => `${path}: ${message}`).join(" ");
  const message = `The pipeline's outputs do not match the skill's outputs schema. ${list}`;
  return { result: null, error: { code: "output_invalid", message } };
}
