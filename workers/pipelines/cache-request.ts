/** What the result of a step depends on, by name: what is equal in all of it may be reused. */
import type { Json, Work } from "../executors/port.ts";
import { canonicalJson } from "../http/json.ts";
import type { MountedCodebase } from "../runs/codebases.ts";
import type { CacheRequest } from "../runs/ports.ts";
import { sha256 } from "../security/hash.ts";
import type { StepDefinition } from "./definition-schema.ts";

/** Shorter values are kept readable, for whoever asks why a result was not reused. */
const MAX_SHOWN_CHARS = 120;

/**
 * The request of a step that asks for a cache. A key of the user's own, resolved, takes the place of
 * the data that the step is given, files taken from earlier steps included; the code and where it
 * runs always count. Secrets count by name: their values are not known here.
 */
export function cacheRequest(
  cache: NonNullable<StepDefinition["cache"]>,
  work: Work,
  codebase: MountedCodebase | null,
  key: string | null,
): CacheRequest {
  const ttl = typeof cache === "object" ? cache.ttl_seconds : null;
  const data = key === null ? dataParts(work, codebase) : { key: shown(key) };
  return {
    parts: { ...codeParts(work), ...data },
    taken: key === null ? {} : null,
    ttl_ms: ttl ? Math.ceil(ttl * 1000) : null,
  };
}

function codeParts(work: Work): Record<string, string> {
  return {
    executor: work.task_type,
    code: shown(work.command ?? work.script ?? ""),
    language: work.language,
    image: shown(work.image),
    template: shown(work.template),
    ...(work.sandbox && { sandbox: shown(work.sandbox) }),
    working_directory: shown(work.working_directory),
    network: shown(work.network.allow),
    secrets: shown(work.secrets),
    outputs: shown(work.outputs),
    artifacts: shown(work.artifacts),
  };
}

function dataParts(work: Work, codebase: MountedCodebase | null): Record<string, string> {
  return {
    inputs: shown(work.inputs),
    environment: shown(work.environment),
    ...(codebase && { codebase: `${codebase.root} ${codebase.path}` }),
    files:
      work.files.kind === "inline" ? sha256(canonicalJson(work.files.entries)) : work.files.key,
  };
}

function shown(value: Json): string {
  const text = typeof value === "string" ? value : canonicalJson(value);
  return text.length <= MAX_SHOWN_CHARS ? text : `sha256:${sha256(text)}`;
}
