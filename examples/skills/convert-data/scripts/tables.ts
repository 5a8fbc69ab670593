/** Between records of CSV and JSON. Pure. */
import { CsvError, type CsvRecord } from "./csv.ts";
import type { Json } from "./select.ts";

/** Rows as objects by the names that the first record has. Throws `CsvError`. */
export function rowsOf(records: readonly CsvRecord[], infer: boolean): Json[] {
  const [header, ...rest] = records;
  if (header === undefined) return [];
  const names = header.fields;
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new CsvError(`The column "${twice}" is there twice. Rename one of the two.`, header.line);
  }
  return rest.map(({ fields, line }) => {
    if (fields.length !== names.length) {
      const message = `It has ${fields.length} fields, and there are ${names.length} columns.`;
      throw new CsvError(message, line);
    }
    return Object.fromEntries(
      names.map((name, index) => [name, readField(fields[index] ?? "", infer)]),
    );
  });
}

export function listsOf(records: readonly CsvRecord[], infer: boolean): Json[] {
  return records.map(({ fields }) => fields.map((field) => readField(field, infer)));
}

function readField(field: string, infer: boolean): Json {
  if (!infer) return field;
  if (field === "") return null;
  if (field === "true" || field === "false") return field === "true";
  const number = Number(field);
  return Number.isFinite(number) && String(number) === field ? number : field;
}

/** Records of a list of objects, of lists, or of single values; with a header for objects. */
export function recordsOf(value: Json, header: boolean): string[][] {
  const rows = Array.isArray(value) ? value : [value];
  if (!rows.some(isObject)) {
    return rows.map((row) => (Array.isArray(row) ? row : [row]).map(fieldOf));
  }
  const names = [...new Set(rows.flatMap((row) => (isObject(row) ? Object.keys(row) : [])))];
  const records = rows.map((row, index) => {
    if (!isObject(row)) {
      throw new Error(`Row ${index + 1} is no object, as others are. Select rows of one kind.`);
    }
    return names.map((name) => fieldOf(Object.hasOwn(row, name) ? (row[name] ?? null) : null));
  });
  return header ? [names, ...records] : records;
}

const isObject = (value: Json): value is { [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function fieldOf(value: Json): string {
  if (value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
