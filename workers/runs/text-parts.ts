/** Parts a text into pieces of a bounded size that are each well-formed. */
export function splitText(text: string, maxChars: number): string[] {
  const parts: string[] = [];
  for (let from = 0; from < text.length; ) {
    const to = boundary(text, from + maxChars);
    parts.push(text.slice(from, to));
    from = to;
  }
  return parts;
}

/** The nearest index up to `at` that does not part the halves of a surrogate pair. */
function boundary(text: string, at: number): number {
  if (at >= text.length) return text.length;
  const before = text.charCodeAt(at - 1);
  return before >= 0xd800 && before <= 0xdbff ? at - 1 : at;
}
