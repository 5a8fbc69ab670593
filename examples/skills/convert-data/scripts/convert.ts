import { parseAllDocuments, stringify } from "yaml";
import { readCsv, writeCsv } from "./csv.ts";
import { type Json, partOf, readPath } from "./select.ts";
import { listsOf, recordsOf, rowsOf } from "./tables.ts";

type Notation = "json" | "yaml" | "csv";

interface Inputs {
  readonly data: string;
  readonly from: Notation;
  readonly to: Notation;
  readonly select?: string;
  readonly columns?: readonly (string | { readonly path: string; readonly as?: string })[];
  readonly delimiter?: string;
  readonly header?: boolean;
  readonly infer?: boolean;
  /** Spaces; 0 for JSON on one line. */
  readonly indent?: number;
}

/** As a bomb of aliases would need more. */
const MAX_ALIASES = 10_000;

export default function convert(inputs: Inputs) {
  const whole = read(inputs);
  const part = inputs.select === undefined ? whole : partOf(whole, readPath(inputs.select));
  if (part === undefined) throw new Error(`"${inputs.select}" leads nowhere in the data.`);
  const value = inputs.columns === undefined ? part : withColumns(part, inputs.columns);
  return { text: write(value, inputs), rows: Array.isArray(value) ? value.length : null };
}

function read({ data, from, delimiter = ",", header = true, infer = false }: Inputs): Json {
  switch (from) {
    case "json":
      return JSON.parse(data);
    case "yaml":
      return readYaml(data);
    case "csv": {
      const records = readCsv(data, { delimiter });
      return header ? rowsOf(records, infer) : listsOf(records, infer);
    }
  }
}

function readYaml(data: string): Json {
  const documents = parseAllDocuments(data, { prettyErrors: true, merge: true });
  if (!Array.isArray(documents)) return null;
  const values = documents.map((document): Json => {
    const [problem] = document.errors;
    if (problem !== undefined) throw new Error(problem.message);
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  });
  return values.length === 1 ? (values[0] ?? null) : values;
}

function withColumns(value: Json, columns: NonNullable<Inputs["columns"]>): Json {
  const chosen = columns.map((column) => {
    const { path, as = path } = typeof column === "string" ? { path: column } : column;
    return { as, segments: readPath(path) };
  });
  const row = (each: Json): Json =>
    Object.fromEntries(chosen.map(({ as, segments }) => [as, partOf(each, segments) ?? null]));
  return Array.isArray(value) ? value.map(row) : row(value);
}

function write(value: Json, { to, delimiter = ",", header = true, indent = 2 }: Inputs): string {
  switch (to) {
    case "json":
      return `${JSON.stringify(value, null, indent)}\n`;
    case "yaml":
      return stringify(value, { indent: Math.max(indent, 1), lineWidth: 0 });
    case "csv":
      return writeCsv(recordsOf(value, header), { delimiter });
  }
}
