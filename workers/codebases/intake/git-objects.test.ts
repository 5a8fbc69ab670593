import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IntakeError } from "./errors.ts";
import {
  BlobHash,
  blobDigests,
  blobOid,
  decodeTree,
  EMPTY_TREE_OID,
  encodeTree,
  modeOfNumber,
  treeOid,
} from "./git-objects.ts";
import { compareBytewise } from "./path-order.ts";
import { git, inFolder, run } from "./test-support.ts";
import { buildTrees, type TreeFile } from "./trees.ts";

const text = (value: string) => new TextEncoder().encode(value);

describe("blobs", () => {
  it("have the ids that git gives them", async () => {
    await inFolder((folder) => {
      for (const content of ["", "hello\n", "żółć\r\n", "a".repeat(70_000)]) {
        const expected = run(folder, "git", ["hash-object", "--stdin"], content).toString().trim();
        expect(blobOid(text(content))).toBe(expected);
        expect(blobDigests(text(content)).oid).toBe(expected);
      }
    });
  });

  it("hash in pieces as they do at once", () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(fc.array(bytes), (pieces) => {
        const whole = Buffer.concat(pieces);
        const hash = new BlobHash(whole.byteLength);
        for (const piece of pieces) hash.update(piece);
        expect(hash.digests()).toEqual(blobDigests(whole));
      }),
    );
  });
});

describe("trees", () => {
  it("have the ids that git writes, with every mode and names around the slash", async () => {
    await inFolder((folder) => {
      git(folder, "init", "-q");
      const contents: Record<string, string> = {
        "a.b": "1",
        "a/x": "2",
        a0: "3",
        "a-b/c/d": "4",
        "a b/ü.txt": "5",
        "ä/日本.md": "6",
        "\u{1F600}": "7",
        "\uFF5E": "8",
        "run.sh": "#!/bin/sh\n",
        ".github/workflows/ci.yml": "on: push\n",
      };
      const files: TreeFile[] = [];
      for (const [path, content] of Object.entries(contents)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        const executable = path.endsWith(".sh");
        writeFileSync(join(folder, path), content, { mode: executable ? 0o755 : 0o644 });
        const mode = executable ? "executable" : "file";
        files.push({ path, mode, oid: blobOid(text(content)) });
      }
      symlinkSync("a/x", join(folder, "link"));
      files.push({ path: "link", mode: "symlink", oid: blobOid(text("a/x")) });
      git(folder, "add", "-A");
      const { root, trees } = buildTrees(files);
      expect(root).toBe(git(folder, "write-tree"));
      for (const [oid, entries] of trees) {
        const bytes = run(folder, "git", ["cat-file", "tree", oid]);
        expect(Buffer.from(encodeTree(entries))).toEqual(bytes);
        expect(decodeTree(bytes)).toEqual(entries);
      }
    });
  });

  it("have git's ids for any names", async () => {
    const name = fc
      .string({
        unit: fc.constantFrom("a", "B", "-", ".", "0", "é", "\u{1F600}", "\uFFFD"),
        minLength: 1,
        maxLength: 4,
      })
      .filter((part) => part !== "." && part !== "..");
    const paths = fc.uniqueArray(fc.array(name, { minLength: 1, maxLength: 3 }), {
      selector: (parts) => parts.join("/"),
      maxLength: 12,
    });
    await inFolder(async (folder) => {
      git(folder, "init", "-q");
      const oid = run(folder, "git", ["hash-object", "-w", "--stdin"], "x").toString().trim();
      fc.assert(
        fc.property(paths, (list) => {
          const all = list.map((parts) => parts.join("/"));
          const files = all
            .filter((path) => !all.some((other) => other.startsWith(`${path}/`)))
            .map((path): TreeFile => ({ path, mode: "file", oid }));
          const index = files.map((file) => `100644 ${oid}\t${file.path}\0`).join("");
          git(folder, "read-tree", "--empty");
          run(folder, "git", ["update-index", "-z", "--index-info"], index);
          expect(buildTrees(files).root).toBe(git(folder, "write-tree"));
        }),
        { numRuns: 25 },
      );
    });
  });

  it("are empty without files", () => {
    expect(buildTrees([]).root).toBe(EMPTY_TREE_OID);
    expect(treeOid([])).toBe(EMPTY_TREE_OID);
  });

  it("refuse paths that conflict", () => {
    const file = (path: string): TreeFile => ({ path, mode: "file", oid: EMPTY_TREE_OID });
    for (const paths of [
      ["a", "a"],
      ["a", "a/b"],
      ["a/b", "a"],
    ]) {
      expect(() => buildTrees(paths.map(file))).toThrow(IntakeError);
    }
  });

  it("are refused when the bytes are none", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          decodeTree(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(IntakeError);
        }
      }),
    );
    expect(() => decodeTree(text("100644 a\0short"))).toThrow(IntakeError);
    expect(modeOfNumber(0o100600)).toBeUndefined();
  });
});

describe("the order of paths", () => {
  it("is that of their bytes", () => {
    const unit = fc.constantFrom("a", "é", "\uD7FF", "\uE000", "\uFFFF", "\u{10000}", "\u{10FFFF}");
    const word = fc.string({ unit, maxLength: 5 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
        expect(Math.sign(compareBytewise(a, b))).toBe(expected);
      }),
    );
  });
});
