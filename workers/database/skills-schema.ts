/** The tables of skills, as `schema.ts` has the others. */
import { sql } from "drizzle-orm";
import {
  index,
  integer,
  primaryKey,
  real,
  sqliteTable,
  text,
  uniqueIndex,
} from "drizzle-orm/sqlite-core";
import { wakeAt } from "./columns.ts";

/** The skills of a project; what they do is in their versions. */
export const skills = sqliteTable(
  "skills",
  {
    id: text("id").primaryKey(),
    project_id: text("project_id").notNull(),
    slug: text("slug").notNull(),
    name: text("name").notNull(),
    category: text("category").notNull(),
    /** A JSON array. */
    tags: text("tags").notNull(),
    enabled: integer("enabled").notNull(),
    cost_estimate: real("cost_estimate").notNull(),
    extra_data: text("extra_data").notNull(),
    /** Number of the newest version. */
    latest: integer("latest").notNull(),
    /** Number of the version that `default` is pinned to; null when it follows the newest. */
    default_number: integer("default_number"),
    /** What a search looks through, in lower case: slug, name, tags and the default's description. */
    search: text("search").notNull(),
    revision: integer("revision").notNull(),
    created_by: text("created_by").notNull(),
    created_at: integer("created_at").notNull(),
    updated_at: integer("updated_at").notNull(),
    /** What it has is being deleted. */
    deleted_at: integer("deleted_at"),
  },
  (table) => [
    // The slug first, since callers of all projects look for it too.
    uniqueIndex("skills_by_slug").on(table.slug, table.project_id),
    uniqueIndex("skills_by_name").on(table.project_id, table.name),
    index("skills_by_project").on(table.project_id, table.created_at, table.id),
    index("skills_by_age").on(table.created_at, table.id),
    index("skills_deleted").on(table.deleted_at).where(sql`deleted_at IS NOT NULL`),
  ],
);

/** Versions of skills: what was written once never changes. */
export const skillVersions = sqliteTable(
  "skill_versions",
  {
    skill_id: text("skill_id").notNull(),
    /** Counts from 1. */
    number: integer("number").notNull(),
    /** As people call it, such as 1.2.0. */
    version: text("version").notNull(),
    digest: text("digest").notNull(),
    /** Of the content, for lists, which do not read it. */
    description: text("description"),
    implementation_type: text("implementation_type"),
    content: text("content").notNull(),
    files: text("files").notNull(),
    /** Of the files' contents, wherever they are kept. */
    files_digest: text("files_digest").notNull(),
    note: text("note"),
    created_by: text("created_by").notNull(),
    created_at: integer("created_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.skill_id, table.number] }),
    uniqueIndex("skill_versions_by_version").on(table.skill_id, table.version),
  ],
);

/** Names that skills' versions were given beside `latest` and `default`. */
export const skillAliases = sqliteTable(
  "skill_aliases",
  {
    skill_id: text("skill_id").notNull(),
    alias: text("alias").notNull(),
    number: integer("number").notNull(),
  },
  (table) => [primaryKey({ columns: [table.skill_id, table.alias] })],
);

/** A projection like `tasks`: an invocation with its newest run. */
export const skillInvocations = sqliteTable(
  "skill_invocations",
  {
    id: text("id").primaryKey(),
    project_id: text("project_id").notNull(),
    skill_id: text("skill_id").notNull(),
    slug: text("slug").notNull(),
    number: integer("number").notNull(),
    version: text("version").notNull(),
    state: text("state").notNull(),
    implementation_type: text("implementation_type").notNull(),
    invoked_by: text("invoked_by").notNull(),
    /** The run that it is a part of; null for one that a caller began. */
    parent_id: text("parent_id"),
    created_at: integer("created_at").notNull(),
    updated_at: integer("updated_at").notNull(),
    wake_at: wakeAt(),
    duration_ms: integer("duration_ms"),
    revision: integer("revision").notNull(),
    document: text("document").notNull(),
  },
  (table) => [
    index("skill_invocations_by_skill").on(table.skill_id, table.created_at, table.id),
    index("skill_invocations_by_project").on(table.project_id, table.created_at, table.id),
    index("skill_invocations_by_age").on(table.created_at, table.id),
    index("skill_invocations_by_wake").on(table.wake_at).where(sql`wake_at IS NOT NULL`),
    index("skill_invocations_by_parent")
      .on(table.parent_id, table.created_at, table.id)
      .where(sql`parent_id IS NOT NULL`),
  ],
);

/**
 * What came of all invocations of a skill that there ever were, kept by triggers on
 * `skill_invocations`. Durations are those of invocations that completed or failed.
 */
export const skillFigures = sqliteTable("skill_figures", {
  skill_id: text("skill_id").primaryKey(),
  invocation_count: integer("invocation_count").notNull(),
  success_count: integer("success_count").notNull(),
  failure_count: integer("failure_count").notNull(),
  cancelled_count: integer("cancelled_count").notNull(),
  duration_count: integer("duration_count").notNull(),
  sum_duration_ms: integer("sum_duration_ms").notNull(),
});

/** Invocations that were told of after their skill was deleted, until the sweeper has forgotten them. */
export const skillOrphans = sqliteTable("skill_orphans", {
  invocation_id: text("invocation_id").primaryKey(),
});
