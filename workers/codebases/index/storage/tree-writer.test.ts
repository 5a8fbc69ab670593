import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EMPTY_TREE_OID } from "../../intake/git-objects.ts";
import { compareBytewise } from "../../intake/path-order.ts";
import { buildTrees } from "../../intake/trees.ts";
import type { StoredEntry } from "./tree-writer.ts";
import { TreeWriter } from "./tree-writer.ts";

const OID = "ce013625030ba8dba906f756967f9e9ca394464a";
const part = fc.constantFrom("a", "b", "a.b", "a-b", "a0", "é", "\u{1f600}", "\uffee", "x");

function written(paths: readonly string[]) {
  const trees = new Map<string, readonly StoredEntry[]>();
  const writer = new TreeWriter((oid, entries) => trees.set(oid, [...entries]));
  for (const path of paths.toSorted(compareBytewise)) {
    writer.add({ path, mode: "file", oid: OID, language: "go", generated: path.endsWith("x") });
  }
  return { root: writer.finish(), trees };
}

describe("the trees of paths in order", () => {
  it("are those that are built of all paths at once", () => {
    const property = fc.property(
      fc.uniqueArray(
        fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/")),
      ),
      (drawn) => {
        // A path below a file is refused before it comes here.
        const paths = drawn.filter((path) => !drawn.some((other) => other.startsWith(`${path}/`)));
        const { root, trees } = written(paths);
        const built = buildTrees(paths.map((path) => ({ path, mode: "file", oid: OID })));
        expect(root).toBe(built.root);
        expect([...trees.keys()].sort()).toEqual([...built.trees.keys()].sort());
        for (const [oid, entries] of built.trees) {
          expect(trees.get(oid)?.map(({ name }) => name)).toEqual(entries.map(({ name }) => name));
        }
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  it("keep what is known of each file", () => {
    const { root, trees } = written(["a/x", "b"]);
    const [folder, file] = trees.get(root) ?? [];
    expect(file).toMatchObject({ name: "b", language: "go", generated: false });
    expect(trees.get(folder?.oid ?? "")).toMatchObject([{ name: "x", generated: true }]);
  });

  it("of no paths are git's empty tree", () => {
    expect(written([]).root).toBe(EMPTY_TREE_OID);
  });
});
