/** The tables of agents. */
import { sql } from "drizzle-orm";
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { wakeAt } from "./columns.ts";

/** A projection like `tasks`: an agent session as its object last told of it. */
export const agents = sqliteTable(
  "agents",
  {
    id: text("id").primaryKey(),
    project_id: text("project_id").notNull(),
    name: text("name").notNull(),
    /** Null while it is not known what the deployment's default comes to. */
    model: text("model"),
    state: text("state").notNull(),
    waiting_for: text("waiting_for"),
    session_id: text("session_id"),
    /** The session whose tool made it. */
    parent_id: text("parent_id"),
    created_at: integer("created_at").notNull(),
    updated_at: integer("updated_at").notNull(),
    wake_at: wakeAt(),
    revision: integer("revision").notNull(),
    document: text("document").notNull(),
  },
  (table) => [
    index("agents_by_project").on(table.project_id, table.created_at, table.id),
    index("agents_by_age").on(table.created_at, table.id),
    index("agents_by_wake").on(table.wake_at).where(sql`wake_at IS NOT NULL`),
    index("agents_by_session")
      .on(table.session_id, table.created_at, table.id)
      .where(sql`session_id IS NOT NULL`),
    index("agents_by_parent")
      .on(table.parent_id, table.created_at, table.id)
      .where(sql`parent_id IS NOT NULL`),
  ],
);
