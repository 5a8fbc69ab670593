import { z } from "zod";
import { contentNotHeld } from "../../codebases/render.ts";
import { ApiError } from "../../http/errors.ts";
import { idSchema } from "../../http/schemas.ts";
import { defineOperation, READS } from "../operation.ts";

const MAX_LINES = 2_000;

export const readCodeFile = defineOperation({
  name: "pipelzr_read_code_file",
  title: "Read a file of a codebase",
  description: `Reads a file of text of a snapshot, or some of its lines; at most ${MAX_LINES} at once.`,
  scope: "codebases:read",
  annotations: READS,
  input: z.strictObject({
    codebase_id: idSchema.describe("Id of the codebase."),
    path: z.string().min(1).max(4_096).describe("From the top of the codebase."),
    snapshot: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe("A snapshot's number, ref or commit; the newest unless said."),
    from_line: z.int().min(1).default(1),
    lines: z.int().min(1).max(MAX_LINES).default(MAX_LINES),
  }),
  output: z.object({
    path: z.string(),
    snapshot: z.int(),
    language: z.string().nullable(),
    from_line: z.int(),
    to_line: z
      .int()
      .describe("The last line that `text` holds; below from_line when it holds none."),
    total_lines: z.int(),
    text: z.string(),
  }),
  async run({ principal, services }, { codebase_id, path, snapshot, from_line, lines }) {
    const found = await services.reading.file(principal, codebase_id, snapshot ?? null, path);
    const { entry, content } = found;
    if (content === null) throw contentNotHeld(entry.path, entry.size);
    const all = textOf(content, path).split("\n");
    // A file's last line ends with a line break, which begins no other.
    const total_lines = all.at(-1) === "" ? all.length - 1 : all.length;
    const shown = all.slice(from_line - 1, Math.min(from_line - 1 + lines, total_lines));
    return {
      output: {
        ...{ path: entry.path, snapshot: found.snapshot, language: entry.language },
        ...{ from_line, to_line: from_line - 1 + shown.length, total_lines },
        text: shown.join("\n"),
      },
    };
  },
});

function textOf(content: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(content);
  } catch {
    throw new ApiError(
      "validation_failed",
      `"${path.slice(0, 200)}" is no text in UTF-8. Download it with GET /api/v1/codebases/{codebase_id}/files/{file_path}.`,
    );
  }
}
