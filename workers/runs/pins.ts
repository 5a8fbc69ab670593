/** What a run is pinned to, as it is stored beside the run. */
import type { PinnedCodebase } from "./codebases.ts";
import type { SkillPins } from "./skills.ts";

export interface RunPins {
  /** By `keyOf` of the references. */
  readonly codebases: Readonly<Record<string, PinnedCodebase>>;
  readonly skills: SkillPins;
}

const NO_PINS: RunPins = { codebases: {}, skills: {} };

/** Codebases lie at the top, as before there were others: their keys are JSON arrays, never a name. */
type Stored = RunPins["codebases"] & { readonly skills?: SkillPins };

export function writePins({ codebases, skills }: RunPins): string {
  return JSON.stringify(Object.keys(skills).length === 0 ? codebases : { ...codebases, skills });
}

export function readPins(text: string | null): RunPins {
  if (text === null) return NO_PINS;
  const { skills = {}, ...codebases }: Stored = JSON.parse(text);
  return { codebases, skills };
}
