/** The webhooks table. What callers do is bound to their projects. */
import { z } from "zod";
import { FilterSql } from "../http/filters.ts";
import type { Page } from "../http/page.ts";
import type { SealedSecret } from "../security/crypto.ts";
import { WEBHOOK_KINDS } from "./events.ts";

export type Projects = "*" | readonly string[];

const sealedSchema = z.object({
  version: z.number(),
  key_id: z.string(),
  nonce: z.string(),
  ciphertext: z.string(),
});
/** A signing secret as it is stored. */
export type StoredSecret = SealedSecret & { readonly version: number };

const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema);

const rowSchema = z.object({
  id: z.string(),
  project_id: z.string(),
  url: z.string(),
  events: json(z.array(z.string()).readonly()),
  filter: json(
    z.object({
      kinds: z.array(z.enum(WEBHOOK_KINDS)).readonly().nullable(),
      resource_ids: z.array(z.string()).readonly().nullable(),
    }),
  ),
  description: z.string(),
  enabled: z.number().transform((flag) => flag === 1),
  disabled_reason: z.string().nullable(),
  from_position: z.number(),
  secret: json(sealedSchema),
  previous_secret: json(sealedSchema).nullable(),
  previous_until: z.number().nullable(),
  secret_seed: z.string(),
  revision: z.number(),
  created_by: z.string(),
  created_at: z.number(),
  updated_at: z.number(),
});
export type WebhookRow = Readonly<z.output<typeof rowSchema>>;

/** What a row is written with. */
const COLUMNS = Object.keys(rowSchema.shape);
const NAMES = COLUMNS.join(", ");
/** What never changes. */
const FIXED: ReadonlySet<string> = new Set(["id", "project_id", "created_by", "created_at"]);
const ASSIGNED = COLUMNS.filter((name) => !FIXED.has(name))
  .map((name) => `${name} = value ->> '${name}'`)
  .join(", ");

/** The columns as the table has them. */
function columnsOf(row: WebhookRow): string {
  return JSON.stringify({
    ...row,
    events: JSON.stringify(row.events),
    filter: JSON.stringify(row.filter),
    enabled: row.enabled ? 1 : 0,
    secret: JSON.stringify(row.secret),
    previous_secret: row.previous_secret && JSON.stringify(row.previous_secret),
  });
}

export class WebhookRepository {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /**
   * Stores the row, unless its project has `limit` of them; null then. One that has its id already
   * is left as it is, and returned.
   */
  async insert(row: WebhookRow, limit: number): Promise<WebhookRow | null> {
    const values = COLUMNS.map((name) => `value ->> '${name}'`).join(", ");
    const found = await this.#db
      .prepare(
        `INSERT INTO webhooks (${NAMES}) SELECT ${values} FROM json_each(?1)
         WHERE (SELECT count(*) FROM webhooks WHERE project_id = ?2) < ?3
           OR EXISTS (SELECT 1 FROM webhooks WHERE id = ?4)
         ON CONFLICT (id) DO UPDATE SET id = webhooks.id RETURNING ${NAMES}`,
      )
      .bind(`[${columnsOf(row)}]`, row.project_id, limit, row.id)
      .first();
    return found === null ? null : rowSchema.parse(found);
  }

  async list(
    projects: Projects,
    { enabled }: { readonly enabled: boolean | null },
    page: Page,
  ): Promise<readonly WebhookRow[]> {
    const sql = new FilterSql(page);
    sql.oneOf("project_id", projects === "*" ? null : projects);
    sql.isSet("enabled", enabled);
    const { results } = await this.#db
      .prepare(`SELECT ${NAMES} FROM webhooks ${sql.clause}`)
      .bind(...sql.parameters)
      .all();
    return z.array(rowSchema).parse(results);
  }

  async find(projects: Projects, id: string): Promise<WebhookRow | null> {
    const isAny = projects === "*";
    const found = await this.#db
      .prepare(
        `SELECT ${NAMES} FROM webhooks
         WHERE id = ?1 AND (?2 OR project_id IN (SELECT value FROM json_each(?3)))`,
      )
      .bind(id, isAny ? 1 : 0, JSON.stringify(isAny ? [] : projects))
      .first();
    return found === null ? null : rowSchema.parse(found);
  }

  /** Stores the row over the one before its revision; false when that is not the current one. */
  async replace(row: WebhookRow): Promise<boolean> {
    const { meta } = await this.#db
      .prepare(
        `UPDATE webhooks SET ${ASSIGNED} FROM json_each(?1)
         WHERE webhooks.id = ?2 AND webhooks.revision = ?3`,
      )
      .bind(`[${columnsOf(row)}]`, row.id, row.revision - 1)
      .run();
    return meta.changes > 0;
  }

  /** Disables one that is as it was read; false when somebody has changed it meanwhile. */
  async disable({ id, revision }: WebhookRow, reason: string, now: number): Promise<boolean> {
    const { meta } = await this.#db
      .prepare(
        `UPDATE webhooks SET enabled = 0, disabled_reason = ?3, revision = revision + 1, updated_at = ?4
         WHERE id = ?1 AND revision = ?2`,
      )
      .bind(id, revision, reason, now)
      .run();
    return meta.changes > 0;
  }

  async delete(id: string): Promise<boolean> {
    const { meta } = await this.#db.prepare("DELETE FROM webhooks WHERE id = ?1").bind(id).run();
    return meta.changes > 0;
  }

  /** Ids of those that are sent something. */
  async enabledIds(): Promise<readonly string[]> {
    const { results } = await this.#db.prepare("SELECT id FROM webhooks WHERE enabled = 1").all();
    return idsOf(results);
  }

  /** Those of these ids that there are. */
  async existing(ids: readonly string[]): Promise<readonly string[]> {
    const { results } = await this.#db
      .prepare("SELECT id FROM webhooks WHERE id IN (SELECT value FROM json_each(?1))")
      .bind(JSON.stringify(ids))
      .all();
    return idsOf(results);
  }

  /** Rows of which a secret is sealed with another master key than `keyId`. */
  async sealedByOtherKey(
    projects: Projects,
    keyId: string,
    limit: number,
  ): Promise<readonly WebhookRow[]> {
    const isAny = projects === "*";
    const { results } = await this.#db
      .prepare(
        `SELECT ${NAMES} FROM webhooks
         WHERE (secret ->> 'key_id' <> ?1 OR previous_secret ->> 'key_id' <> ?1)
           AND (?2 OR project_id IN (SELECT value FROM json_each(?3)))
         ORDER BY id LIMIT ?4`,
      )
      .bind(keyId, isAny ? 1 : 0, JSON.stringify(isAny ? [] : projects), limit)
      .all();
    return z.array(rowSchema).parse(results);
  }
}

function idsOf(results: readonly unknown[]): readonly string[] {
  return z
    .array(z.object({ id: z.string() }))
    .parse(results)
    .map(({ id }) => id);
}
