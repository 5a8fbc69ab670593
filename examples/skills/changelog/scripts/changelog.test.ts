import { describe, expect, it } from "vitest";
import changelog from "./changelog.ts";
import { readCommit } from "./commits.ts";

const titles = (commits: readonly (string | { message: string; hash?: string })[], all = false) =>
  changelog({ commits, all }).sections.map(({ title }) => title);

describe("a commit", () => {
  it.each([
    ["feat: a", { type: "feat", scope: null, subject: "a", breaking: null }],
    ["Fix(cart, shop): a: b", { type: "fix", scope: "cart, shop", subject: "a: b" }],
    ["refactor(x)!: drop y", { type: "refactor", scope: "x", breaking: "drop y" }],
    ["feat!: a\n\nBREAKING CHANGE: b", { breaking: "b" }],
    ["fix: a\n\nbody\n\nBREAKING-CHANGE: b\nand c\nRefs: #1", { type: "fix", breaking: "b and c" }],
    ["fix: a\n\nno BREAKING CHANGE: here", { breaking: null }],
    ["update the docs: again", { type: null, subject: "update the docs: again" }],
    ["feat:no space", { type: null }],
    ['Revert "feat: a"\n\nThis reverts commit abcdef1.', { type: "revert", reverts: "abcdef1" }],
  ])("%j is read", (message, expected) => {
    expect(readCommit({ message })).toMatchObject(expected);
  });

  it.each(["Merge branch 'x' into y", "Merge pull request #1 from a/b", " \n "])(
    "%j is none",
    (message) => {
      expect(readCommit({ message })).toBeNull();
    },
  );
});

describe("a changelog", () => {
  it("has what breaks first, and leaves out what users do not notice", () => {
    const commits = ["ci: a", "build(deps): b", "fix!: c", "feat: d", "wip: e", "docs: f"];
    const noticed = ["Breaking changes", "Features", "Fixes", "Documentation", "Dependencies"];
    expect(titles(commits)).toEqual([...noticed, "Other changes"]);
    expect(titles(commits, true)).toEqual([...noticed, "Housekeeping", "Other changes"]);
  });

  it("leaves out a commit and its revert, and keeps what a revert of a revert restores", () => {
    const feature = { message: "feat: a", hash: "a".repeat(40) };
    const revert = {
      message: `Revert "feat: a"\n\nThis reverts commit ${feature.hash}.`,
      hash: "b".repeat(40),
    };
    const again = {
      message: `Revert "Revert "feat: a""\n\nThis reverts commit ${revert.hash}.`,
      hash: "c".repeat(40),
    };
    expect(titles([revert, feature])).toEqual([]);
    expect(titles([again, revert, feature])).toEqual(["Features"]);
    expect(titles([revert])).toEqual(["Reverted"]);
  });

  it.each([
    [["fix!: a", "feat: b"], "major"],
    [["feat: b", "fix: a"], "minor"],
    [["fix: a"], "patch"],
    [["chore: a"], null],
    [[], null],
  ])("of %j raises %s", (commits, bump) => {
    expect(changelog({ commits }).bump).toBe(bump);
  });

  it("says so when there is nothing to tell", () => {
    expect(changelog({ commits: [], version: "1.0.1" }).markdown).toBe(
      "## 1.0.1\n\nNothing that users notice.\n",
    );
  });
});
