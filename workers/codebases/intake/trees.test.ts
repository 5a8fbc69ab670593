import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IntakeError } from "./errors.ts";
import { blobOid } from "./git-objects.ts";
import { git, inFolder, run } from "./test-support.ts";
import { buildTrees, diffTrees, type TreeChange, type TreeFile } from "./trees.ts";

const oidOf = (content: string) => blobOid(new TextEncoder().encode(content));
const file = (path: string, content: string, mode: TreeFile["mode"] = "file"): TreeFile => ({
  path,
  mode,
  oid: oidOf(content),
});

function differ(before: readonly TreeFile[], after: readonly TreeFile[]) {
  const a = buildTrees(before);
  const b = buildTrees(after);
  const read: string[] = [];
  const changes = [
    ...diffTrees(a.root, b.root, (oid) => {
      read.push(oid);
      return a.trees.get(oid) ?? b.trees.get(oid);
    }),
  ];
  return { changes, read, a, b };
}

const letter = (change: TreeChange) => ({ added: "A", removed: "D", changed: "M" })[change.kind];

describe("the difference of two trees", () => {
  it("reads no tree that is equal on both sides", () => {
    const same = ["src/a/1", "src/a/2", "docs/x"].map((path) => file(path, path));
    const { changes, read } = differ(
      [...same, file("src/b/1", "old")],
      [...same, file("src/b/1", "new")],
    );
    expect(changes.map(({ kind, path }) => [kind, path])).toEqual([["changed", "src/b/1"]]);
    // Top, src and src/b of both sides; neither docs nor src/a.
    expect(read).toHaveLength(6);
    expect(differ(same, same).read).toEqual([]);
  });

  it("tells files that become folders, and modes", () => {
    const { changes } = differ(
      [file("a", "1"), file("b", "2"), file("c/d", "3")],
      [file("a/x", "1"), file("b", "2", "executable"), file("c", "3", "symlink")],
    );
    expect(changes.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      "removed a",
      "added a/x",
      "changed b",
      "added c",
      "removed c/d",
    ]);
  });

  it("compares with nothing", () => {
    const { root, trees } = buildTrees([file("a/b", "1"), file("c", "2")]);
    const kinds = (changes: Iterable<TreeChange>) => [...changes].map(({ kind }) => kind);
    expect(kinds(diffTrees(null, root, (oid) => trees.get(oid)))).toEqual(["added", "added"]);
    expect(kinds(diffTrees(root, null, (oid) => trees.get(oid)))).toEqual(["removed", "removed"]);
    expect(() => [...diffTrees(null, root, () => undefined)]).toThrow(IntakeError);
  });

  it("is the one that git prints", async () => {
    const path = fc.constantFrom("a", "a.b", "a/x", "a/y/z", "a0", "b/c", "b-", "ü/é", "b");
    const side = fc
      .dictionary(path, fc.tuple(fc.constantFrom("1", "2"), fc.boolean()), { maxKeys: 7 })
      .map((entries) =>
        Object.entries(entries)
          .filter(([name]) => !Object.keys(entries).some((other) => other.startsWith(`${name}/`)))
          .map(([name, [content, executable]]) =>
            file(name, content, executable ? "executable" : "file"),
          ),
      );
    await inFolder((folder) => {
      git(folder, "init", "-q");
      for (const content of ["1", "2"])
        run(folder, "git", ["hash-object", "-w", "--stdin"], content);
      const write = (files: readonly TreeFile[]) => {
        git(folder, "read-tree", "--empty");
        const lines = files.map(
          ({ path: name, mode, oid }) => `${mode === "file" ? 100644 : 100755} ${oid}\t${name}\0`,
        );
        run(folder, "git", ["update-index", "-z", "--index-info"], lines.join(""));
        return git(folder, "write-tree");
      };
      fc.assert(
        fc.property(side, side, (before, after) => {
          const { changes, a, b } = differ(before, after);
          expect([write(before), write(after)]).toEqual([a.root, b.root]);
          const printed = run(folder, "git", [
            "diff-tree",
            "-r",
            "-z",
            "--name-status",
            a.root,
            b.root,
          ])
            .toString()
            .split("\0");
          const ours = changes.flatMap((change) => [letter(change), change.path]);
          expect([...ours, ""]).toEqual(printed);
        }),
        { numRuns: 25 },
      );
    });
  });
});
