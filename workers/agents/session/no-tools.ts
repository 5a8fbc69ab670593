/** A deployment without tools: sessions talk, and what names a tool is refused when it is initialized. */
import { ApiError, type Issue } from "../../http/errors.ts";
import type { ToolHost } from "../tool-port.ts";

const MISSING = "There are no tools for sessions here. Create the session without.";

export const noTools: ToolHost = {
  async prepare(_context, { skills, tools, codebase }) {
    const issues: Issue[] = [];
    if (skills.length > 0) issues.push({ path: "skills", message: MISSING });
    if (tools !== null && tools.length > 0) issues.push({ path: "tools", message: MISSING });
    if (codebase !== null) issues.push({ path: "codebase", message: MISSING });
    if (issues.length > 0) {
      throw new ApiError("validation_failed", "What the session needs is not to be had.", {
        issues,
      });
    }
    return { setup: null, skills: [] };
  },
  definitions: () => [],
  async run(_context, _setup, { name }) {
    return { output: `There is no tool "${name}".`, is_error: true };
  },
};
