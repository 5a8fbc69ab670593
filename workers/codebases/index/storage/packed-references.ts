/** References of a file in few bytes: each name once, and columns of numbers that need no parsing. */
import { z } from "zod";
import type { CodeReference } from "../../languages/parsed-file.ts";

const headerSchema = z.object({ names: z.array(z.string()), kinds: z.array(z.string()) });

/** Name, kind, line, column, container and qualifier, the last two one higher, so that 0 is none. */
const COLUMNS = 6;
const INT_BYTES = 4;

export interface PackedReferences {
  /** Every name and qualifier once. */
  readonly names: readonly string[];
  readonly kinds: readonly string[];
  /** The columns, one after the other. */
  readonly columns: Int32Array;
  readonly count: number;
}

export const NO_REFERENCES: PackedReferences = {
  names: [],
  kinds: [],
  columns: new Int32Array(0),
  count: 0,
};

/** The length of a header of JSON, the header, then the columns in 32 bits each. */
export function packReferences(references: readonly CodeReference[]): Uint8Array {
  const names = new Map<string, number>();
  const kinds = new Map<string, number>();
  const count = references.length;
  const columns = new Int32Array(count * COLUMNS);
  for (const [row, { name, kind, line, column, container, qualifier }] of references.entries()) {
    columns[row] = numberOf(names, name);
    columns[count + row] = numberOf(kinds, kind);
    columns[2 * count + row] = line;
    columns[3 * count + row] = column;
    columns[4 * count + row] = container === null ? 0 : container + 1;
    columns[5 * count + row] = qualifier === null ? 0 : numberOf(names, qualifier) + 1;
  }
  const header = Buffer.from(
    JSON.stringify({ names: [...names.keys()], kinds: [...kinds.keys()] }),
  );
  const start = columnsAt(header.byteLength);
  const packed = new Uint8Array(start + columns.byteLength);
  new DataView(packed.buffer).setUint32(0, header.byteLength);
  packed.set(header, INT_BYTES);
  packed.set(new Uint8Array(columns.buffer), start);
  return packed;
}

export function unpackReferences(packed: Uint8Array): PackedReferences {
  const length = new DataView(packed.buffer, packed.byteOffset).getUint32(0);
  const header = Buffer.from(packed.buffer, packed.byteOffset + INT_BYTES, length).toString();
  const { names, kinds } = headerSchema.parse(JSON.parse(header));
  // A copy of its own begins where numbers may: what comes from the store may lie anywhere.
  const columns = new Int32Array(new Uint8Array(packed.subarray(columnsAt(length))).buffer);
  return { names, kinds, columns, count: columns.length / COLUMNS };
}

export function referenceAt(
  { names, kinds, columns, count }: PackedReferences,
  row: number,
): CodeReference {
  const container = columns[4 * count + row] ?? 0;
  const qualifier = columns[5 * count + row] ?? 0;
  return {
    name: names[columns[row] ?? 0] ?? "",
    kind: kinds[columns[count + row] ?? 0] ?? "",
    line: columns[2 * count + row] ?? 0,
    column: columns[3 * count + row] ?? 0,
    container: container === 0 ? null : container - 1,
    qualifier: qualifier === 0 ? null : (names[qualifier - 1] ?? null),
  };
}

/** The rows of references to one of several names, in order. */
export function* rowsNamed(
  { names, columns, count }: PackedReferences,
  wanted: ReadonlySet<string>,
): Generator<number> {
  const numbers = new Set<number>();
  for (const [number, name] of names.entries()) if (wanted.has(name)) numbers.add(number);
  if (numbers.size === 0) return;
  for (let row = 0; row < count; row += 1) if (numbers.has(columns[row] ?? -1)) yield row;
}

/** A number for each row: equal ones are of the same name, qualifier and kind. */
export function meaningKey(
  { names, kinds, columns, count }: PackedReferences,
  row: number,
): number {
  const name = columns[row] ?? 0;
  const kind = columns[count + row] ?? 0;
  const qualifier = columns[5 * count + row] ?? 0;
  return (qualifier * names.length + name) * kinds.length + kind;
}

function numberOf(numbers: Map<string, number>, text: string): number {
  const known = numbers.get(text);
  if (known !== undefined) return known;
  numbers.set(text, numbers.size);
  return numbers.size - 1;
}

/** Past the header, where numbers may begin. */
function columnsAt(headerBytes: number): number {
  return Math.ceil((INT_BYTES + headerBytes) / INT_BYTES) * INT_BYTES;
}
