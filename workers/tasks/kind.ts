/** How the run engine sees a task: a plan of one step, the work of it, and the row of a list. */
import type { Work } from "../executors/port.ts";
import type { ResourceKind, RunView, StepWork } from "../runs/ports.ts";
import type { Resource, RunSummary } from "../runs/store-types.ts";
import type { RunPlan } from "../runs/types.ts";
import { readDocument } from "./document.ts";
import { DELETE_SQL, UPSERT_SQL } from "./repository.ts";
import { retryPolicy } from "./retry-policy.ts";
import { languageOf } from "./rules.ts";
import { toSummary } from "./view.ts";

export const TASK_KIND = "task";
/** The only step of a task's run. */
export const STEP_NAME = "main";

export const taskKind: ResourceKind = {
  upsertSql: UPSERT_SQL,
  deleteSql: DELETE_SQL,
  versioned: false,
  actions: {
    pending: ["execute", "cancel", "update", "delete"],
    queued: ["cancel"],
    running: ["cancel"],
    paused: ["resume", "cancel"],
    completed: ["execute", "update", "delete"],
    failed: ["retry", "execute", "update", "delete"],
    cancelled: ["retry", "execute", "update", "delete"],
  },
  result: "step",

  plan(resource: Resource): RunPlan {
    const { spec } = readDocument(resource);
    return {
      steps: [
        {
          name: STEP_NAME,
          needs: [],
          condition: null,
          matrix: null,
          gate: null,
          continue_on_error: false,
          timeout_ms: Math.ceil(spec.timeout_seconds * 1000),
          retry: retryPolicy(spec.retry),
          attached: spec.task_type === "local",
          durable: spec.task_type !== "local",
        },
      ],
      max_parallel: 1,
      stop_on_failure: true,
      timeout_ms: null,
      slotted: false,
      concludes: false,
    };
  },

  child: () => null,
  decide: () => ({ verdict: { do: "run" }, items: [] }),
  question: () => null,
  conclude: () => ({ result: null, error: null }),
  /** No run has a task below it. */
  failureAbove: (_, __, error) => error ?? { code: "internal", message: "It failed." },

  work({ resource }: RunView): StepWork {
    const { spec, files, codebase } = readDocument(resource);
    const work: Work = {
      task_type: spec.task_type,
      command: spec.command,
      script: spec.script,
      language: languageOf(spec),
      inputs: spec.inputs,
      environment: spec.environment,
      secrets: spec.secrets,
      files: files.set,
      mounts: [],
      working_directory: spec.working_directory,
      network: spec.network,
      artifacts: spec.artifacts,
      isolation: spec.isolation,
      outputs: spec.outputs,
      image: spec.image,
      template: spec.template,
      // The only step of its run has nobody to share one with.
      sandbox: null,
    };
    return {
      type: "work",
      work,
      cache: null,
      artifacts_from: [],
      codebase,
      runs_on: spec.runs_on,
      executors: spec.executors,
    };
  },

  /** A task is pinned when it is created. */
  codebases: () => [],
  skills: () => [],
  mounts: ({ resource }) => readDocument(resource).codebase !== null,
  nameOf: (resource) => readDocument(resource).spec.name,

  admit: () => ({ issues: [], concurrent: false }),

  maxRetries: (resource) => readDocument(resource).spec.max_retries,

  priority: (resource) => readDocument(resource).spec.priority,

  row(resource: Resource, run: RunSummary | null): Record<string, unknown> {
    const summary = toSummary(resource, run);
    return {
      id: summary.id,
      project_id: summary.project_id,
      name: summary.name,
      task_type: summary.task_type,
      state: summary.state,
      pipeline_id: summary.pipeline_id,
      agent_id: summary.agent_id,
      created_at: resource.created_at,
      updated_at: resource.updated_at,
      duration_ms: summary.duration_ms,
      revision: resource.changed_seq,
      document: summary,
    };
  },
};
