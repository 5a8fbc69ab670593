/** The coordinator's own SQLite tables, and how those of earlier versions become them. */
export const SCHEMA_VERSION = 10;

export const SCHEMA = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE resources (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, project_id TEXT NOT NULL, document TEXT NOT NULL,
  version INTEGER NOT NULL, run INTEGER NOT NULL, retry_count INTEGER NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  changed_seq INTEGER NOT NULL, projected_seq INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX resources_dirty ON resources (changed_seq) WHERE changed_seq > projected_seq;
CREATE TABLE documents (
  resource_id TEXT NOT NULL, version INTEGER NOT NULL, part INTEGER NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (resource_id, version, part)
) WITHOUT ROWID;
CREATE TABLE deletions (id TEXT PRIMARY KEY, kind TEXT NOT NULL, project_id TEXT NOT NULL,
  projected INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE runs (
  resource_id TEXT NOT NULL, run INTEGER NOT NULL, status TEXT NOT NULL, live INTEGER NOT NULL,
  started_by TEXT NOT NULL, retry_of INTEGER, request_id TEXT,
  created_at INTEGER NOT NULL, completed_at INTEGER, state TEXT NOT NULL, archive TEXT,
  version INTEGER NOT NULL DEFAULT 1, open_needs TEXT NOT NULL DEFAULT '[0]', inputs TEXT,
  step_inputs TEXT, parent TEXT, is_told INTEGER NOT NULL DEFAULT 1, result TEXT,
  triggered_by TEXT, trace TEXT, pins TEXT,
  PRIMARY KEY (resource_id, run)
) WITHOUT ROWID;
CREATE INDEX runs_live ON runs (live) WHERE live = 1;
CREATE INDEX runs_archivable ON runs (completed_at) WHERE live = 0 AND archive IS NULL;
CREATE INDEX runs_untold ON runs (is_told) WHERE is_told = 0;
CREATE TABLE steps (
  resource_id TEXT NOT NULL, run INTEGER NOT NULL, step INTEGER NOT NULL, state TEXT NOT NULL,
  result TEXT, PRIMARY KEY (resource_id, run, step)
) WITHOUT ROWID;
CREATE TABLE signals (
  resource_id TEXT NOT NULL, run INTEGER NOT NULL, id TEXT NOT NULL, payload TEXT NOT NULL,
  PRIMARY KEY (resource_id, run, id)
) WITHOUT ROWID;
CREATE TABLE events (
  resource_id TEXT NOT NULL, seq INTEGER NOT NULL, run INTEGER NOT NULL, at INTEGER NOT NULL,
  type TEXT NOT NULL, epoch INTEGER, attempt INTEGER, stream TEXT, bytes INTEGER,
  data TEXT NOT NULL, step TEXT,
  PRIMARY KEY (resource_id, seq)
) WITHOUT ROWID;
CREATE TABLE stopped_children (
  resource_id TEXT NOT NULL, request_id TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (resource_id, request_id)
) WITHOUT ROWID;
CREATE INDEX stopped_children_at ON stopped_children (at);
CREATE TABLE nested (
  child TEXT PRIMARY KEY, resource_id TEXT NOT NULL, run INTEGER NOT NULL, step INTEGER NOT NULL,
  epoch INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE executions (
  key TEXT PRIMARY KEY, at INTEGER NOT NULL, report TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE detached (
  resource_id TEXT NOT NULL, run INTEGER NOT NULL, step INTEGER NOT NULL, epoch INTEGER NOT NULL,
  task_type TEXT NOT NULL, patient INTEGER NOT NULL, is_cached INTEGER NOT NULL, shares TEXT,
  claimed_by TEXT,
  output INTEGER NOT NULL, runner_id TEXT,
  PRIMARY KEY (resource_id, run, step)
) WITHOUT ROWID;
`;

/** Brings tables of the version before each to it; `[n]` leads from version n + 1. */
export const UPGRADES: readonly string[] = [
  `
CREATE TABLE documents (
  resource_id TEXT NOT NULL, version INTEGER NOT NULL, part INTEGER NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (resource_id, version, part)
) WITHOUT ROWID;
CREATE TABLE signals (
  resource_id TEXT NOT NULL, run INTEGER NOT NULL, id TEXT NOT NULL, payload TEXT NOT NULL,
  PRIMARY KEY (resource_id, run, id)
) WITHOUT ROWID;
ALTER TABLE runs ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN open_needs TEXT NOT NULL DEFAULT '[0]';
ALTER TABLE runs ADD COLUMN inputs TEXT;
ALTER TABLE runs ADD COLUMN step_inputs TEXT;
ALTER TABLE runs ADD COLUMN parent TEXT;
ALTER TABLE runs ADD COLUMN is_told INTEGER NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN result TEXT;
CREATE INDEX runs_untold ON runs (is_told) WHERE is_told = 0;
ALTER TABLE events ADD COLUMN step TEXT;
`,
  `
CREATE TABLE stopped_children (
  resource_id TEXT NOT NULL, request_id TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (resource_id, request_id)
) WITHOUT ROWID;
CREATE INDEX stopped_children_at ON stopped_children (at);
ALTER TABLE runs ADD COLUMN triggered_by TEXT;
`,
  `
CREATE TABLE detached (
  resource_id TEXT NOT NULL, run INTEGER NOT NULL, step INTEGER NOT NULL, epoch INTEGER NOT NULL,
  task_type TEXT NOT NULL, claimed_by TEXT, output INTEGER NOT NULL,
  PRIMARY KEY (resource_id, run, step)
) WITHOUT ROWID;
`,
  `
ALTER TABLE detached ADD COLUMN patient INTEGER NOT NULL DEFAULT 1;
ALTER TABLE detached ADD COLUMN is_cached INTEGER NOT NULL DEFAULT 1;
`,
  `
ALTER TABLE detached ADD COLUMN shares TEXT;
`,
  `
ALTER TABLE detached ADD COLUMN runner_id TEXT;
`,
  `
ALTER TABLE runs ADD COLUMN pins TEXT;
CREATE TABLE executions (
  key TEXT PRIMARY KEY, at INTEGER NOT NULL, report TEXT NOT NULL
) WITHOUT ROWID;
`,
  `
CREATE TABLE nested (
  child TEXT PRIMARY KEY, resource_id TEXT NOT NULL, run INTEGER NOT NULL, step INTEGER NOT NULL,
  epoch INTEGER NOT NULL
) WITHOUT ROWID;
`,
  `
ALTER TABLE runs ADD COLUMN trace TEXT;
`,
];
