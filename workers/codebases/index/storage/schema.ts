/** The tables of an index. Every blob is kept once, whatever snapshots and paths it is in. */
import { NAMES } from "./names.ts";

/** Parts of one value are numbered below this, so that one integer names a part. */
export const PARTS = 64;

const partsOf = (table: string) =>
  `CREATE TABLE IF NOT EXISTS ${table} (id INTEGER PRIMARY KEY, data BLOB NOT NULL);`;

/**
 * `tri` has a row a chunk of a blob, `symtri` one a blob with the names of its symbols, `word` one a
 * symbol. All are without contents: what they find is verified against the blob itself.
 */
const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blobs (
  id INTEGER PRIMARY KEY, oid TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL, size INTEGER NOT NULL,
  encoding TEXT, lines INTEGER NOT NULL, is_held INTEGER NOT NULL, is_minified INTEGER NOT NULL,
  secrets INTEGER NOT NULL, chunks INTEGER NOT NULL
);
${partsOf("contents")}
CREATE TABLE IF NOT EXISTS trees (id INTEGER PRIMARY KEY, oid TEXT NOT NULL UNIQUE);
${partsOf("tree_entries")}
CREATE TABLE IF NOT EXISTS snapshots (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, ref TEXT,
  commit_oid TEXT, source TEXT NOT NULL, root TEXT, counts TEXT, error TEXT,
  created_at INTEGER NOT NULL, touched_at INTEGER NOT NULL, ready_at INTEGER,
  first_blob INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, reading INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS incoming (
  snapshot INTEGER NOT NULL, path TEXT NOT NULL, mode TEXT NOT NULL, oid TEXT NOT NULL,
  size INTEGER NOT NULL, language TEXT, is_generated INTEGER, PRIMARY KEY (snapshot, path)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS incoming_by_oid ON incoming (snapshot, oid);
CREATE TABLE IF NOT EXISTS unparsed (
  blob INTEGER PRIMARY KEY, language TEXT NOT NULL, path TEXT NOT NULL, sent_at INTEGER,
  tries INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS parsed (
  blob INTEGER PRIMARY KEY, language TEXT NOT NULL, symbols INTEGER NOT NULL, refs INTEGER NOT NULL,
  problem TEXT
);
${partsOf("symbol_data")}
${partsOf("reference_data")}
${NAMES}
CREATE TABLE IF NOT EXISTS graphs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, root TEXT NOT NULL UNIQUE, used_at INTEGER NOT NULL
);
${partsOf("graph_data")}
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, snapshot INTEGER, type TEXT NOT NULL, at INTEGER NOT NULL,
  data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS touched (
  kind TEXT NOT NULL, path TEXT NOT NULL, resource TEXT NOT NULL, run INTEGER NOT NULL,
  step TEXT NOT NULL, epoch INTEGER NOT NULL, name TEXT NOT NULL, snapshot INTEGER NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY (kind, resource, run, step, epoch, path)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS touched_at ON touched (at);
CREATE TABLE IF NOT EXISTS kept_archives (
  key TEXT PRIMARY KEY, snapshot_id TEXT NOT NULL, noted_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mount_archives (
  key TEXT PRIMARY KEY, root TEXT NOT NULL, used_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE VIRTUAL TABLE IF NOT EXISTS tri USING fts5 (
  content, content='', contentless_delete=1, detail=none, tokenize='trigram'
);
CREATE VIRTUAL TABLE IF NOT EXISTS symtri USING fts5 (
  name, content='', contentless_delete=1, detail=none, tokenize='trigram'
);
CREATE VIRTUAL TABLE IF NOT EXISTS word USING fts5 (
  name, path, sig, body, content='', contentless_delete=1, tokenize='porter unicode61'
);
`;

/**
 * Made when the tables are: segments of the text index are merged later and more at once than FTS5
 * does by itself, which makes writing half as fast again.
 */
const SETTINGS = [
  "INSERT INTO tri (tri, rank) VALUES ('automerge', 16)",
  "INSERT INTO tri (tri, rank) VALUES ('crisismerge', 64)",
];
const VERSION = "1";

export function openTables(sql: SqlStorage): void {
  sql.exec(SCHEMA);
  const [known] = sql.exec("SELECT value FROM meta WHERE key = 'version'").toArray();
  if (known !== undefined) return;
  for (const setting of SETTINGS) sql.exec(setting);
  sql.exec("INSERT INTO meta (key, value) VALUES ('version', ?)", VERSION);
}
