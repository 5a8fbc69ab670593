/**
 * The coordinator's tables. Every method is synchronous: a caller groups them in one transaction.
 * Rows are written by these files alone, so what is read back is trusted to have the shape written.
 */
import { DetachedTable } from "./detached-table.ts";
import { EventLog } from "./event-log.ts";
import { ExecutionTable } from "./execution-table.ts";
import { NestedTable } from "./nested-table.ts";
import { RunTable } from "./run-table.ts";
import { StoppedChildren } from "./stopped-children.ts";
import { type ResourceRow, toResource } from "./store-rows.ts";
import { SCHEMA, SCHEMA_VERSION, UPGRADES } from "./store-schema.ts";
import type { Resource } from "./store-types.ts";
import { splitText } from "./text-parts.ts";
import { Upkeep } from "./upkeep.ts";

/** A document is kept in parts of this size: a row holds 2 MB at most. */
const PART_CHARS = 500_000;

export class RunStore {
  readonly log: EventLog;
  readonly runs: RunTable;
  readonly detached: DetachedTable;
  readonly stopped: StoppedChildren;
  readonly executions: ExecutionTable;
  readonly nested: NestedTable;
  readonly upkeep: Upkeep;
  readonly #sql: SqlStorage;
  #isReady = false;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.log = new EventLog(sql);
    this.runs = new RunTable(sql);
    this.detached = new DetachedTable(sql);
    this.stopped = new StoppedChildren(sql);
    this.executions = new ExecutionTable(sql);
    this.nested = new NestedTable(sql);
    this.upkeep = new Upkeep(sql, (row) => this.#documentOf(row));
  }

  /** Says whether anything was ever stored here; an object that was only asked stays empty. */
  exists(): boolean {
    if (this.#isReady) return true;
    const tables = this.#sql.exec("SELECT name FROM sqlite_master WHERE name = 'meta'").toArray();
    if (tables.length === 0) return false;
    this.#upgrade();
    this.#isReady = true;
    return true;
  }

  create(): void {
    if (this.exists()) return;
    this.#sql.exec(SCHEMA);
    this.#sql.exec("INSERT INTO meta VALUES ('schema_version', ?)", String(SCHEMA_VERSION));
    this.#isReady = true;
  }

  resource(id: string): Resource | null {
    const row = this.#sql
      .exec<ResourceRow>("SELECT * FROM resources WHERE id = ?", id)
      .toArray()[0];
    return row ? toResource(row, this.#documentOf(row)) : null;
  }

  /** `isVersioned` keeps the document of each version apart. */
  insertResource(resource: Resource, isVersioned: boolean): void {
    this.#sql.exec(
      `INSERT INTO resources (id, kind, project_id, document, version, run, retry_count, created_at,
       updated_at, changed_seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      resource.id,
      resource.kind,
      resource.project_id,
      isVersioned ? "" : resource.document,
      resource.version,
      resource.run,
      resource.retry_count,
      resource.created_at,
      resource.updated_at,
      resource.changed_seq,
    );
    if (isVersioned) this.#insertDocument(resource);
  }

  saveDocument(resource: Resource, isVersioned: boolean): void {
    this.#sql.exec(
      "UPDATE resources SET document = ?, version = ? WHERE id = ?",
      isVersioned ? "" : resource.document,
      resource.version,
      resource.id,
    );
    if (!isVersioned) return;
    this.#sql.exec(
      `DELETE FROM documents WHERE resource_id = ?1
       AND version NOT IN (SELECT version FROM runs WHERE resource_id = ?1)`,
      resource.id,
    );
    this.#insertDocument(resource);
  }

  saveProgress(resource: Resource): void {
    this.#sql.exec(
      "UPDATE resources SET run = ?, retry_count = ?, updated_at = ?, changed_seq = ? WHERE id = ?",
      resource.run,
      resource.retry_count,
      resource.updated_at,
      resource.changed_seq,
      resource.id,
    );
  }

  /** The document of a version; of one that is not kept, the newest. */
  document(resource: Resource, version: number): string {
    if (version === resource.version) return resource.document;
    return this.#parts(resource.id, version) ?? resource.document;
  }

  /** Forgets a resource and leaves a tombstone until the projection has forgotten it too. */
  deleteResource(resource: Resource): void {
    for (const table of [
      "events",
      "signals",
      "steps",
      "runs",
      "documents",
      "stopped_children",
      "detached",
    ]) {
      this.#sql.exec(`DELETE FROM ${table} WHERE resource_id = ?`, resource.id);
    }
    this.#sql.exec("DELETE FROM resources WHERE id = ?", resource.id);
    this.#sql.exec(
      "INSERT OR REPLACE INTO deletions (id, kind, project_id) VALUES (?, ?, ?)",
      resource.id,
      resource.kind,
      resource.project_id,
    );
  }

  #insertDocument({ id, version, document }: Resource): void {
    splitText(document, PART_CHARS).forEach((text, part) => {
      this.#sql.exec(
        "INSERT INTO documents (resource_id, version, part, text) VALUES (?, ?, ?, ?)",
        id,
        version,
        part,
        text,
      );
    });
  }

  #documentOf(row: ResourceRow): string {
    return row.document === "" ? (this.#parts(row.id, row.version) ?? "") : row.document;
  }

  #parts(resourceId: string, version: number): string | null {
    const parts = this.#sql
      .exec<{ text: string }>(
        "SELECT text FROM documents WHERE resource_id = ? AND version = ? ORDER BY part",
        resourceId,
        version,
      )
      .toArray();
    return parts.length === 0 ? null : parts.map(({ text }) => text).join("");
  }

  #upgrade(): void {
    const [row] = this.#sql
      .exec<{ value: string }>("SELECT value FROM meta WHERE key = 'schema_version'")
      .toArray();
    const version = Number(row?.value ?? 1);
    if (version === SCHEMA_VERSION) return;
    for (const upgrade of UPGRADES.slice(version - 1)) this.#sql.exec(upgrade);
    this.#sql.exec(
      "UPDATE meta SET value = ? WHERE key = 'schema_version'",
      String(SCHEMA_VERSION),
    );
  }
}
