import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import { expect, test } from "vitest";
import * as schema from "../../workers/database/schema.ts";
import { migrationDrift } from "./migration-drift.ts";

test("a table without a migration is drift", async () => {
  const added = sqliteTable("added", { id: text("id").primaryKey() });
  const drift = await migrationDrift({ ...schema, added });
  expect(drift.join("\n")).toContain("CREATE TABLE `added`");
});

test("a table that only a migration knows is drift", async () => {
  const { outbox: _, ...rest } = schema;
  expect((await migrationDrift(rest)).join("\n")).toContain("DROP TABLE `outbox`");
});
