/** The demo's pipeline: a review of this repository, folder by folder, and what must come of it. */
import { CODEBASE, filesOf, isReviewed, LIST_REVIEWED, type Sources } from "./sources.ts";

/** The steps that run again once the check has failed, and those whose results then stand. */
export const FAILS = "check";
export const GATE = "approve";
export const MATRIX = "survey";
export const REPORT = "report";
export const FLAKY = { step: "flaky", attempts: 3 };
export const AGAIN = [FAILS, "alert", REPORT];

const LARGEST = 5;

const LIST = `type Context = { files: { list(glob: string): string[]; read(path: string): string; write(path: string, data: string): void } };

export default (_: null, ctx: Context) => {
  const paths = ${LIST_REVIEWED};
  const folders = [...new Set(paths.map((path) => path.slice(0, path.lastIndexOf("/"))))].sort();
  const sizes = paths.map((path) => ctx.files.read("code/" + path).split("\\n").length - 1 + " " + path);
  ctx.files.write("sizes.txt", sizes.join("\\n") + "\\n");
  const texts = paths.map((path) => [path, ctx.files.read("code/" + path)]);
  ctx.files.write("sources.json", JSON.stringify(Object.fromEntries(texts)));
  console.log(paths.length + " files in " + folders.length + " folders");
  return { files: paths.length, folders };
};`;

// Says when it ran: a result that was made anew would differ from the one that is reused.
const SURVEY = `type Context = { files: { read(path: string): string } };

export default ({ folder }: { folder: string }, ctx: Context) => {
  const sources: Record<string, string> = JSON.parse(ctx.files.read("sources.json"));
  const paths = Object.keys(sources).filter((path) => path.slice(0, path.lastIndexOf("/")) === folder);
  let lines = 0;
  let symbols = 0;
  let comments = 0;
  for (const path of paths) {
    const text = sources[path] ?? "";
    lines += text.split("\\n").length - 1;
    symbols += text.match(/^export /gm)?.length ?? 0;
    comments += text.match(/^\\s*(\\/\\/|\\/?\\*)/gm)?.length ?? 0;
  }
  return { folder, files: paths.length, lines, symbols, comments, made_at: Date.now() };
};`;

const LARGEST_COMMAND = `sort -k1,1nr -k2 sizes.txt | head -${LARGEST} > largest.txt
head -1 largest.txt`;

const FLAKY_SCRIPT = `export default (_, ctx) => {
  if (ctx.attempt < ${FLAKY.attempts}) throw new Error("attempt " + ctx.attempt + " finds nobody at home");
  return { attempt: ctx.attempt };
};`;

const CHECK = `export default ({ run }) => {
  if (run === 1) throw new Error("no review passes in run 1");
  return "passed in run " + run;
};`;

const REPORT_SCRIPT = `type Survey = { folder: string; files: number; lines: number; symbols: number; comments: number };
type Input = { surveys: { result: Survey }[]; verdict: string };
type Context = { files: { read(path: string): string; write(path: string, data: string): void } };

export default ({ surveys, verdict }: Input, ctx: Context) => {
  const total = { folders: 0, files: 0, lines: 0, symbols: 0, comments: 0 };
  const rows = surveys.map(({ result }) => {
    total.folders += 1;
    for (const key of ["files", "lines", "symbols", "comments"] as const) total[key] += result[key];
    return "| " + [result.folder, result.files, result.lines, result.symbols].join(" | ") + " |";
  });
  ctx.files.write("review.md", [
    "# Review: " + verdict,
    "| folder | files | lines | exports |",
    "|---|---|---|---|",
    ...rows,
    "## Largest files",
    ctx.files.read("found/largest.txt"),
  ].join("\\n"));
  console.log(total.lines + " lines in " + total.files + " files of " + total.folders + " folders");
  return total;
};`;

export interface DemoStep {
  readonly name: string;
  readonly needs?: readonly string[];
  readonly [member: string]: unknown;
}

export function reviewDefinition() {
  const tasks: readonly DemoStep[] = [
    {
      name: "list",
      ...{ language: "typescript", codebase: CODEBASE, script: LIST },
      // In one file, which every item reads.
      artifacts: ["sizes.txt", "sources.json"],
    },
    {
      name: FLAKY.step,
      retry: { max_attempts: 4, backoff: "fixed", initial_seconds: 0.3, jitter: false },
      script: FLAKY_SCRIPT,
    },
    {
      name: "largest",
      needs: ["list"],
      use_artifacts: [{ from: "list" }],
      artifacts: ["largest.txt"],
      command: LARGEST_COMMAND,
    },
    {
      name: MATRIX,
      needs: ["list"],
      strategy: { matrix: { folder: "${{ tasks.list.result.folders }}" }, max_parallel: 4 },
      inputs: { folder: "${{ matrix.folder }}" },
      use_artifacts: [{ from: "list" }],
      language: "typescript",
      script: SURVEY,
    },
    {
      name: GATE,
      needs: [MATRIX, "largest", FLAKY.step],
      approval: { timeout_seconds: 60, message: "${{ tasks.list.result.files }} files: go on?" },
    },
    {
      name: FAILS,
      needs: [GATE],
      inputs: { run: "${{ run.number }}" },
      script: CHECK,
    },
    {
      name: "alert",
      needs: [FAILS],
      if: "${{ failure() }}",
      command: "echo somebody has to look at run ${{ run.number }}",
    },
    {
      name: REPORT,
      needs: [MATRIX, "largest", FAILS],
      inputs: {
        surveys: "${{ tasks.survey.results }}",
        verdict: "${{ tasks.check.result }}",
      },
      use_artifacts: [{ from: "largest", path: "found" }],
      artifacts: ["review.md"],
      language: "typescript",
      script: REPORT_SCRIPT,
    },
  ];
  const outputs = { total: "${{ tasks.report.result }}" };
  return { name: "review", max_parallel: 6, tasks, outputs };
}

/** What the report must come to, computed by Node. */
export function expectedReview(sources: Sources) {
  const files = Object.entries(filesOf(sources, isReviewed));
  const count = (pattern: RegExp) =>
    files.reduce((sum, [, text]) => sum + [...text.matchAll(pattern)].length, 0);
  const folders = [...new Set(files.map(([path]) => path.replace(/\/[^/]*$/, "")))].sort();
  const total = {
    folders: folders.length,
    files: files.length,
    lines: count(/\n/g),
    symbols: count(/^export /gm),
    comments: count(/^\s*(\/\/|\/?\*)/gm),
  };
  const sizes = files.map(([path, text]) => ({ path, lines: text.split("\n").length - 1 }));
  const [largest] = sizes.sort((left, right) => right.lines - left.lines);
  return { folders, total, largest };
}
