/** Which blobs define a name, and which refer to it: one row a blob, found by the whole name. */

/** The table of `NameIndex`; a name is one token of it, whatever characters it has. */
export const NAMES = `CREATE VIRTUAL TABLE IF NOT EXISTS names USING fts5 (
  tokens, content='', contentless_delete=1, detail=none, tokenize='ascii'
);`;

type Role = "d" | "r";

/** FNV-1a; what two names share by chance is told apart by the blob itself. */
function token(role: Role, name: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  }
  return `${role}${(hash >>> 0).toString(36)}`;
}

export class NameIndex {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  put(blob: number, defined: Iterable<string>, referred: Iterable<string>): void {
    const tokens = new Set<string>();
    for (const name of defined) tokens.add(token("d", name));
    for (const name of referred) tokens.add(token("r", name));
    if (tokens.size === 0) return;
    this.#sql.exec("INSERT INTO names (rowid, tokens) VALUES (?, ?)", blob, [...tokens].join(" "));
  }

  /** Ids of blobs that define it, and of a few that do not. */
  defining(name: string): number[] {
    return this.#matching(token("d", name));
  }

  /** Ids of blobs that refer to it, and of a few that do not. */
  referring(name: string): number[] {
    return this.#matching(token("r", name));
  }

  remove(blob: number): void {
    this.#sql.exec("DELETE FROM names WHERE rowid = ?", blob);
  }

  #matching(expression: string): number[] {
    const rows = this.#sql.exec("SELECT rowid FROM names WHERE names MATCH ?", `"${expression}"`);
    return [...rows.raw()].flatMap(([row]) => (typeof row === "number" ? [row] : []));
  }
}
