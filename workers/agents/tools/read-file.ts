import { z } from "zod";
import { codebaseName, filePath, placeOf, textAt } from "./code.ts";
import { failure, MAX_OUTPUT_CHARS, success } from "./results.ts";
import { defineTool, READS } from "./tool.ts";

const MAX_LINES = 2_000;
/** Room for the line that says what is left. */
const MAX_TEXT_CHARS = MAX_OUTPUT_CHARS - 200;

export const readFile = defineTool({
  name: "read_file",
  description: `Reads a file of text, as you have changed it, or some of its lines; at most ${MAX_LINES} at once.`,
  scopes: ["codebases:read"],
  ...READS,
  input: z.strictObject({
    path: filePath,
    from_line: z.int().min(1).default(1),
    lines: z.int().min(1).max(MAX_LINES).default(MAX_LINES),
    codebase: codebaseName,
  }),
  async run(session, { path, from_line, lines, codebase }) {
    const place = await placeOf(session, codebase);
    const text = await textAt(session, place, path);
    if (text === null) return failure(notThere(path, place.codebase?.name ?? null));
    return success(excerpt(text, from_line, lines));
  },
});

/** Lines of a text as they are, and after them a line that says what is left. */
export function excerpt(text: string, fromLine: number, count: number): string {
  const all = text.split(/(?<=\n)/);
  const shown: string[] = [];
  let chars = 0;
  for (const line of all.slice(fromLine - 1, fromLine - 1 + count)) {
    if (chars + line.length > MAX_TEXT_CHARS) break;
    chars += line.length;
    shown.push(line);
  }
  const next = fromLine + shown.length;
  if (shown.length === 0 && all.length >= fromLine) {
    const line = all[fromLine - 1] ?? "";
    return `${line.slice(0, MAX_TEXT_CHARS)}\n… line ${fromLine} has ${line.length} characters; the rest of it is left out.`;
  }
  if (shown.length === 0) return `… the file has ${all.length} lines.`;
  if (next > all.length) return shown.join("");
  return `${shown.join("").replace(/\n$/, "")}\n… lines ${next} to ${all.length} are left: read on with from_line ${next}.`;
}

function notThere(path: string, codebase: string | null): string {
  if (codebase !== null) {
    return `There is no file "${path}" in ${codebase}. list_files and search_code tell what there is.`;
  }
  return `There is no file "${path}". The session works on no codebase: name one by "codebase", or write the file first.`;
}
