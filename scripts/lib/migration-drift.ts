/** Says whether workers/database/schema.ts has changes that no migration carries. */
import { readFile } from "node:fs/promises";
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { z } from "zod";
import * as schema from "../../workers/database/schema.ts";
import { rootPath } from "./paths.ts";

const journalSchema = z.object({ entries: z.array(z.object({ idx: z.number().int() })) });
type Snapshot = Awaited<ReturnType<typeof generateSQLiteDrizzleJson>>;

const readJson = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, "utf8"));

/** The statements that a new migration for `tables` would hold; empty when none is needed. */
export async function migrationDrift(
  tables: Readonly<Record<string, unknown>> = schema,
): Promise<string[]> {
  const journal = journalSchema.parse(await readJson(rootPath("migrations/meta/_journal.json")));
  const last = journal.entries.at(-1);
  if (!last) return ["migrations/meta/_journal.json lists no migration"];
  const name = String(last.idx).padStart(4, "0");
  const snapshot = z
    .custom<Snapshot>((value) => typeof value === "object" && value !== null && "tables" in value)
    .parse(await readJson(rootPath(`migrations/meta/${name}_snapshot.json`)));
  return generateSQLiteMigration(
    snapshot,
    await generateSQLiteDrizzleJson({ ...tables }, snapshot.id),
  );
}
