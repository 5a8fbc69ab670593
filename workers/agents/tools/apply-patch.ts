import { z } from "zod";
import { applyUnifiedDiff } from "../workspace/patch.ts";
import { placeOf, textAt } from "./code.ts";
import { failure, refusalText, success } from "./results.ts";
import { defineTool } from "./tool.ts";

const MAX_PATCH_CHARS = 1024 * 1024;

export const applyPatch = defineTool({
  name: "apply_patch",
  description:
    'Changes, creates and deletes files of text in your workspace by a unified diff: for each file "--- a/path", "+++ b/path" (/dev/null for none), then hunks. All of it is applied, or nothing.',
  scopes: ["codebases:read"],
  recovery: "rerun",
  is_parallel: false,
  input: z.strictObject({ patch: z.string().min(1).max(MAX_PATCH_CHARS) }),
  async run(session, { patch }) {
    const { workspace, call, deps } = session;
    const place = await placeOf(session, undefined);
    // Repeated after a crash it is applied already, and would not match any more.
    if (place.overlay?.done.includes(call.key)) return success("The patch is applied.");
    const { changes, problems } = await applyUnifiedDiff(patch, (path) =>
      textAt(session, place, path),
    );
    if (problems !== null) {
      return failure(refusalText({ detail: "Nothing was changed.", issues: problems }));
    }
    await deps.workspaces.change(workspace, call.key, changes);
    const lines = changes.map(({ path, content }) =>
      content === null ? `- ${path} (deleted)` : `- ${path}`,
    );
    return success(`The patch is applied.\n${lines.join("\n")}`);
  },
});
