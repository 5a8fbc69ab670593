/** The row of lists: a session as it stands, in D1. */
import type { SessionSnapshot } from "../session-port.ts";
import { parentOf, toSummary } from "../view.ts";

export const AGENT_KIND = "agent";

/** `?1` is a JSON array of rows; a row that is not newer than what is stored changes nothing. */
const UPSERT_SQL = `
INSERT INTO agents (id, project_id, name, model, state, waiting_for, session_id, parent_id,
                    created_at, updated_at, wake_at, revision, document)
SELECT value ->> 'id', value ->> 'project_id', value ->> 'name', value ->> 'model',
       value ->> 'state', value ->> 'waiting_for', value ->> 'session_id', value ->> 'parent_id',
       value ->> 'created_at', value ->> 'updated_at', value ->> 'wake_at', value ->> 'revision',
       value -> 'document'
FROM json_each(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET
  name = excluded.name, model = excluded.model, state = excluded.state,
  waiting_for = excluded.waiting_for, session_id = excluded.session_id,
  updated_at = excluded.updated_at, wake_at = excluded.wake_at, revision = excluded.revision,
  document = excluded.document
WHERE excluded.revision > agents.revision`;

const DELETE_SQL = "DELETE FROM agents WHERE id IN (SELECT value FROM json_each(?1))";

export const AGENT_ROWS = { upsertSql: UPSERT_SQL, deleteSql: DELETE_SQL } as const;

/** `wakeAt` is when the session has something to do by itself; null for not at all. */
export function row(snapshot: SessionSnapshot, wakeAt: number | null) {
  return {
    id: snapshot.id,
    project_id: snapshot.project_id,
    name: snapshot.spec.name,
    model: snapshot.model ?? snapshot.spec.model,
    state: snapshot.state,
    waiting_for: snapshot.waiting_for,
    session_id: snapshot.spec.session_id,
    parent_id: parentOf(snapshot),
    created_at: snapshot.created_at,
    updated_at: snapshot.updated_at,
    wake_at: wakeAt,
    revision: snapshot.seq,
    document: toSummary(snapshot),
  };
}
