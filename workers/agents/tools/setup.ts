/** What `initialize` has fixed of the tools of a session: plain JSON that the session keeps. */
import { z } from "zod";
import { freeObject } from "../../tasks/fields.ts";
import { pinnedServerSchema } from "../mcp/pinned.ts";
import type { ToolSetup } from "../tool-port.ts";

const skillSchema = z.object({
  slug: z.string(),
  number: z.int(),
  version: z.string(),
  digest: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  /** JSON Schema; null for any object. */
  inputs: freeObject.nullable(),
  /** It has nothing to run: the tool answers with what it says. */
  is_instructions: z.boolean(),
  requires_approval: z.boolean(),
});
export type SkillTool = z.output<typeof skillSchema>;

const codebaseSchema = z.object({
  codebase_id: z.string(),
  name: z.string(),
  snapshot: z.int(),
  /** Paths are relative to it; `""` for all of the codebase. */
  folder: z.string(),
});
export type SessionCodebase = z.output<typeof codebaseSchema>;

const setupSchema = z.object({
  format: z.literal(1),
  skills: z.array(skillSchema),
  /** Names of the built-in tools that are offered, in their order. */
  tools: z.array(z.string()),
  codebase: codebaseSchema.nullable(),
  mcp_servers: z.array(pinnedServerSchema).default([]),
  /** JSON Schema of the result that it is to hand in; null for none. */
  outputs: freeObject.nullable().default(null),
});
export type SessionSetup = z.output<typeof setupSchema>;

/** Setups as they were kept; one is read for every step and every call of a session. */
const parsed = new WeakMap<object, SessionSetup>();

export function readSetup(kept: ToolSetup): SessionSetup {
  if (typeof kept !== "object" || kept === null) return setupSchema.parse(kept);
  const known = parsed.get(kept);
  if (known !== undefined) return known;
  const setup = setupSchema.parse(kept);
  parsed.set(kept, setup);
  return setup;
}
