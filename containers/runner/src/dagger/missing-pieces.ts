/**
 * What of a command's output its log records left out. The engine drops a record that is no valid
 * UTF-8, such as one that ends within a character, and says nothing of it; its files are whole.
 */

export interface Piece {
  readonly text: string;
  /** Characters of the output that stand after it and were passed on before it. */
  readonly before: number;
}

/** `chunks` are pieces of `whole` in their order, which may lack some. */
export function missingPieces(chunks: readonly string[], whole: string): readonly Piece[] {
  const gaps: { readonly text: string; readonly passed: number }[] = [];
  let position = 0;
  let passed = 0;
  for (const chunk of chunks) {
    const found = whole.startsWith(chunk, position) ? position : whole.indexOf(chunk, position);
    // What is not in the file was not written by the command; it stands in the log already.
    if (found < 0) continue;
    if (found > position) gaps.push({ text: whole.slice(position, found), passed });
    position = found + chunk.length;
    passed += chunk.length;
  }
  if (position < whole.length) gaps.push({ text: whole.slice(position), passed });
  return gaps.map((gap) => ({ text: gap.text, before: passed - gap.passed }));
}
