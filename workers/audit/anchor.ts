/**
 * The newest entry of a log as D1 knows it, so that a log that was cut off or written anew as a whole
 * is noticed too; and the messages that tell couriers of entries, in the same batch.
 */
import { z } from "zod";
import { projectOfLog } from "../http/audit-record.ts";
import type { Json } from "../http/json.ts";
import { log, logWarning } from "../http/log.ts";
import { OUTBOX_SQL } from "../runs/relay.ts";
import { entrySchema, type Head, ORIGIN, readFound, type Sealed } from "./chain.ts";

/** Entries that one message tells of. */
const MESSAGE_ENTRIES = 500;
/** Messages that one alarm writes. */
const MAX_BATCHES = 20;
/** In messages of the deployment's log: no project is called so. */
const NO_PROJECT = "";

const headSchema = z.object({ seq: z.number(), hash: z.string() });

/** What is anchored. */
export interface Anchoring {
  readonly log: string;
  hashAt(seq: number): string | null;
  after(seq: number, limit: number): Iterable<Sealed>;
}

/** What D1 knows of a log; its origin where it knows nothing. */
export async function readAnchor(db: D1Database, logName: string): Promise<Head> {
  const row = await db
    .prepare("SELECT seq, hash FROM audit_heads WHERE log = ?1")
    .bind(logName)
    .first();
  return row === null ? ORIGIN : headSchema.parse(row);
}

/**
 * Tells D1 of the entries that it does not know, and returns what it knows then. What D1 knows stays
 * when the log does not have it, so that every check says so from then on: null.
 */
export async function anchor(env: Env, anchoring: Anchoring): Promise<Head | null> {
  let known = await readAnchor(env.DB, anchoring.log);
  if (known.seq > 0 && anchoring.hashAt(known.seq) !== known.hash) {
    log("error", "audit_log_broken", { log: anchoring.log, seq: known.seq });
    return null;
  }
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    const rows = [...anchoring.after(known.seq, MESSAGE_ENTRIES)];
    const last = rows.at(-1);
    if (last === undefined) break;
    await tell(env, anchoring.log, rows, last);
    known = { seq: last.seq, hash: last.hash };
  }
  return known;
}

async function tell(env: Env, name: string, rows: readonly Sealed[], last: Head): Promise<void> {
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO audit_heads (log, seq, hash, updated_at) VALUES (?1, ?2, ?3, ?4)
       ON CONFLICT (log) DO UPDATE SET seq = excluded.seq, hash = excluded.hash,
         updated_at = excluded.updated_at WHERE seq < excluded.seq`,
    ).bind(name, last.seq, last.hash, Date.now()),
    env.DB.prepare(OUTBOX_SQL).bind(JSON.stringify([messageOf(name, rows)])),
  ]);
  await env.OUTBOX.send({}, { contentType: "json" }).catch((error: unknown) =>
    logWarning("outbox_not_announced", error, { log: name }),
  );
}

/** The message of the outbox that tells of entries, without what was sent and what was left. */
function messageOf(logName: string, rows: readonly Sealed[]) {
  const [first] = rows;
  const project_id = projectOfLog(logName);
  const now = Date.now();
  const events = rows.map(({ seq, body }) => ({
    ...{ seq, run: 0, at: readFound(body)?.created_at ?? now },
    type: "audit.recorded",
    data: toldOf(body),
  }));
  return {
    id: `audit:${logName}:${first?.seq ?? 0}`,
    topic: "audit",
    project_id: project_id ?? NO_PROJECT,
    resource_id: project_id ?? logName,
    payload: JSON.stringify(events),
    created_at: now,
  };
}

const toldSchema = entrySchema.omit({ request: true, after: true });

/** What is no entry any more is told of by nothing: a check names it. */
function toldOf(body: string): Record<string, Json> {
  try {
    return toldSchema.parse(JSON.parse(body));
  } catch {
    return {};
  }
}
