import { describe, expect, it } from "vitest";
import { ApiError } from "./errors.ts";
import { locateError, locateIssues, parseYaml } from "./yaml.ts";

const TEXT = `# a comment
name: x
shared: &env
  A: "1"
tasks:
  - name: a
    files: { "data/a b.txt": 1 }
  - name: b
    environment: *env
    needs:
      - a
      - c
`;

describe("a place in YAML", () => {
  const { value, locate } = parseYaml(TEXT);

  it.each<[string, number, number]>([
    ["", 2, 1],
    ["name", 2, 1],
    ["tasks", 5, 1],
    ["tasks[0]", 6, 5],
    ["tasks[0].name", 6, 5],
    ['tasks[0].files["data/a b.txt"]', 7, 14],
    ["tasks[1].needs[1]", 12, 9],
    ["tasks[1].environment.A", 4, 3],
    ["tasks[1].missing", 8, 5],
    ["tasks[7].name", 5, 1],
  ])("%s", (path, line, column) => {
    expect(locate(path)).toEqual({ line, column });
  });

  it("is that of the parsed value", () => {
    expect(value).toMatchObject({ tasks: [{ name: "a" }, { environment: { A: "1" } }] });
  });

  it("is added to issues, and to the issues of an error", () => {
    const issues = [{ path: "tasks[1].needs[1]", message: "m" }];
    expect(locateIssues(issues, locate)).toEqual([{ ...issues[0], line: 12, column: 9 }]);
    expect(locateIssues(issues, null)).toBe(issues);
    const error = new ApiError("validation_failed", "d", { issues, members: { a: 1 } });
    expect(locateError(error, locate)).toMatchObject({
      code: "validation_failed",
      members: { a: 1 },
      issues: [{ line: 12, column: 9 }],
    });
    expect(locateError(error, null)).toBe(error);
  });

  it("is said of what is no YAML", () => {
    expect(() => parseYaml("a: 1\na: 2\n")).toThrow(
      expect.objectContaining({
        issues: [expect.objectContaining({ line: 2, column: 1, path: "line 2, column 1" })],
      }),
    );
  });
});
