/**
 * Applies D1 migrations before the service serves. The table is wrangler's own, so that
 * `wrangler d1 migrations apply --local` and this agree on what has been applied.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Miniflare } from "miniflare";
import { z } from "zod";
import type { Descriptor, Migration } from "./bundle.ts";

const MARKER = "migrations.json";
const TABLE = `CREATE TABLE IF NOT EXISTS d1_migrations(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

/** The migrations that this state is known to have, without starting a runtime to ask. */
async function knownToBeApplied(state: string): Promise<string[]> {
  const text = await readFile(join(state, MARKER), "utf8").catch(() => "[]");
  return z.array(z.string()).catch([]).parse(JSON.parse(text));
}

type Database = Awaited<ReturnType<Miniflare["getD1Database"]>>;

async function applyAll(database: Database, migrations: readonly Migration[]): Promise<void> {
  await database.exec(TABLE.replaceAll("\n", " "));
  const rows = await database.prepare("SELECT name FROM d1_migrations").all();
  const applied = new Set(
    z
      .array(z.object({ name: z.string() }))
      .parse(rows.results)
      .map((row) => row.name),
  );
  for (const { name, queries } of migrations) {
    if (applied.has(name)) continue;
    // One batch is one transaction: a migration and the row that says so stand or fall together.
    await database.batch([
      ...queries.map((query) => database.prepare(query)),
      database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name),
    ]);
  }
}

/** Brings the database in `state` up to date; costs one file read when it is. */
export async function migrate(descriptor: Descriptor, state: string): Promise<void> {
  const names = descriptor.migrations.map((migration) => migration.name);
  const known = new Set(await knownToBeApplied(state));
  if (names.every((name) => known.has(name))) return;

  const { compatibilityDate, env } = descriptor.config;
  const database = env?.[descriptor.database];
  if (!database) throw new Error(`The build binds no database named ${descriptor.database}.`);
  await mkdir(state, { recursive: true });
  const runtime = new Miniflare({
    resourcePersistencePath: persistencePath(state),
    cf: false,
    enableDevRegistry: false,
    workers: [
      {
        config: {
          name: "migrations",
          compatibilityDate,
          env: { [descriptor.database]: database },
          manifest: {
            mainModule: "index.js",
            modulesRoot: "/",
            modules: { "index.js": { type: "esm", contents: "export default {}" } },
          },
        },
      },
    ],
  });
  try {
    await applyAll(await runtime.getD1Database(descriptor.database), descriptor.migrations);
  } finally {
    await runtime.dispose();
  }
  await writeFile(join(state, MARKER), JSON.stringify(names));
}

/** Where `wrangler dev --persist-to <state>` keeps the same data. */
export function persistencePath(state: string): string {
  return join(state, "v3");
}
