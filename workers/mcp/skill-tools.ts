/** Skills as tools: what each tells of itself, and how it is called. */
import type { Tool, ToolAnnotations } from "@modelcontextprotocol/server";
import type { z } from "zod";
import { ApiError } from "../http/errors.ts";
import { toIssues } from "../http/issues.ts";
import { findUnsafeJson } from "../http/json.ts";
import { requireScope, type Scope } from "../security/principal.ts";
import { grantsNeeded } from "../skills/grants.ts";
import type { JsonObject } from "../skills/invocation-document.ts";
import type { OfferedSkill } from "../skills/offers.ts";
import { isSkillId, isSlug } from "../skills/slug.ts";
import { freeObject } from "../tasks/fields.ts";
import type { Caller } from "./caller.ts";
import { invocationResult } from "./long-runs/invocation.ts";
import type { CallTerms, ToolOutcome } from "./operation.ts";
import { errorResult } from "./results.ts";
import { beginAndWait, MAX_WAIT_SECONDS } from "./waiting.ts";

export const SKILL_SCOPE: Scope = "skills:execute";
const ANY_OBJECT = { type: "object" } as const;
const HEADER_MARK = "x-mcp-header";
const SAFE_METHODS: readonly (string | null)[] = ["GET", "HEAD"];
const argumentsSchema = freeObject.default({});

/** Whether the caller has every scope that an invocation needs. */
export function mayInvoke({ principal }: Caller, skill: OfferedSkill): boolean {
  const needed: readonly Scope[] = [SKILL_SCOPE, ...grantsNeeded(skill)];
  return needed.every((scope) => principal.scopes.has(scope));
}

export function toTool(skill: OfferedSkill): Tool {
  const { slug, name, description, inputs, outputs } = skill;
  const approval = skill.requires_approval ? " A person has to approve each call." : "";
  return {
    name: slug,
    title: name,
    description: `${description ?? name}${approval}`,
    inputSchema: { ...withoutHeaders(inputs ?? {}), ...ANY_OBJECT },
    // What is no object has no structure that all revisions of the protocol could carry.
    ...(outputs?.type === "object" && { outputSchema: { ...outputs, ...ANY_OBJECT } }),
    annotations: annotationsOf(skill),
  };
}

/** Without the mark that has clients repeat an argument in a header: nothing here is routed by one. */
function withoutHeaders(inputs: JsonObject): Record<string, unknown> {
  const text = JSON.stringify(inputs, (key, value: unknown) =>
    key === HEADER_MARK && typeof value === "string" ? undefined : value,
  );
  return JSON.parse(text);
}

/** What is sure alone: for what is left out, the protocol's careful defaults hold. */
function annotationsOf({ implementation, permissions }: OfferedSkill): ToolAnnotations {
  const { type, executor, method } = implementation;
  if (type === "prompt") return { readOnlyHint: true, openWorldHint: true };
  if (type === "http") return { readOnlyHint: SAFE_METHODS.includes(method), openWorldHint: true };
  const isClosed =
    executor === "local" && permissions.network.length === 0 && permissions.skills.length === 0;
  return isClosed ? { readOnlyHint: true, openWorldHint: false } : {};
}

/** Null when the project has no such skill. Throws what an invocation by REST is refused with. */
export async function callSkill(
  caller: Caller,
  slug: string,
  sent: unknown,
  { hand_over_ms, tell }: CallTerms,
): Promise<ToolOutcome | null> {
  if (!isSlug(slug) || isSkillId(slug)) return null;
  const { principal, project_id, services, once } = caller;
  const { invocations } = services;
  requireScope(principal, SKILL_SCOPE);
  const inputs = readArguments(sent);
  const named = { skill: slug, project_id, version: { kind: "default" } } as const;
  try {
    const { snapshot, outputs } = await beginAndWait(
      {
        begin: (wait_ms) =>
          once([slug, inputs], (seed) =>
            invocations.invoke(principal, seed, { ...named, inputs, context: null, wait_ms }),
          ),
        events: ({ snapshot: { resource } }) =>
          invocations.events(principal, resource.id, resource.run, 0),
        read: ({ snapshot: { resource } }) => invocations.get(principal, resource.id),
      },
      hand_over_ms ?? MAX_WAIT_SECONDS * 1000,
      tell,
    );
    const { resource, run } = snapshot;
    const about = { entity_type: "invocation", entity_id: resource.id };
    if (run?.completed_at != null) {
      return { kind: "result", result: invocationResult({ snapshot, outputs }), about };
    }
    if (hand_over_ms === null) {
      return { kind: "result", result: stillGoing(slug, resource.id), about };
    }
    return { kind: "going", run: { kind: "invocation", id: resource.id, run: resource.run } };
  } catch (error) {
    if (await isUnknown(caller, slug, error)) return null;
    throw error;
  }
}

async function isUnknown(
  { principal, project_id, services }: Caller,
  slug: string,
  error: unknown,
): Promise<boolean> {
  if (!isNotFound(error)) return false;
  const found = await services.skills
    .find(principal, { skill: slug, project_id })
    .catch(isNotFound);
  return found === true;
}

function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.code === "not_found";
}

function readArguments(sent: unknown): z.output<typeof argumentsSchema> {
  const { data, error } = argumentsSchema.safeParse(sent);
  const issues = error === undefined ? findUnsafeJson(data) : toIssues(error);
  if (data !== undefined && issues.length === 0) return data;
  throw new ApiError("validation_failed", "The arguments cannot be inputs of a skill.", { issues });
}

/** An error only since there is no output yet that the tool's schema could be held against. */
function stillGoing(slug: string, id: string) {
  return errorResult(
    `The skill "${slug}" has not ended within ${MAX_WAIT_SECONDS} seconds, and goes on. Follow it with the tool pipelzr_get_invocation and {"invocation_id": "${id}", "wait_seconds": ${MAX_WAIT_SECONDS}}; do not call it again.`,
  );
}
