/** Cuts a list into parts that a call can carry. Pure. */

export interface ChunkLimits<T> {
  readonly count: number;
  /** Of a part in all, unless one alone has more. */
  readonly size: number;
  readonly sizeOf: (each: T) => number;
}

/** Each part with its place in the list. */
export function* chunks<T>(
  all: readonly T[],
  limits: ChunkLimits<T>,
): Generator<readonly [at: number, part: readonly T[]]> {
  let part: T[] = [];
  let size = 0;
  for (const [index, each] of all.entries()) {
    const its = limits.sizeOf(each);
    if (part.length === limits.count || (part.length > 0 && size + its > limits.size)) {
      yield [index - part.length, part];
      part = [];
      size = 0;
    }
    part.push(each);
    size += its;
  }
  if (part.length > 0) yield [all.length - part.length, part];
}
