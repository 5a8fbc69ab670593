/** What IDEALZR is told of an outcome: the body of its evidence. Pure. */
import type { Json } from "../http/json.ts";
import type { EvidenceSpec, Outcome } from "./evidence.ts";

export const EVIDENCE_KINDS = ["task", "pipeline", "agent"] as const;
export type EvidenceKind = (typeof EVIDENCE_KINDS)[number];

/** What an outcome is of. */
export interface Subject {
  readonly kind: EvidenceKind;
  readonly id: string;
  readonly name: string;
  readonly project_id: string;
  /** Number of the run; 0 for an agent, and before the first one. */
  readonly run: number;
  /** Null while it has not come to one. */
  readonly outcome: Outcome | null;
  readonly error: string | null;
  readonly duration_ms: number | null;
  readonly result: Json;
  /** Null when its definition says nothing of evidence. */
  readonly evidence: EvidenceSpec | null;
}

const SOURCE = "pipelzr";
const MAX_TITLE_CHARS = 255;
const PATHS: Readonly<Record<EvidenceKind, string>> = {
  task: "tasks",
  pipeline: "pipelines",
  agent: "agents",
};

/** A tag that one run's evidence has and no other, by which it is found again. */
export function keyOf({ kind, id, run }: Pick<Subject, "kind" | "id" | "run">): string {
  return kind === "agent" ? `${SOURCE}:${id}` : `${SOURCE}:${id}:${run}`;
}

/** The evidence that an outcome is; null when it is none. */
export function toEvidence(
  subject: Subject,
  outcome: Outcome,
  publicUrl: string,
): Readonly<Record<string, Json>> | null {
  const { kind, id, name, run, evidence, result } = subject;
  const said = evidence?.on[outcome] ?? null;
  if (evidence === null || said === null) return null;
  const hypothesis_id = evidence.hypothesis_id ?? null;
  const idea_id = evidence.idea_id ?? null;
  const path = said.data_value ?? null;
  const value = path === null ? null : valueAt(result, path);
  const ideaTags = idea_id === null ? [] : [`idea:${idea_id}`];
  return {
    title: evidence.title ?? `The ${kind} "${name}" ${WORDS[outcome]}`.slice(0, MAX_TITLE_CHARS),
    description: said.description ?? describe(subject, outcome),
    hypothesis_id,
    project_id: subject.project_id,
    evidence_type: said.evidence_type,
    strength: said.strength,
    supports_hypothesis: said.supports_hypothesis,
    confidence_impact: said.confidence_impact,
    source: SOURCE,
    source_url: sourceUrl(subject, publicUrl),
    data_value: typeof value === "number" ? value : null,
    data_context: path,
    submitted_by: SOURCE,
    tags: [SOURCE, keyOf(subject), ...ideaTags, ...said.tags],
    extra_data: { service: SOURCE, kind, id, run, outcome, idea_id, key: keyOf(subject) },
  };
}

const WORDS: Readonly<Record<Outcome, string>> = {
  completed: "completed",
  failed: "failed",
  cancelled: "was cancelled",
};

function describe(subject: Subject, outcome: Outcome): string {
  const { kind, name, run, duration_ms, error } = subject;
  const what = kind === "agent" ? `The agent "${name}"` : `Run ${run} of the ${kind} "${name}"`;
  const took = duration_ms === null ? "" : ` after ${(duration_ms / 1_000).toFixed(1)} s`;
  return `${what} ${WORDS[outcome]}${took}${error === null ? "." : `: ${error}`}`;
}

function sourceUrl({ kind, id, run }: Subject, publicUrl: string): string {
  const at = `${publicUrl.replace(/\/+$/, "")}/api/v1/${PATHS[kind]}/${id}`;
  return kind === "pipeline" ? `${at}/runs/${run}` : at;
}

/** What a path like `runs[0].score` leads to; undefined for nothing. */
export function valueAt(value: Json, path: string): Json | undefined {
  let at: Json | undefined = value;
  for (const [, name, index] of path.matchAll(/([\w-]+)|\[(\d+)\]/g)) {
    if (typeof at !== "object" || at === null) return undefined;
    if (isList(at)) at = index === undefined ? undefined : at[Number(index)];
    else at = name !== undefined && Object.hasOwn(at, name) ? at[name] : undefined;
  }
  return at;
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}
