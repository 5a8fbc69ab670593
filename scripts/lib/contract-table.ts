/** The README's table of the executor contract, made from what the suite's runs came to. */
import { z } from "zod";

const assertionSchema = z.object({
  ancestorTitles: z.array(z.string()),
  status: z.string(),
});
/** What of Vitest's JSON report is read. */
export const reportSchema = z.object({
  testResults: z.array(z.object({ assertionResults: z.array(assertionSchema) })),
});
type Report = z.output<typeof reportSchema>;

const SUITE = "executor contract: ";
/** Tests of the suite that belong to no group of it. */
const UNGROUPED = "a backend that goes away";
const BEGIN = "<!-- contract: written by `npm run contract` -->";
const END = "<!-- /contract -->";

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

/** By group of the suite, and in it by executor. */
export type Tallies = ReadonlyMap<string, ReadonlyMap<string, Tally>>;

export function tally({ testResults }: Report, executors: readonly string[]): Tallies {
  const groups = new Map<string, Map<string, Tally>>();
  for (const { ancestorTitles, status } of testResults.flatMap((file) => file.assertionResults)) {
    const [suite = "", group = UNGROUPED] = ancestorTitles;
    const executor = suite.startsWith(SUITE) ? suite.slice(SUITE.length) : "";
    if (!executors.includes(executor)) continue;
    const row = groups.get(group) ?? new Map<string, Tally>();
    const cell = row.get(executor) ?? { passed: 0, failed: 0, skipped: 0 };
    if (status === "passed" || status === "failed") cell[status] += 1;
    else cell.skipped += 1;
    groups.set(group, row.set(executor, cell));
  }
  return groups;
}

function cellOf(cell: Tally | undefined): string {
  if (!cell || cell.passed + cell.failed === 0) return "not applicable";
  const failed = cell.failed > 0 ? `, ${cell.failed} failed` : "";
  const skipped = cell.skipped > 0 ? `, ${cell.skipped} not applicable` : "";
  return `${cell.passed}${failed}${skipped}`;
}

export function contractTable(tallies: Tallies, executors: readonly string[]): string {
  const rows = [...tallies].map(([group, row]) => [
    group,
    ...executors.map((executor) => cellOf(row.get(executor))),
  ]);
  const lines = [["tests passed", ...executors], ["---", ...executors.map(() => "---")], ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** The README with the table in its place. Throws when the place is not marked. */
export function withTable(readme: string, table: string): string {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`README.md has no place for it: ${BEGIN} … ${END}`);
  return `${readme.slice(0, begin + BEGIN.length)}\n${table}\n${readme.slice(end)}`;
}
