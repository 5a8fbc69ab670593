/** Cuts an answer to a number of tokens, so that it fits what a caller has left of a model's context. */

/**
 * Tokens of a text, estimated without a tokenizer: a run of letters and digits is one token for each 4 characters
 * begun, any other visible character is one, a line break is one, and so is each 8 blanks begun of a run of two or more.
 * Adding text never lowers it.
 */
export function estimateTokens(text: string): number {
  let tokens = 0;
  for (const [piece] of text.matchAll(/[A-Za-z0-9_]+|\n|[^\S\n]+|[^\s]/gu)) {
    if (/^[A-Za-z0-9_]/.test(piece)) tokens += Math.ceil(piece.length / 4);
    else if (piece === "\n" || piece.trim() !== "") tokens += 1;
    else if (piece.length > 1) tokens += Math.ceil(piece.length / 8);
  }
  return tokens;
}

export interface RenderedResult {
  /** Where the text is from, such as `src/a.ts:12-20 @ 4f2c…`; becomes the line above it. */
  readonly provenance: string;
  readonly text: string;
}

export interface BudgetedAnswer {
  readonly text: string;
  /** Of `text`, estimated; never above the budget. */
  readonly tokens: number;
  readonly included: number;
  /** The last result included lost lines at its end. */
  readonly cut: boolean;
  readonly omitted: number;
}

/** A result is cut only when this many of its lines still fit: fewer say nothing. */
const MIN_LINES_OF_CUT = 3;

/**
 * The results in their order, each under its provenance, as many as fit. The first that does not fit is cut at a line;
 * after it nothing is added, so that what is left out is always the tail. A last line counts what is missing.
 */
export function cutToBudget(results: readonly RenderedResult[], maxTokens: number): BudgetedAnswer {
  const blocks: string[] = [];
  let used = 0;
  let cut = false;
  for (const [index, result] of results.entries()) {
    const spare = maxTokens - used - costOf(note(results.length - index - 1));
    const whole = block(result);
    const cost = costOf(whole);
    if (cost <= spare) {
      blocks.push(whole);
      used += cost;
      continue;
    }
    const partial = cutBlock(result, spare);
    if (partial !== null) {
      blocks.push(partial);
      used += costOf(partial);
      cut = true;
    }
    break;
  }
  const included = blocks.length;
  const omitted = results.length - included;
  const closing = note(omitted);
  if (closing !== "" && used + costOf(closing) <= maxTokens) blocks.push(closing);
  const text = blocks.join(SEPARATOR);
  return { text, tokens: estimateTokens(text), included, cut, omitted };
}

const SEPARATOR = "\n\n";

/** Of a block with the separator after it: blocks begin and end with visible characters, so that costs add up. */
function costOf(part: string): number {
  return part === "" ? 0 : estimateTokens(part + SEPARATOR);
}

function block({ provenance, text }: RenderedResult): string {
  return `# ${provenance}\n${text.trimEnd()}`;
}

function note(omitted: number): string {
  return omitted === 0 ? "" : `# ${omitted} more left out: raise max_tokens, or narrow the query`;
}

/** The longest beginning of a result that fits, found by halving; null when too little does. */
function cutBlock(result: RenderedResult, maxTokens: number): string | null {
  const lines = result.text.trimEnd().split("\n");
  const shortened = (count: number) =>
    `${block({ ...result, text: lines.slice(0, count).join("\n") })}\n# ${lines.length - count} more lines`;
  let low = 0;
  let high = lines.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (costOf(shortened(middle)) <= maxTokens) low = middle;
    else high = middle - 1;
  }
  return low >= MIN_LINES_OF_CUT ? shortened(low) : null;
}
