/** The code that a session works on: a snapshot of a codebase, and what the session has written over it. */
import { z } from "zod";
import { contentNotHeld } from "../../codebases/render.ts";
import { ApiError } from "../../http/errors.ts";
import { isNotFound } from "../../runs/access.ts";
import { type CodebaseRef, refOf } from "../../runs/codebases.ts";
import { isShadowed, type Overlay } from "../workspace/overlay.ts";
import type { SessionCodebase } from "./setup.ts";
import type { ToolDeps, ToolSession } from "./tool.ts";

const MAX_NAME_CHARS = 460;

export const codebaseName = z
  .string()
  .min(1)
  .max(MAX_NAME_CHARS)
  .optional()
  .describe("A codebase of the project, as name or name@snapshot; the session's own unless said.");

export const filePath = z
  .string()
  .min(1)
  .max(1_024)
  .transform((path) => path.replace(/^(?:\.?\/)+/, ""))
  .describe("Relative to the top of the codebase.");

/** Where a tool looks. */
export interface Place {
  /** Null of a session that works on none. */
  readonly codebase: SessionCodebase | null;
  /** What the session has written, which shadows it; null at codebases that are not its own. */
  readonly overlay: Overlay | null;
}

/** Throws `validation_failed` when a codebase is named that is not to be had. */
export async function placeOf(session: ToolSession, named: string | undefined): Promise<Place> {
  const { project_id, setup, deps } = session;
  if (named !== undefined) {
    return { codebase: await pinCodebase(deps, project_id, refOf(named)), overlay: null };
  }
  return { codebase: setup.codebase, overlay: await overlayOf(session) };
}

/** Throws `validation_failed` for one that is not to be had. */
export async function pinCodebase(
  { codebases }: Pick<ToolDeps, "codebases">,
  projectId: string,
  ref: CodebaseRef,
): Promise<SessionCodebase> {
  const [answer] = await codebases.pin(projectId, [ref]);
  if (answer?.pinned) {
    const { codebase_id, name, snapshot, folder } = answer.pinned;
    return { codebase_id, name, snapshot, folder };
  }
  const message = answer?.problem?.message ?? "It is not to be had.";
  throw new ApiError("validation_failed", message, { issues: [{ path: "codebase", message }] });
}

export function overlayOf({ workspace, deps }: ToolSession): Promise<Overlay> {
  return deps.workspaces.overlay(workspace);
}

/** The text of a file; null when there is none. Throws `validation_failed` for what is no text. */
export async function textAt(
  session: ToolSession,
  { codebase, overlay }: Place,
  path: string,
): Promise<string | null> {
  const { workspace, principal, deps } = session;
  if (overlay !== null && isShadowed(overlay, path)) {
    return deps.workspaces.text(workspace, overlay, path);
  }
  if (codebase === null) return null;
  const { codebase_id, snapshot, folder } = codebase;
  const whole = folder === "" ? path : `${folder}/${path}`;
  try {
    const found = await deps.services.reading.file(principal, codebase_id, String(snapshot), whole);
    if (found.content === null) throw contentNotHeld(path, found.entry.size);
    return decoded(path, found.content);
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

function decoded(path: string, content: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch (cause) {
    throw new ApiError("validation_failed", `"${path}" is no text of UTF-8.`, { cause });
  }
}
