import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IntakeError } from "./errors.ts";
import { blobOid } from "./git-objects.ts";
import { manifestRoot, manifestSchema, missingBlobs, parseManifest } from "./manifest.ts";
import { git, inFolder } from "./test-support.ts";

const oid = (content: string) => blobOid(Buffer.from(content));
const A = oid("a");
const B = oid("b");

const issues = (input: unknown, limits = {}) => {
  const parsed = manifestSchema(limits).safeParse(input);
  return parsed.success ? [] : parsed.error.issues.map(({ path }) => path.join("."));
};

describe("a manifest", () => {
  it("is read into git's order, with modes by name or by number", () => {
    const entries = parseManifest([
      ["b", A, 1],
      ["a/x", B, 1, "100755"],
      ["a.b", A, 1, "symlink"],
      ["\u{1F600}", A, 1],
      ["\uFF5E", A, 1, "file"],
    ]);
    expect(entries.map(({ path, mode }) => [path, mode])).toEqual([
      ["a.b", "symlink"],
      ["a/x", "executable"],
      ["b", "file"],
      ["\uFF5E", "file"],
      ["\u{1F600}", "file"],
    ]);
  });

  it("describes the tree that git writes", async () => {
    await inFolder((folder) => {
      git(folder, "init", "-q");
      for (const name of ["a", "b.txt", "c"]) writeFileSync(join(folder, name), name);
      git(folder, "add", "-A");
      const rows = git(folder, "ls-files", "--stage")
        .split("\n")
        .map((line) => {
          const [mode, id, , path = ""] = line.split(/[ \t]/);
          return [path, id, path.length, mode];
        });
      expect(manifestRoot(parseManifest(rows))).toBe(git(folder, "write-tree"));
    });
  });

  it("is the same whatever order it comes in", () => {
    const path = fc.stringMatching(/^[a-c]{1,2}(\/[a-c.-]{1,2}x){0,2}$/);
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 8 }), (paths) => {
        const rows = paths.map((name) => [name, oid(name), name.length]);
        if (issues(rows).length > 0) return;
        expect(parseManifest(rows.toReversed())).toEqual(parseManifest(rows));
      }),
    );
  });

  it("is refused with every problem, where it is", () => {
    expect(
      issues([
        ["../a", A, 1],
        ["a", A, 2],
        ["a", A, 2],
        ["a/b", B, 1],
        [".git/x", B, 1],
      ]),
    ).toEqual(["0.0", "1.2", "2.0", "4.0", "3.0"]);
    expect(
      issues([
        ["a", A.toUpperCase(), 1],
        ["b", A, -1],
        ["c", A, 1.5],
        ["d", A, 1, "160000"],
      ]),
    ).toEqual(["0.1", "1.2", "2.2", "3.3"]);
    expect(issues([["a", A]])).toHaveLength(1);
    expect(issues([["a", A, 1, "file", 5]])).toHaveLength(1);
    expect(issues({ a: 1 })).toHaveLength(1);
    expect(
      issues(
        [
          ["a", A, 1],
          ["b", A, 1],
        ],
        { maxEntries: 1 },
      ),
    ).toEqual([""]);
    expect(
      issues(
        [
          ["a", A, 9],
          ["b", B, 9],
        ],
        { maxUnpackedBytes: 17 },
      ),
    ).toEqual([""]);
    expect(
      issues(
        [
          ["a", A, 9],
          ["b", A, 9],
        ],
        { maxUnpackedBytes: 17 },
      ),
    ).toEqual([]);
    expect(issues(Array.from({ length: 500 }, () => ["..", A, 1])).length).toBe(100);
  });

  it("is refused with an error that names the entry", () => {
    expect(() =>
      parseManifest([
        ["a", A, 1],
        ["/b", A, 1],
      ]),
    ).toThrow(IntakeError);
    expect(() =>
      parseManifest([
        ["a", A, 1],
        ["/b", A, 1],
      ]),
    ).toThrow("(entry 1)");
    fc.assert(
      fc.property(fc.jsonValue(), (input) => {
        try {
          parseManifest(input);
        } catch (error) {
          expect(error).toBeInstanceOf(IntakeError);
        }
      }),
    );
  });

  it("tells what is missing, each content once", () => {
    const entries = parseManifest([
      ["z", A, 1],
      ["y", A, 1],
      ["x", B, 1],
    ]);
    expect(missingBlobs(entries, new Set([B]))).toEqual([{ oid: A, size: 1, path: "y" }]);
    expect(missingBlobs(entries, new Set()).map(({ path }) => path)).toEqual(["x", "y"]);
    expect(missingBlobs(entries, new Set([A, B]))).toEqual([]);
  });
});
