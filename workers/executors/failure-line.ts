/** The line of a process's stderr that says why it ended, for its message. */

/** Lines above the end of a stack trace in which what was thrown is looked for. */
const MAX_LINES_ABOVE = 20;

/** How runtimes begin, or end, the line that says what was thrown. */
const THROWN =
  /^\s*(?:(?:error: )?Uncaught\b|Caused by: |Exception in thread |panic: |fatal error: |thread '.*' panicked at |PHP Fatal error: |Unhandled exception|(?:[\w$]+\.)*[\w$]*(?:Error|Exception)\b(?: \[\w+\])?(?::|$))|\((?:[\w:]+)(?:Error|Exception)\)$/;
/** What runtimes write below that: the frames of a stack and remarks. */
const BELOW =
  /^\s*(?:at .+|from .+:\d+.*|File ".+", line \d+.*|#\d+ .+|\.\.\. \d+ more|Node\.js v\d[\w.-]*|\(Use `node --trace-.*|Stack trace:|note: run with .*|exit status \d+|goroutine \d+ \[.*|created by .+|\[?[}\]],?)?$/;
/** Members of a thrown object, quoted source, and frames as Go writes them. */
const PERHAPS_BELOW = /^\s|^[\w./*()]+\(.*\)$/;

export interface FailureLine {
  /** Trimmed; empty when nothing was written. */
  readonly text: string;
  /** Whether something that tells less was written after it. */
  readonly isLast: boolean;
}

/**
 * What was thrown, if `stderr` ends with the trace of that; else its last line, but for remarks that
 * a runtime adds to every failure.
 */
export function failureLine(stderr: string): FailureLine {
  const lines = stderr.trimEnd().split(/\r?\n/);
  const last = lines.length - 1;
  const end = lines.findLastIndex((line) => !BELOW.test(line) && !PERHAPS_BELOW.test(line));
  const from = end < last ? Math.max(0, end - MAX_LINES_ABOVE) : last;
  const thrown = lines.findLastIndex((line, index) => index >= from && THROWN.test(line));
  if (thrown >= 0) return { text: textAt(lines, thrown), isLast: thrown === last };
  const told = lines.findLastIndex((line) => !BELOW.test(line));
  const index = told < 0 ? last : told;
  return { text: lines[index]?.trim() ?? "", isLast: index === last };
}

/** The line, with the next one when it is that which says what the matter is. */
function textAt(lines: readonly string[], index: number): string {
  const line = lines[index]?.trim() ?? "";
  const next = lines[index + 1]?.trim() ?? "";
  return line.endsWith(":") && next !== "" ? `${line} ${next}` : line;
}
