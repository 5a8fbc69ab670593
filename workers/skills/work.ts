/** What an invocation does: its implementation with every expression resolved. */

import { referencedSecret } from "../executors/environment.ts";
import type { HttpCall, Json, ModelCall, Work } from "../executors/port.ts";
import { canonicalJson } from "../http/json.ts";
import type { MountedCodebase } from "../runs/codebases.ts";
import { EvaluationFailed, type Scope } from "../runs/expressions.ts";
import { type CacheRequest, type RunView, StepNotReady, type StepWork } from "../runs/ports.ts";
import { sha256 } from "../security/hash.ts";
import type { Implementation } from "./content.ts";
import { inputsScope, renderJson, renderText, renderUrl } from "./expressions.ts";
import { type InvocationDocument, readDocument } from "./invocation-document.ts";
import { mountedCodebase } from "./mount.ts";

type Code = Extract<Implementation, { executor: string }>;
type Http = Extract<Implementation, { type: "http" }>;
type Prompt = Extract<Implementation, { type: "prompt" }>;

/** Throws `StepNotReady` when an expression comes to nothing that can be used. */
export function work({ resource, pins }: Pick<RunView, "resource" | "pins">): StepWork {
  const document = readDocument(resource);
  const { implementation } = document.skill.content;
  try {
    switch (implementation.type) {
      case "pipeline": {
        const child = { resource_id: implementation.pipeline_id, placement: "own" } as const;
        return { type: "run", child, inputs: JSON.stringify(document.inputs) };
      }
      case "http":
        return { type: "call", call: httpCall(document, implementation), cache: cache(document) };
      case "prompt":
        return { type: "call", call: modelCall(document, implementation), cache: cache(document) };
      default: {
        const codebase = mountedCodebase(document, pins);
        return {
          type: "work",
          work: codeWork(document, implementation),
          cache: cache(document, codebase),
          runs_on: implementation.runs_on,
          executors: [],
          artifacts_from: [],
          codebase,
        };
      }
    }
  } catch (error) {
    if (!(error instanceof EvaluationFailed)) throw error;
    throw new StepNotReady("expression_invalid", error.message);
  }
}

function codeWork({ skill, inputs, ...origin }: InvocationDocument, code: Code): Work {
  const { permissions, outputs } = skill.content;
  return {
    task_type: code.executor,
    command: "command" in code ? code.command : null,
    script: "script" in code ? code.script : null,
    language: code.type === "command" ? "bash" : code.type,
    inputs,
    environment: code.environment,
    secrets: permissions.secrets,
    files: skill.files.set,
    mounts: [],
    working_directory: null,
    network: { allow: permissions.network },
    artifacts: [],
    isolation: "shared",
    outputs,
    image: code.image,
    template: code.template,
    sandbox: null,
    skills: {
      allow: permissions.skills,
      chain: origin.chain,
      grants: origin.grants,
      invoked_by: origin.invoked_by,
    },
  };
}

function httpCall({ skill, inputs }: InvocationDocument, http: Http): HttpCall {
  const scope = inputsScope(inputs);
  const { permissions, outputs } = skill.content;
  const url = new URL(renderUrl(http.url, scope));
  for (const [name, value] of Object.entries(http.query)) {
    const resolved = renderJson(value, scope);
    if (resolved !== null) url.searchParams.set(name, textOf(resolved));
  }
  const body = http.body === null ? null : JSON.stringify(renderJson(http.body, scope));
  return {
    via: "http",
    method: http.method,
    url: url.href,
    headers: headersOf(http, scope),
    body,
    response: http.response,
    select: http.select,
    allow: permissions.network,
    outputs,
  };
}

/** A reference to a secret stays one: the caller alone resolves it. */
function headersOf({ headers }: Http, scope: Scope): Record<string, string> {
  const rendered = Object.entries(headers).map(([name, value]) => [
    name,
    referencedSecret(value) !== null ? value : renderText(value, scope),
  ]);
  return Object.fromEntries(rendered);
}

function modelCall({ skill, inputs }: InvocationDocument, prompt: Prompt): ModelCall {
  const scope = inputsScope(inputs);
  const { system_prompt, outputs } = skill.content;
  return {
    via: "model",
    model: prompt.model,
    instructions: system_prompt === null ? null : renderText(system_prompt, scope),
    prompt: renderText(prompt.template, scope),
    temperature: prompt.temperature,
    max_output_tokens: prompt.max_output_tokens,
    outputs,
  };
}

/** What the outputs depend on; null for a skill whose outputs are not kept. */
function cache(
  { skill, inputs }: InvocationDocument,
  codebase: MountedCodebase | null = null,
): CacheRequest | null {
  const ttl = skill.content.cache?.ttl_seconds;
  if (ttl === undefined) return null;
  const parts = {
    ...{ skill: skill.skill_id, version: skill.digest, inputs: digest(inputs) },
    ...(codebase && { codebase: `${codebase.root} ${codebase.path}` }),
  };
  return { parts, taken: null, ttl_ms: Math.ceil(ttl * 1000) };
}

function digest(value: Json): string {
  return `sha256:${sha256(canonicalJson(value))}`;
}

function textOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
