/** Writes line changes as unified hunks, as `patch` and `git apply` take them. */
import type { LineChange } from "./lines.ts";

const NO_NEWLINE = "\\ No newline at end of file\n";

/** Hunks of the changes with lines of context around; empty when nothing changed. */
export function unifiedHunks(
  before: readonly string[],
  after: readonly string[],
  changes: readonly LineChange[],
  context: number,
): string {
  return grouped(changes, context)
    .map((group) => hunk(before, after, group, context))
    .join("");
}

/** Changes whose context would touch are one hunk. */
function grouped(changes: readonly LineChange[], context: number): LineChange[][] {
  const groups: LineChange[][] = [];
  for (const change of changes) {
    const last = groups.at(-1)?.at(-1);
    const isNear = last && change.before - (last.before + last.removed) <= 2 * context;
    if (isNear) groups.at(-1)?.push(change);
    else groups.push([change]);
  }
  return groups;
}

function hunk(
  before: readonly string[],
  after: readonly string[],
  changes: readonly LineChange[],
  context: number,
): string {
  const [first] = changes;
  const last = changes.at(-1);
  if (first === undefined || last === undefined) return "";
  const lead = Math.min(context, first.before);
  const lastEnd = last.before + last.removed;
  const trail = Math.min(context, before.length - lastEnd);
  const from = first.before - lead;
  const parts: string[] = [];
  let at = from;
  const keep = (to: number) => {
    for (; at < to; at += 1) parts.push(ended(` ${before[at] ?? ""}`));
  };
  for (const change of changes) {
    keep(change.before);
    for (; at < change.before + change.removed; at += 1) parts.push(ended(`-${before[at] ?? ""}`));
    for (let line = change.after; line < change.after + change.added; line += 1) {
      parts.push(ended(`+${after[line] ?? ""}`));
    }
  }
  keep(lastEnd + trail);
  const grown = changes.reduce((sum, { added, removed }) => sum + added - removed, 0);
  const length = lastEnd + trail - from;
  const head = `@@ -${range(from, length)} +${range(first.after - lead, length + grown)} @@\n`;
  return head + parts.join("");
}

/** A range of no lines is said to be after the line before it. */
function range(from: number, length: number): string {
  const start = length === 0 ? from : from + 1;
  return length === 1 ? `${start}` : `${start},${length}`;
}

function ended(line: string): string {
  return line.endsWith("\n") ? line : `${line}\n${NO_NEWLINE}`;
}
