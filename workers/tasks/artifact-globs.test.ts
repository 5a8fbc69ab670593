import { describe, expect, it } from "vitest";
import { matcher } from "../executors/artifact-path.ts";
import { globProblem } from "./artifact-globs.ts";

describe("a glob of artifacts", () => {
  it.each([
    ["out/*.txt", "out/a.txt"],
    ["./out/", "out/a/b.txt"],
    ["**", "a/b"],
    [".", "a/b"],
    ["{a,b}/[0-9].txt", "b/7.txt"],
    ["!(b).txt", "a.txt"],
    ["[!b].txt", "a.txt"],
    ["[[:digit:]].txt", "1.txt"],
    ["\\[a", "[a"],
    ["a).txt", "a).txt"],
    ["..a/b..", "..a/b.."],
    ["@(a|b).txt", "b.txt"],
    [" ", " "],
  ])("%j is taken, and matches %j", (glob, path) => {
    expect(globProblem(glob)).toBeNull();
    expect(matcher([glob])(path)).toBe(true);
  });

  it.each([
    ["../../etc/passwd", /leads out/],
    ["a/../../b", /leads out/],
    ["./../b", /leads out/],
    ["/etc/passwd", /absolute/],
    ["/", /absolute/],
    ["./", /empty/],
    ["a//b", /empty/],
    ["a/./b", /empty/],
    ["[abc", /add "\]"/],
    ["{a,b", /add "\}"/],
    ["@(a", /add "\)"/],
    ["!secret.txt", /everything else/],
    ["a\0b", /NUL/],
  ])("%j is refused", (glob, message) => {
    expect(globProblem(glob)).toMatch(message);
  });
});
