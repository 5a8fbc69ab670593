/** The session's own SQLite tables, and how those of earlier versions become them. */
export const SCHEMA_VERSION = 2;

const ACCOUNTS = `
CREATE TABLE accounts (
  agent_id TEXT PRIMARY KEY, account TEXT NOT NULL, is_waiting INTEGER NOT NULL
) WITHOUT ROWID;
`;

/**
 * Texts that outgrow a row go on in `parts`; a column `parts` counts them. The seq of a message, and
 * of an entry of the ledger, is that of the event that made it what it is. An entry for a sub-agent has
 * no epoch of the session's: the negative of its seq stands there.
 */
export const SCHEMA = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
  name TEXT PRIMARY KEY, text TEXT NOT NULL, parts INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE parts (
  place TEXT NOT NULL, part INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (place, part)
) WITHOUT ROWID;
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, type TEXT NOT NULL, turn INTEGER, epoch INTEGER,
  data TEXT NOT NULL, parts INTEGER NOT NULL
);
CREATE INDEX events_deltas ON events (epoch) WHERE type = 'message.delta';
CREATE TABLE messages (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, turn INTEGER, step INTEGER,
  role TEXT NOT NULL, state TEXT NOT NULL, content TEXT NOT NULL, parts INTEGER NOT NULL,
  attachments TEXT NOT NULL, answers TEXT, caller TEXT, fingerprint TEXT, through INTEGER
);
CREATE INDEX messages_told ON messages (seq)
  WHERE state IN ('taken', 'cut') AND answers IS NULL;
CREATE INDEX messages_summaries ON messages (through) WHERE through IS NOT NULL;
CREATE INDEX messages_by_turn ON messages (turn, step);
CREATE TABLE turns (
  number INTEGER PRIMARY KEY, input_kind TEXT NOT NULL, input_id TEXT NOT NULL,
  started_at INTEGER NOT NULL, ended_at INTEGER, stop_reason TEXT
);
CREATE TABLE calls (
  turn INTEGER NOT NULL, step INTEGER NOT NULL, call TEXT NOT NULL, place INTEGER NOT NULL,
  name TEXT NOT NULL, input TEXT NOT NULL, parts INTEGER NOT NULL, digest TEXT NOT NULL,
  problem TEXT, requested_at INTEGER, is_rerun INTEGER NOT NULL DEFAULT 0, outcome TEXT,
  PRIMARY KEY (turn, step, call)
) WITHOUT ROWID;
CREATE TABLE ledger (
  epoch INTEGER PRIMARY KEY, seq INTEGER, at INTEGER, turn INTEGER NOT NULL, step INTEGER NOT NULL,
  attempt INTEGER NOT NULL, model TEXT NOT NULL, is_priced INTEGER NOT NULL,
  input_tokens INTEGER, output_tokens INTEGER, cached_input_tokens INTEGER, usd_nanos INTEGER,
  is_assumed INTEGER NOT NULL DEFAULT 0, agent_id TEXT
);
CREATE INDEX ledger_by_seq ON ledger (seq) WHERE seq IS NOT NULL;
${ACCOUNTS}`;

/** Brings tables of the version before each to it; `[n]` leads from version n + 1. */
export const UPGRADES: readonly string[] = [
  `ALTER TABLE ledger ADD COLUMN agent_id TEXT; ${ACCOUNTS}`,
];
