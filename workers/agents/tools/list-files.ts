import picomatch from "picomatch";
import { z } from "zod";
import { globSchema } from "../../codebases/reading-schemas.ts";
import { filesBelow, isShadowed } from "../workspace/overlay.ts";
import { codebaseName, type Place, placeOf } from "./code.ts";
import { success } from "./results.ts";
import { defineTool, READS, type ToolSession } from "./tool.ts";

const input = z.strictObject({
  folder: z
    .string()
    .max(1_024)
    .default("")
    .transform((folder) => folder.replaceAll(/^[./]+|\/+$/g, ""))
    .describe("Files below it, at any depth; all unless said."),
  glob: globSchema.optional().describe("Such as src/**/*.ts, from the top of the codebase."),
  limit: z.int().min(1).max(500).default(200),
  cursor: z.string().max(4_000).optional().describe("`next_cursor` of the answer before."),
  codebase: codebaseName,
});
type Wanted = z.output<typeof input>;

interface ListedFile {
  readonly path: string;
  readonly bytes: number;
  /** The session has written it. */
  readonly changed?: true;
}

export const listFiles = defineTool({
  name: "list_files",
  description: "Lists files by path, those that you have changed first.",
  scopes: ["codebases:read"],
  ...READS,
  input,
  async run(session, wanted) {
    const place = await placeOf(session, wanted.codebase);
    const changed = wanted.cursor === undefined ? changedFiles(place, wanted) : [];
    const { files, next_cursor } = await codebaseFiles(session, place, wanted);
    return success({ files: [...changed, ...files].map((file) => ({ ...file })), next_cursor });
  },
});

function changedFiles({ overlay }: Place, { folder, glob }: Wanted): ListedFile[] {
  if (overlay === null) return [];
  const isWanted = glob === undefined ? () => true : picomatch(glob, { dot: true });
  return filesBelow(overlay, folder)
    .filter(({ path }) => isWanted(path))
    .map((file) => ({ ...file, changed: true }));
}

async function codebaseFiles(
  { principal, deps }: ToolSession,
  { codebase, overlay }: Place,
  { folder, glob, limit, cursor }: Wanted,
): Promise<{ readonly files: readonly ListedFile[]; readonly next_cursor: string | null }> {
  if (codebase === null) return { files: [], next_cursor: null };
  const { codebase_id, snapshot, folder: top } = codebase;
  const prefix = top === "" ? "" : `${top}/`;
  const page = await deps.services.reading.files(principal, codebase_id, String(snapshot), {
    folder: `${prefix}${folder}`.replace(/\/$/, ""),
    glob: glob === undefined ? null : `${prefix}${glob}`,
    ...{ language: null, limit, cursor: cursor ?? null },
  });
  const files = page.items
    .map(({ path, size }) => ({ path: path.slice(prefix.length), bytes: size }))
    .filter(({ path }) => overlay === null || !isShadowed(overlay, path));
  return { files, next_cursor: page.next_cursor };
}
