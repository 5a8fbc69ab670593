import { z } from "zod";
import { MAX_FILE_BYTES } from "../workspace/overlay.ts";
import { filePath } from "./code.ts";
import { success } from "./results.ts";
import { defineTool } from "./tool.ts";

export const writeFile = defineTool({
  name: "write_file",
  description:
    "Writes a file of text, new or in place of what is there, in your workspace; the codebase itself is not changed. Use apply_patch to change parts of a file.",
  scopes: ["codebases:read"],
  recovery: "rerun",
  is_parallel: false,
  input: z.strictObject({
    path: filePath,
    content: z.string().max(MAX_FILE_BYTES).describe("All of it."),
  }),
  async run({ workspace, call, deps }, { path, content }) {
    await deps.workspaces.change(workspace, call.key, [{ path, content }]);
    return success(`Wrote ${Buffer.byteLength(content)} bytes to ${path}.`);
  },
});
