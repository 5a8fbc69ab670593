/** The D1 schema. Times are milliseconds since 1970; the API renders them as ISO-8601. */
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

export * from "./skills-schema.ts";

/**
 * A projection: the task's coordinator object is the truth, and upserts apply only a higher
 * `revision`. `document` is the summary that lists return.
 */
export const tasks = sqliteTable(
  "tasks",
  {
    id: text("id").primaryKey(),
    project_id: text("project_id").notNull(),
    name: text("name").notNull(),
    task_type: text("task_type").notNull(),
    state: text("state").notNull(),
    pipeline_id: text("pipeline_id"),
    agent_id: text("agent_id"),
    created_at: integer("created_at").notNull(),
    updated_at: integer("updated_at").notNull(),
    wake_at: wakeAt(),
    duration_ms: integer("duration_ms"),
    revision: integer("revision").notNull(),
    document: text("document").notNull(),
  },
  (table) => [
    index("tasks_by_project").on(table.project_id, table.created_at, table.id),
    index("tasks_by_state").on(table.project_id, table.state, table.created_at, table.id),
    index("tasks_by_pipeline")
      .on(table.pipeline_id, table.created_at, table.id)
      .where(sql`pipeline_id IS NOT NULL`),
    index("tasks_by_age").on(table.created_at, table.id),
    index("tasks_by_wake").on(table.wake_at).where(sql`wake_at IS NOT NULL`),
  ],
);

/** Tasks by state, kept by triggers on `tasks` so that no scrape scans the table. */
export const taskCounts = sqliteTable(
  "task_counts",
  {
    project_id: text("project_id").notNull(),
    task_type: text("task_type").notNull(),
    state: text("state").notNull(),
    total: integer("total").notNull(),
  },
  (table) => [primaryKey({ columns: [table.project_id, table.task_type, table.state] })],
);

/**
 * A histogram of how long tasks took, kept by triggers on `tasks`: one row a bucket, with the tasks
 * that ended in it. `le_ms` is the bucket's upper bound, -1 for the one without.
 */
export const taskDurations = sqliteTable(
  "task_durations",
  {
    project_id: text("project_id").notNull(),
    task_type: text("task_type").notNull(),
    state: text("state").notNull(),
    le_ms: integer("le_ms").notNull(),
    total: integer("total").notNull(),
    sum_ms: integer("sum_ms").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.project_id, table.task_type, table.state, table.le_ms] }),
  ],
);

/** A projection like `tasks`: the pipeline with its newest run, which its coordinator object decides. */
export const pipelines = sqliteTable(
  "pipelines",
  {
    id: text("id").primaryKey(),
    project_id: text("project_id").notNull(),
    name: text("name").notNull(),
    pipeline_type: text("pipeline_type").notNull(),
    state: text("state").notNull(),
    triggered_by: text("triggered_by"),
    created_at: integer("created_at").notNull(),
    updated_at: integer("updated_at").notNull(),
    wake_at: wakeAt(),
    revision: integer("revision").notNull(),
    document: text("document").notNull(),
  },
  (table) => [
    index("pipelines_by_project").on(table.project_id, table.created_at, table.id),
    index("pipelines_by_state").on(table.project_id, table.state, table.created_at, table.id),
    index("pipelines_by_age").on(table.created_at, table.id),
    index("pipelines_by_wake").on(table.wake_at).where(sql`wake_at IS NOT NULL`),
  ],
);

/** Pipelines by state, kept by triggers on `pipelines`. */
export const pipelineCounts = sqliteTable(
  "pipeline_counts",
  {
    project_id: text("project_id").notNull(),
    state: text("state").notNull(),
    total: integer("total").notNull(),
  },
  (table) => [primaryKey({ columns: [table.project_id, table.state] })],
);

/** API keys. Only the SHA-256 of a key is stored; `prefix` is what a person recognises it by. */
export const apiKeys = sqliteTable(
  "api_keys",
  {
    id: text("id").primaryKey(),
    name: text("name").notNull(),
    prefix: text("prefix").notNull(),
    hash: text("hash").notNull(),
    scopes: text("scopes", { mode: "json" }).$type<string[]>().notNull(),
    /** A list of project ids, or null for all projects. */
    projects: text("projects", { mode: "json" }).$type<string[]>(),
    created_by: text("created_by").notNull(),
    created_at: integer("created_at").notNull(),
    expires_at: integer("expires_at"),
    revoked_at: integer("revoked_at"),
  },
  (table) => [
    uniqueIndex("api_keys_by_hash").on(table.hash),
    index("api_keys_by_age").on(table.created_at, table.id),
  ],
);

/** Secrets, encrypted by AES-GCM with the master key named in `key_id`. */
export const secrets = sqliteTable(
  "secrets",
  {
    id: text("id").primaryKey(),
    project_id: text("project_id").notNull(),
    name: text("name").notNull(),
    key_id: text("key_id").notNull(),
    nonce: text("nonce").notNull(),
    ciphertext: text("ciphertext").notNull(),
    version: integer("version").notNull(),
    created_by: text("created_by").notNull(),
    created_at: integer("created_at").notNull(),
    updated_at: integer("updated_at").notNull(),
  },
  (table) => [
    uniqueIndex("secrets_by_name").on(table.project_id, table.name),
    index("secrets_by_age").on(table.created_at, table.id),
  ],
);

/**
 * Companion runners. Of the registration token only the SHA-256 is stored, of the runner's key pair
 * the public half. `project_id` is null for a runner that serves all projects.
 */
export const runners = sqliteTable(
  "runners",
  {
    id: text("id").primaryKey(),
    project_id: text("project_id"),
    name: text("name").notNull(),
    token_hash: text("token_hash").notNull(),
    token_expires_at: integer("token_expires_at").notNull(),
    /** Ed25519, 32 bytes in base64url; null until the runner has registered. */
    public_key: text("public_key"),
    /** What the runner calls its machine. */
    machine: text("machine"),
    created_by: text("created_by").notNull(),
    created_at: integer("created_at").notNull(),
    registered_at: integer("registered_at"),
    revoked_at: integer("revoked_at"),
  },
  (table) => [
    uniqueIndex("runners_by_token").on(table.token_hash),
    index("runners_by_project").on(table.project_id, table.created_at, table.id),
    index("runners_by_age").on(table.created_at, table.id),
  ],
);

/** Dispatches that could not be delivered, one row each. */
export const deadLetters = sqliteTable(
  "dead_letters",
  {
    id: text("id").primaryKey(),
    project_id: text("project_id").notNull(),
    resource_id: text("resource_id").notNull(),
    /** `task` or `pipeline`; null when it is not known. */
    resource_kind: text("resource_kind"),
    run: integer("run").notNull(),
    step: integer("step").notNull(),
    epoch: integer("epoch").notNull(),
    task_type: text("task_type").notNull(),
    reason: text("reason").notNull(),
    attempts: integer("attempts").notNull(),
    dead_at: integer("dead_at").notNull(),
    redriven_at: integer("redriven_at"),
    redriven_by: text("redriven_by"),
  },
  (table) => [
    uniqueIndex("dead_letters_by_dispatch").on(
      table.resource_id,
      table.run,
      table.step,
      table.epoch,
    ),
    index("dead_letters_by_project").on(table.project_id, table.dead_at, table.id),
    index("dead_letters_by_age").on(table.dead_at, table.id),
  ],
);

/** Dead letters by whether they were redriven, kept by triggers on `dead_letters`. */
export const deadLetterCounts = sqliteTable(
  "dead_letter_counts",
  {
    project_id: text("project_id").notNull(),
    task_type: text("task_type").notNull(),
    status: text("status").notNull(),
    total: integer("total").notNull(),
  },
  (table) => [primaryKey({ columns: [table.project_id, table.task_type, table.status] })],
);

/**
 * What pools of runners say of themselves, again and again: a row that is not renewed is of a pool
 * that has nothing. `project_id` of runners is that of the pool, empty for the shared one; of queued
 * dispatches their own.
 */
export const poolFigures = sqliteTable(
  "pool_figures",
  {
    pool: text("pool").notNull(),
    project_id: text("project_id").notNull(),
    task_type: text("task_type").notNull(),
    connected: integer("connected").notNull(),
    queued: integer("queued").notNull(),
    at: integer("at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.pool, table.project_id, table.task_type] })],
);

/** What ended sandboxes cost, one row each, so that one that is told twice counts once. */
export const sandboxBills = sqliteTable(
  "sandbox_bills",
  {
    id: text("id").primaryKey(),
    project_id: text("project_id").notNull(),
    sandbox_seconds: real("sandbox_seconds").notNull(),
    usd: real("usd").notNull(),
    billed_at: integer("billed_at").notNull(),
  },
  (table) => [index("sandbox_bills_by_age").on(table.billed_at)],
);

/** The sums of all bills that there ever were, kept by a trigger on `sandbox_bills`. */
export const sandboxSpending = sqliteTable("sandbox_spending", {
  project_id: text("project_id").primaryKey(),
  sandbox_seconds: real("sandbox_seconds").notNull(),
  usd: real("usd").notNull(),
});

/** What lists say of codebases; `latest` is the newest ready snapshot as its object told it. */
export const codebases = sqliteTable(
  "codebases",
  {
    id: text("id").primaryKey(),
    project_id: text("project_id").notNull(),
    name: text("name").notNull(),
    description: text("description"),
    labels: text("labels").notNull(),
    source_url: text("source_url"),
    source_ref: text("source_ref"),
    /** Names the secret that its source is read with. */
    source_secret: text("source_secret"),
    latest: text("latest"),
    snapshots: integer("snapshots").notNull(),
    revision: integer("revision").notNull(),
    created_by: text("created_by").notNull(),
    created_at: integer("created_at").notNull(),
    updated_at: integer("updated_at").notNull(),
    /** Its index is being deleted. */
    deleted_at: integer("deleted_at"),
  },
  (table) => [
    uniqueIndex("codebases_by_name").on(table.project_id, table.name),
    index("codebases_by_project").on(table.project_id, table.created_at, table.id),
    index("codebases_by_age").on(table.created_at, table.id),
    index("codebases_deleted").on(table.deleted_at).where(sql`deleted_at IS NOT NULL`),
  ],
);

/** Grammars of users; what a row is of lies in the blob store, under its version. */
export const grammars = sqliteTable(
  "grammars",
  {
    id: text("id").primaryKey(),
    project_id: text("project_id").notNull(),
    /** What its language is called. */
    name: text("name").notNull(),
    /** The traits and names of the language, as JSON. */
    traits: text("traits").notNull(),
    /** SHA-256 of all that parsing and recognizing depend on. */
    version: text("version").notNull(),
    /** Where the blobs of this version lie. */
    content: text("content").notNull(),
    wasm_bytes: integer("wasm_bytes").notNull(),
    revision: integer("revision").notNull(),
    created_by: text("created_by").notNull(),
    created_at: integer("created_at").notNull(),
    updated_at: integer("updated_at").notNull(),
    deleted_at: integer("deleted_at"),
    /** Indexes may not know of the last change; since when. */
    untold_at: integer("untold_at"),
  },
  (table) => [
    uniqueIndex("grammars_by_name").on(table.project_id, table.name),
    index("grammars_by_project").on(table.project_id, table.created_at, table.id),
    index("grammars_by_age").on(table.created_at, table.id),
    index("grammars_untold").on(table.untold_at).where(sql`untold_at IS NOT NULL`),
  ],
);

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

/**
 * One row an Idempotency-Key. `resource_id` is chosen before work starts, so that a request taken
 * over after a crash does its work on the same resource.
 */
export const idempotencyKeys = sqliteTable(
  "idempotency_keys",
  {
    principal_id: text("principal_id").notNull(),
    key: text("key").notNull(),
    route: text("route").notNull(),
    fingerprint: text("fingerprint").notNull(),
    resource_id: text("resource_id").notNull(),
    /** Names the request that owns the claim. */
    claim_id: text("claim_id"),
    claimed_at: integer("claimed_at").notNull(),
    expires_at: integer("expires_at").notNull(),
    status: integer("status"),
    headers: text("headers"),
    body: text("body"),
  },
  (table) => [
    primaryKey({ columns: [table.principal_id, table.key] }),
    index("idempotency_keys_by_expiry").on(table.expires_at),
  ],
);

/**
 * Messages for neighbours, written in the batch of the projection that caused them. `topic` is the
 * kind of resource, `payload` a JSON array of its events since the message before.
 */
export const outbox = sqliteTable(
  "outbox",
  {
    /** Rises with the order in which messages were committed, and is not used again. */
    position: integer("position").primaryKey({ autoIncrement: true }),
    id: text("id").notNull().unique(),
    topic: text("topic").notNull(),
    project_id: text("project_id").notNull(),
    resource_id: text("resource_id").notNull(),
    payload: text("payload").notNull(),
    /** JSON of the request that it goes back to; null for none. */
    trace: text("trace"),
    created_at: integer("created_at").notNull(),
  },
  (table) => [index("outbox_by_age").on(table.created_at)],
);

/** How far each courier has come in the outbox. */
export const courierCursors = sqliteTable("courier_cursors", {
  name: text("name").primaryKey(),
  position: integer("position").notNull(),
  updated_at: integer("updated_at").notNull(),
});

/** Who is told what happens, and how. */
export const webhooks = sqliteTable(
  "webhooks",
  {
    id: text("id").primaryKey(),
    project_id: text("project_id").notNull(),
    url: text("url").notNull(),
    /** JSON array of patterns. */
    events: text("events").notNull(),
    /** JSON. */
    filter: text("filter").notNull(),
    description: text("description").notNull(),
    enabled: integer("enabled").notNull(),
    /** Why the service disabled it; null for one that it did not. */
    disabled_reason: text("disabled_reason"),
    /** Position of the outbox after which it is sent what happens, since it was enabled. */
    from_position: integer("from_position").notNull(),
    /** JSON of the sealed secret, with its version. */
    secret: text("secret").notNull(),
    /** The secret before, which signs as well until `previous_until`; null for none. */
    previous_secret: text("previous_secret"),
    previous_until: integer("previous_until"),
    /** Names the request that made the secret. */
    secret_seed: text("secret_seed").notNull(),
    revision: integer("revision").notNull(),
    created_by: text("created_by").notNull(),
    created_at: integer("created_at").notNull(),
    updated_at: integer("updated_at").notNull(),
  },
  (table) => [
    index("webhooks_by_project").on(table.project_id, table.created_at, table.id),
    index("webhooks_by_age").on(table.created_at, table.id),
  ],
);

/** The newest entry of each audit log, as its object last told of it. */
export const auditHeads = sqliteTable("audit_heads", {
  log: text("log").primaryKey(),
  seq: integer("seq").notNull(),
  /** SHA-256 in hex. */
  hash: text("hash").notNull(),
  updated_at: integer("updated_at").notNull(),
});
