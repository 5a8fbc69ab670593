/** What of a session's files a task has. */
import { z } from "zod";
import type { CodebaseSpec } from "../../runs/codebases.ts";
import { filesBelow } from "../workspace/overlay.ts";
import type { ToolSession } from "./tool.ts";

const CHANGES = "changes";
const MAX_MOUNT_CHARS = 460;

export const specOfCodebase = z
  .string()
  .min(1)
  .max(MAX_MOUNT_CHARS)
  .optional()
  .describe("Another codebase to mount at `code`: a name, or name@snapshot.");

/** What the task mounts: what is named, else the session's codebase as it was pinned. */
export function mountOf({ setup }: ToolSession, named: string | undefined): CodebaseSpec | null {
  if (named !== undefined) return named;
  if (setup.codebase === null) return null;
  const { codebase_id, snapshot, folder } = setup.codebase;
  return { codebase: codebase_id, snapshot, ...(folder !== "" && { folder }) };
}

/** The files that the session has written, where they stand in a task's workspace. */
export async function changedFiles(session: ToolSession): Promise<Record<string, string>> {
  const { workspace, deps } = session;
  const overlay = await deps.workspaces.overlay(workspace);
  const files = await Promise.all(
    filesBelow(overlay, "").map(async ({ path }) => {
      const text = await deps.workspaces.text(workspace, overlay, path);
      return [`${CHANGES}/${path}`, text ?? ""] as const;
    }),
  );
  return Object.fromEntries(files);
}
