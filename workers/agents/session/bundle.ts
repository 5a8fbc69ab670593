/**
 * A session as lines of JSON: a header, then its rows, table by table in the order of their keys. What
 * ties it to where it is, is left out: its id, its project, its parent, and who may do what. So a
 * session that was taken in and written out again is the same text.
 */
import { ApiError } from "../../http/errors.ts";
import { canonicalJson } from "../../http/json.ts";
import { type BundleHeader, type BundleRow, ROWS, rowSchema } from "./bundle-schema.ts";
import { LongTexts } from "./long-texts.ts";

type Row = Record<string, string | number | null>;

interface Table {
  readonly name: keyof typeof ROWS;
  readonly order: string;
  /** The column that may go on in parts, and under which name. */
  readonly long: { readonly column: string; place(row: Row): string } | null;
}

const TABLES: readonly Table[] = [
  {
    name: "messages",
    order: "seq",
    long: { column: "content", place: ({ id }) => `message:${id}` },
  },
  { name: "turns", order: "number", long: null },
  {
    name: "calls",
    order: "turn, step, call",
    long: { column: "input", place: ({ turn, step, call }) => `call:${turn}/${step}/${call}` },
  },
  { name: "ledger", order: "epoch", long: null },
  {
    name: "events",
    order: "seq",
    long: { column: "data", place: ({ seq }) => `event:${seq}` },
  },
];

const columnsOf = ({ name }: Table) => Object.keys(ROWS[name].shape);

/** What of each table a fork has that goes on from the message of a seq, `?1`. */
const OF_FORK: Partial<Record<Table["name"], string>> = {
  messages: "WHERE seq <= ?1 AND state <> 'queued'",
  turns: "WHERE number <= (SELECT max(turn) FROM messages WHERE seq <= ?1)",
  calls: "WHERE turn <= (SELECT max(turn) FROM messages WHERE seq <= ?1)",
};

/**
 * The lines of a session; to be read in one go, while nothing of it changes. With `through`, a seq,
 * the conversation up to there alone.
 */
export function* bundleLines(
  sql: SqlStorage,
  header: BundleHeader,
  through: number | null,
): Generator<string> {
  const texts = new LongTexts(sql);
  yield canonicalJson(header);
  for (const table of TABLES) {
    const { name, order, long } = table;
    const columns = columnsOf(table);
    const selected = long === null ? columns : [...columns, "parts"];
    const where = through === null ? "" : OF_FORK[name];
    if (where === undefined) continue;
    const cursor = sql.exec<Row>(
      `SELECT ${selected.join(", ")} FROM ${name} ${where} ORDER BY ${order}`,
      ...(through === null ? [] : [through]),
    );
    for (const { parts, ...row } of cursor) {
      if (long !== null && typeof parts === "number") {
        const head = String(row[long.column]);
        row[long.column] = texts.whole(long.place(row), { head, parts });
      }
      yield canonicalJson({ table: name, row });
    }
  }
}

/** The rows of a bundle, of which its first line is none; throws `validation_failed` with the line. */
export function readRows(lines: readonly string[]): BundleRow[] {
  return lines.map((line, index) => {
    const read = rowSchema.safeParse(parsed(line));
    if (read.success) return read.data;
    const issue = read.error.issues[0];
    throw invalidBundle(index + 2, `${issue?.path.join(".")}: ${issue?.message}`);
  });
}

/** Writes rows; those of users are from now on of the caller who takes them in. */
export function insertRows(sql: SqlStorage, rows: readonly BundleRow[], caller: string): void {
  const texts = new LongTexts(sql);
  for (const { table: name, row } of rows) {
    const values = new Map<string, string | number | null>(Object.entries(row));
    const long = TABLES.find((table) => table.name === name)?.long ?? null;
    if (long !== null) {
      const text = String(values.get(long.column) ?? "");
      const { head, parts } = texts.keep(long.place(row), text);
      values.set(long.column, head).set("parts", parts);
    }
    if (values.get("fingerprint") != null) values.set("caller", caller);
    const marks = [...values].map(() => "?").join(", ");
    const names = [...values.keys()].join(", ");
    sql.exec(`INSERT INTO ${name} (${names}) VALUES (${marks})`, ...values.values());
  }
}

export function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

export function invalidBundle(line: number, message: string): ApiError {
  return new ApiError("validation_failed", "The bundle is not one of a session.", {
    issues: [{ path: `line ${line}`, message }],
  });
}
