/** The graph of a snapshot as bytes: columns one after the other, with their lengths in front. */
import type { MapGraph } from "../../languages/map-graph.ts";

export interface SnapshotGraph extends MapGraph {
  /** The place in the listing of each file of the graph: those with a grammar, by path. */
  readonly files: Int32Array;
  /** The rank of each file when nothing is in focus; their sum is 1. */
  readonly ranks: Float64Array;
  /**
   * Who imports what: places in the listing. A folder that is imported as a whole is its first file's
   * place, negated and less one.
   */
  readonly importers: Int32Array;
  readonly imported: Int32Array;
}

const WIDE = 8;

type Column = Int32Array | Float64Array | Uint8Array;

function packColumns(columns: readonly Column[]): Uint8Array {
  const head = WIDE * Math.ceil((columns.length * 4) / WIDE);
  const sizes = columns.map(({ byteLength }) => WIDE * Math.ceil(byteLength / WIDE));
  const packed = new Uint8Array(sizes.reduce((sum, size) => sum + size, head));
  const lengths = new DataView(packed.buffer);
  let at = head;
  for (const [index, column] of columns.entries()) {
    lengths.setUint32(index * 4, column.length);
    packed.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at);
    at += sizes[index] ?? 0;
  }
  return packed;
}

/** Reads columns in the order that they were written in. */
class ColumnReader {
  readonly #bytes: Uint8Array;
  #column = 0;
  #at: number;

  constructor(packed: Uint8Array, columns: number) {
    // A copy of its own begins where wide numbers may.
    this.#bytes = new Uint8Array(packed);
    this.#at = WIDE * Math.ceil((columns * 4) / WIDE);
  }

  ints(): Int32Array {
    const length = this.#next(Int32Array.BYTES_PER_ELEMENT);
    return new Int32Array(this.#bytes.buffer, length.at, length.count);
  }

  floats(): Float64Array {
    const length = this.#next(Float64Array.BYTES_PER_ELEMENT);
    return new Float64Array(this.#bytes.buffer, length.at, length.count);
  }

  bytes(): Uint8Array {
    const length = this.#next(1);
    return new Uint8Array(this.#bytes.buffer, length.at, length.count);
  }

  #next(width: number): { readonly at: number; readonly count: number } {
    const count = new DataView(this.#bytes.buffer).getUint32(this.#column * 4);
    const at = this.#at;
    this.#column += 1;
    this.#at += WIDE * Math.ceil((count * width) / WIDE);
    return { at, count };
  }
}

export function packGraph(graph: SnapshotGraph): Uint8Array {
  const { files, offsets, traits, from, to, weight, ranks, importers, imported } = graph;
  return packColumns([files, offsets, traits, from, to, weight, ranks, importers, imported]);
}

export function unpackGraph(packed: Uint8Array): SnapshotGraph {
  const reader = new ColumnReader(packed, 9);
  return {
    files: reader.ints(),
    offsets: reader.ints(),
    traits: reader.bytes(),
    from: reader.ints(),
    to: reader.ints(),
    weight: reader.floats(),
    ranks: reader.floats(),
    importers: reader.ints(),
    imported: reader.ints(),
  };
}
