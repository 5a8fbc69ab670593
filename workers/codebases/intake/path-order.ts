/** The order git keeps paths and names in: by the bytes of their UTF-8. */

/**
 * Where UTF-16 sorts otherwise than UTF-8: surrogates, which stand for the highest code points, come
 * before U+E000..U+FFFF. Lifting them above makes code units compare as bytes do.
 */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Compares by the bytes of UTF-8. */
export function compareBytewise(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const difference = rank(a.charCodeAt(index)) - rank(b.charCodeAt(index));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/**
 * Compares two names of one tree as git does: a folder sorts as if its name ended with a slash, so
 * that entries come in the order of the full paths below them.
 */
export function compareEntryNames(
  a: { readonly name: string; readonly isTree: boolean },
  b: { readonly name: string; readonly isTree: boolean },
): number {
  return compareBytewise(a.isTree ? `${a.name}/` : a.name, b.isTree ? `${b.name}/` : b.name);
}
