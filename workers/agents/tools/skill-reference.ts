/** How tools name skills. */
import { z } from "zod";
import { ownSkill } from "./session-skills.ts";
import type { SessionSetup } from "./setup.ts";

export const skillReference = z.string().min(1).max(200).describe("Its slug, or slug@version.");

/** A skill of the session is meant as the version that it is pinned to, unless another is named. */
export function referenceFor(setup: SessionSetup, named: string): string {
  const own = ownSkill(setup, named);
  return own === null ? named : `${own.slug}@${own.number}`;
}
