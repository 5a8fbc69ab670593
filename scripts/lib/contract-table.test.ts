import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { contractTable, tally, withTable } from "./contract-table.ts";
import { rootPath } from "./paths.ts";

const result = (executor: string, group: string | null, status: string) => ({
  ancestorTitles: [`executor contract: ${executor}`, ...(group === null ? [] : [group])],
  status,
});

describe("the table of the executor contract", () => {
  it("counts what passed, failed and does not apply, by group and executor", () => {
    const assertionResults = [
      result("local", "output", "passed"),
      result("local", "output", "passed"),
      result("far", "output", "passed"),
      result("far", "output", "failed"),
      result("local", "files", "skipped"),
      result("far", "files", "passed"),
      result("far", "files", "skipped"),
      result("local", null, "passed"),
      result("local in a sandbox", "output", "passed"),
      { ancestorTitles: ["something else"], status: "passed" },
    ];
    const executors = ["local", "far"];
    const tallies = tally({ testResults: [{ assertionResults }] }, executors);
    expect(contractTable(tallies, executors).split("\n")).toEqual([
      "| tests passed | local | far |",
      "| --- | --- | --- |",
      "| output | 2 | 1, 1 failed |",
      "| files | not applicable | 1, 1 not applicable |",
      "| a backend that goes away | 1 | not applicable |",
    ]);
  });

  it("has every group of the suite in the README", () => {
    const readme = readFileSync(rootPath("README.md"), "utf8");
    const suite = readFileSync(rootPath("workers/executors/contract.ts"), "utf8");
    const groups = [...suite.matchAll(/^ {4}describe\("([^"]+)"/gm)].map(([, name]) => name);
    expect(groups.length).toBeGreaterThan(5);
    for (const group of groups) expect(readme).toMatch(new RegExp(`^\\| ${group} \\|`, "m"));
    expect(withTable(readme, "x")).toContain("\nx\n");
    expect(readme).not.toMatch(/^\| .*\d failed/m);
  });

  it("asks for its place", () => {
    expect(() => withTable("# Nothing", "x")).toThrow(/npm run contract/);
  });
});
