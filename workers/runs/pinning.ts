/** Pins what a run refers to as it begins, so that all its steps, and retries of it, see the same. */
import type { Issue } from "../http/errors.ts";
import {
  type CodebasePorts,
  type CodebaseRef,
  keyOf,
  type NamedCodebase,
  type PinnedCodebase,
} from "./codebases.ts";
import { type RunPins, readPins, writePins } from "./pins.ts";
import type { NamedSkill, SkillPin, SkillPorts } from "./skills.ts";

/** What a run is begun with, or why it cannot be. `pins` is JSON text; null for none. */
export type Pinned = { readonly pins: string | null; readonly issues: readonly Issue[] };

export interface PinPorts {
  readonly codebases: CodebasePorts;
  readonly skills: SkillPorts;
}

/** Where a definition names what its runs are pinned to. */
export interface Named {
  readonly codebases: readonly NamedCodebase[];
  readonly skills: readonly NamedSkill[];
}

interface Found<Pin> {
  readonly pins: Readonly<Record<string, Pin>>;
  readonly issues: readonly Issue[];
}

const NOTHING: Pinned = { pins: null, issues: [] };

/**
 * Answers at once when there is nothing to pin. What the run above is pinned to, `inherited`, is not
 * looked up again.
 */
export function pin(
  ports: PinPorts,
  projectId: string,
  named: Named,
  inherited: string | null,
): Pinned | Promise<Pinned> {
  if (named.codebases.length === 0 && named.skills.length === 0) return NOTHING;
  return pinAll(ports, projectId, named, readPins(inherited));
}

async function pinAll(
  ports: PinPorts,
  projectId: string,
  named: Named,
  known: RunPins,
): Promise<Pinned> {
  const [codebases, skills] = await Promise.all([
    pinCodebases(ports.codebases, projectId, named.codebases, known.codebases),
    pinSkills(ports.skills, projectId, named.skills, known.skills),
  ]);
  return {
    pins: writePins({ codebases: codebases.pins, skills: skills.pins }),
    issues: [...codebases.issues, ...skills.issues],
  };
}

async function pinCodebases(
  codebases: CodebasePorts,
  projectId: string,
  named: readonly NamedCodebase[],
  known: RunPins["codebases"],
): Promise<Found<PinnedCodebase>> {
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
  return { pins, issues };
}

async function pinSkills(
  skills: SkillPorts,
  projectId: string,
  named: readonly NamedSkill[],
  known: RunPins["skills"],
): Promise<Found<SkillPin>> {
  const places = new Map(named.map(({ place, reference }) => [reference, place]));
  const pins: Record<string, SkillPin> = {};
  for (const reference of places.keys()) {
    const pinned = known[reference];
    if (pinned !== undefined) pins[reference] = pinned;
  }
  const asked = [...places.keys()].filter((reference) => pins[reference] === undefined);
  const found = asked.length === 0 ? [] : await skills.pin(projectId, asked);
  const issues: Issue[] = [];
  for (const [index, reference] of asked.entries()) {
    const { pin: pinned = null, problem = null } = found[index] ?? {};
    if (pinned !== null) pins[reference] = pinned;
    else if (problem !== null) issues.push({ path: places.get(reference) ?? "", message: problem });
  }
  return { pins, issues };
}
