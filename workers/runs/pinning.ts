/** Pins the codebases of a run as it begins, so that all its steps, and retries of it, see the same. */
import type { Issue } from "../http/errors.ts";
import {
  type CodebasePorts,
  type CodebaseRef,
  keyOf,
  type NamedCodebase,
  type PinnedCodebase,
  readPins,
} from "./codebases.ts";

/** What a run is begun with, or why it cannot be. `pins` is JSON text; null for none. */
export type Pinned = { readonly pins: string | null; readonly issues: readonly Issue[] };

const NOTHING: Pinned = { pins: null, issues: [] };

/**
 * Answers at once when there is nothing to pin. What the run above is pinned to, `inherited`, is not
 * looked up again.
 */
export function pinCodebases(
  codebases: CodebasePorts,
  projectId: string,
  named: readonly NamedCodebase[],
  inherited: string | null,
): Pinned | Promise<Pinned> {
  return named.length === 0 ? NOTHING : pinAll(codebases, projectId, named, inherited);
}

async function pinAll(
  codebases: CodebasePorts,
  projectId: string,
  named: readonly NamedCodebase[],
  inherited: string | null,
): Promise<Pinned> {
  const known = readPins(inherited);
  const pins: Record<string, PinnedCodebase> = {};
  const issues: Issue[] = [];
  const asked = new Map<string, { readonly place: string; readonly ref: CodebaseRef }>();
  for (const { place, ref, problem } of named) {
    if (ref === null) {
      issues.push({ path: place, message: problem ?? "It names no codebase." });
      continue;
    }
    const key = keyOf(ref);
    const pinned = known[key];
    if (pinned !== undefined) pins[key] = pinned;
    else if (!asked.has(key)) asked.set(key, { place, ref });
  }
  const refs = [...asked.values()].map(({ ref }) => ref);
  const found = refs.length === 0 ? [] : await codebases.pin(projectId, refs);
  for (const [index, [key, { place }]] of [...asked].entries()) {
    const { pinned = null, problem = null } = found[index] ?? {};
    if (pinned !== null) pins[key] = pinned;
    else if (problem !== null) issues.push({ path: place, message: problem.message });
  }
  return { pins: JSON.stringify(pins), issues };
}
