/** How the run engine sees a pipeline: the plan of its definition, what its steps do, the row of a list. */
import type { ResourceKind } from "../runs/ports.ts";
import type { Resource, RunSummary } from "../runs/store-types.ts";
import { child } from "./children.ts";
import { compile } from "./compile.ts";
import { headOf, readDocument } from "./document.ts";
import { approvalMessage, conclude, decide, work } from "./evaluate.ts";
import { inputIssues } from "./inputs.ts";
import { codebaseOf, resolvePlace } from "./mounts.ts";
import { prepare, stepOf } from "./prepared.ts";
import { DELETE_SQL, UPSERT_SQL } from "./repository.ts";
import { toSummary } from "./view.ts";

export const PIPELINE_KIND = "pipeline";
/** Retries of a pipeline are its caller's to bound: each names what runs again. */
const MAX_RETRIES = 1_000;

/** The service writes the deployment's default into every definition, so that none is needed here. */
const OPTIONS = { default_timeout_ms: null };

export const pipelineKind: ResourceKind = {
  upsertSql: UPSERT_SQL,
  deleteSql: DELETE_SQL,
  versioned: true,
  actions: {
    pending: ["execute", "cancel", "update", "delete", "start"],
    queued: ["cancel", "pause", "update"],
    running: ["cancel", "pause", "approve", "signal", "update"],
    paused: ["resume", "cancel", "update"],
    completed: ["execute", "update", "delete", "start", "retry"],
    failed: ["retry", "execute", "update", "delete", "start"],
    cancelled: ["retry", "execute", "update", "delete", "start"],
  },
  result: "run",
  plan: (_, document) => compile(readDocument(document).definition, OPTIONS),
  work,
  child,
  decide,
  conclude,
  question: approvalMessage,
  admit(resource, inputs) {
    const { definition } = headOf(resource);
    const issues = inputIssues(definition, inputs === null ? {} : JSON.parse(inputs));
    return { issues, concurrent: definition.concurrency === "allow" };
  },
  codebases: (resource, inputs) =>
    headOf(resource).mounts.map((place) => resolvePlace(place, inputs)),
  mounts(view, step) {
    const definition = stepOf(view, step);
    return definition !== undefined && codebaseOf(definition, prepare(view).definition) !== null;
  },
  skills: (resource) => headOf(resource).skills,
  failureAbove: ({ id }, run, error) => ({
    code: "sub_pipeline_failed",
    message: `Run ${run} of pipeline ${id} failed: ${error?.message ?? "no reason was recorded"}`,
  }),
  nameOf: (resource) => headOf(resource).definition.name,
  maxRetries: () => MAX_RETRIES,
  priority: (resource) => headOf(resource).definition.priority,

  row(resource: Resource, run: RunSummary | null): Record<string, unknown> {
    const summary = toSummary(resource, run);
    return {
      id: summary.id,
      project_id: summary.project_id,
      name: summary.name,
      pipeline_type: summary.pipeline_type,
      state: summary.state,
      triggered_by: summary.triggered_by,
      created_at: resource.created_at,
      updated_at: resource.updated_at,
      revision: resource.changed_seq,
      document: summary,
    };
  },
};
