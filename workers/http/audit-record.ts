/** What is written down of a call that changes something, or that is refused. Pure. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { isReading, type Principal, type Scope } from "../security/principal.ts";
import type { Method } from "./endpoint-spec.ts";
import type { ApiError } from "./errors.ts";

export const OUTCOMES = ["success", "denied", "failed"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Longer documents are told by their digest. */
export const MAX_CONTENT_BYTES = 16 * 1024;
/** The log of what belongs to no project. No project can be called so. */
export const DEPLOYMENT_LOG = "deployment";

export interface Digest {
  /** Hex, of the document as JSON. */
  readonly sha256: string;
  readonly bytes: number;
}

/** A document as JSON text, or what is told in its place; null for none. */
export type Content = { readonly json: string } | { readonly digest: Digest } | null;

export interface AuditActor {
  /** `anonymous` for who has not said who it is. */
  readonly kind: string;
  readonly id: string;
  readonly name: string;
}

export interface AuditRecord {
  /** The same for a call that is made again by its Idempotency-Key: it is written down once. */
  readonly id: string;
  readonly actor: AuditActor;
  /** The operationId, or the name of the MCP tool. */
  readonly action: string;
  readonly entity_type: string | null;
  readonly entity_id: string | null;
  /** Whether `after` is the entity itself, and not another answer about it. */
  readonly is_entity: boolean;
  readonly to_state: string | null;
  readonly method: string;
  /** The route's pattern. */
  readonly path: string;
  readonly status: number;
  readonly outcome: Outcome;
  readonly error_code: string | null;
  readonly request_id: string;
  readonly correlation_id: string;
  readonly traceparent: string | null;
  readonly request: Content;
  readonly after: Content;
}

export const ANONYMOUS: AuditActor = { kind: "anonymous", id: "anonymous", name: "anonymous" };

export function actorOf({ kind, id, name }: Principal): AuditActor {
  return { kind, id, name };
}

/** The name of a project's log, or of the deployment's for null. */
export function logOf(projectId: string | null): string {
  return projectId === null ? DEPLOYMENT_LOG : `project/${projectId}`;
}

/** The project of a log; null for the deployment's. */
export function projectOfLog(log: string): string | null {
  return log === DEPLOYMENT_LOG ? null : log.slice("project/".length);
}

export interface Audited {
  readonly method: Method;
  readonly scope?: Scope;
  /** Overrides what follows from method and scope. */
  readonly audited?: boolean;
}

/** Whether every call of an operation is written down, and not its denials alone. */
export function changesSomething({ method, scope, audited }: Audited): boolean {
  return audited ?? (method !== "get" && scope !== undefined && !isReading(scope));
}

export function outcomeOf(error: ApiError | null): Outcome {
  if (error === null) return "failed";
  return error.status === 401 || error.status === 403 ? "denied" : "failed";
}

/** A value as it is written down; undefined is none. */
export function contentOf(value: unknown): Content {
  if (value === undefined) return null;
  const json = JSON.stringify(value);
  const bytes = Buffer.byteLength(json);
  return bytes <= MAX_CONTENT_BYTES ? { json } : { digest: digestOf(json, bytes) };
}

function digestOf(json: string, bytes: number): Digest {
  return { sha256: createHash("sha256").update(json).digest("hex"), bytes };
}

const answerSchema = z
  .looseObject({
    id: z.string(),
    slug: z.string(),
    state: z.string(),
    project_id: z.string().nullable(),
  })
  .partial();
export type AnswerParts = z.output<typeof answerSchema>;

/** What an answer says of the resource that it is about; nothing for what is no such answer. */
export function partsOf(body: unknown): AnswerParts {
  return answerSchema.safeParse(body).data ?? {};
}

export interface Entity {
  readonly entity_type: string | null;
  readonly entity_id: string | null;
}

export interface EntitySources {
  /** Of the answer. */
  readonly location: string | null;
  /** Of the operation, such as `/tasks/{task_id}`, and the values of its parameters. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly answer: AnswerParts;
}

const LOCATION = /^\/api\/v1\/([a-z-]+)\/([^/?#]+)/;
const PATH = /^\/([a-z-]+)(?:\/\{(\w+)\})?/;

/** What a call is about: what its answer points to, else what its path names, else what it answers. */
export function entityOf({ location, path, params, answer }: EntitySources): Entity {
  const [, pointed, id] = LOCATION.exec(location ?? "") ?? [];
  if (pointed !== undefined && id !== undefined) {
    return { entity_type: singular(pointed), entity_id: decodeURIComponent(id) };
  }
  const [, kind = "", parameter = ""] = PATH.exec(path) ?? [];
  const named = params[parameter];
  const entity_type = kind === "" ? null : singular(kind);
  const isAnswered = named === undefined || named === answer.slug;
  const answered = isAnswered ? (answer.id ?? answer[`${entity_type}_id`]) : undefined;
  const entity_id = typeof answered === "string" ? answered : (named ?? null);
  return { entity_type, entity_id };
}

/** `dead-letters` is of `dead_letter`. */
function singular(kind: string): string {
  return kind.replaceAll("-", "_").replace(/s$/, "");
}
