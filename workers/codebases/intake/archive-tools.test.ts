/** Archives as the tools that people have make them. */
import { chmodSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { IntakeError } from "./errors.ts";
import { blobOid } from "./git-objects.ts";
import { git, hasTool, inFolder, run } from "./test-support.ts";
import { readAll, tarSource, tgzSource, zipSource } from "./test-support-archives.ts";
import { buildTrees } from "./trees.ts";

const LONG = `${"deep-folder-name/".repeat(9)}${"f".repeat(120)}.txt`;
const FILES: Readonly<Record<string, string>> = {
  "README.md": "# Hello\n",
  "src/main.ts": "export {};\n",
  "src/empty": "",
  "ünï/日本.md": "text\n",
  "a b/c": "x".repeat(100_000),
  [LONG]: "long\n",
};

function makeTree(folder: string): void {
  for (const [path, content] of Object.entries(FILES)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  writeFileSync(join(folder, "run.sh"), "#!/bin/sh\n");
  chmodSync(join(folder, "run.sh"), 0o755);
  symlinkSync(`src/${"m".repeat(120)}`, join(folder, "link"));
}

/** The tree of the folder, by git. */
function treeOf(folder: string): string {
  git(folder, "init", "-q");
  git(folder, "add", "-A");
  return git(folder, "write-tree");
}

const tools = {
  tar: hasTool("tar", "--version"),
  zip: hasTool("zip", "-v"),
  python: hasTool("python3", "-c", "import zipfile"),
};

describe("archives of git", () => {
  it.each(["tar", "tar.gz", "zip"] as const)(
    "are read from %s, with the commit",
    async (format) => {
      await inFolder(async (folder) => {
        makeTree(folder);
        const root = treeOf(folder);
        git(folder, "commit", "-qm", "All");
        const args = ["archive", `--format=${format}`, "--prefix=repo-main/", "HEAD"];
        const bytes = run(folder, "git", args);
        const source = { tar: tarSource, "tar.gz": tgzSource, zip: zipSource }[format](bytes);
        const { files, summary } = await readAll(source);
        expect(summary.commit).toBe(git(folder, "rev-parse", "HEAD"));
        expect(summary.topFolder).toBe("repo-main");
        expect(buildTrees(files).root).toBe(root);
      });
    },
  );
});

describe.skipIf(!tools.tar)("archives of tar", () => {
  it.each(["gnu", "pax", "posix", "oldgnu"])("are read in the format %s", async (format) => {
    await inFolder(async (folder) => {
      makeTree(folder);
      const root = treeOf(folder);
      const bytes = run(folder, "tar", [`--format=${format}`, "--exclude=.git", "-czf", "-", "."]);
      expect(buildTrees((await readAll(tgzSource(bytes))).files).root).toBe(root);
    });
  });

  it.each(["ustar", "v7"])("are read in the format %s, which has no long names", async (format) => {
    await inFolder(async (folder) => {
      mkdirSync(join(folder, "a"));
      writeFileSync(join(folder, "a/b"), "b");
      linkSync(join(folder, "a/b"), join(folder, "a/c"));
      const bytes = run(folder, "tar", [`--format=${format}`, "-cf", "-", "a"]);
      const { files } = await readAll(tarSource(bytes));
      expect(files.map(({ oid }) => oid)).toEqual(Array(2).fill(blobOid(Buffer.from("b"))));
      expect(files.map(({ skipped }) => skipped)).toEqual([null, "hard_link"]);
    });
  });

  it("with sparse files are refused", async () => {
    await inFolder(async (folder) => {
      run(folder, "truncate", ["-s", "1M", "sparse"]);
      for (const format of ["gnu", "pax"]) {
        const bytes = run(folder, "tar", [`--format=${format}`, "-cSf", "-", "sparse"]);
        await expect(readAll(tarSource(bytes))).rejects.toMatchObject({
          code: "entry_unsupported",
        });
      }
    });
  });

  it("with pipes are refused", async () => {
    await inFolder(async (folder) => {
      run(folder, "mkfifo", ["pipe"]);
      const bytes = run(folder, "tar", ["-cf", "-", "pipe"]);
      await expect(readAll(tarSource(bytes))).rejects.toBeInstanceOf(IntakeError);
    });
  });
});

describe.skipIf(!tools.zip)("archives of zip", () => {
  it.each([["-6"], ["-0"], ["-fz"]])("are read with %s", async (option) => {
    await inFolder(async (folder) => {
      const tree = join(folder, "tree");
      mkdirSync(tree);
      makeTree(tree);
      const root = treeOf(tree);
      const args = ["-yqr", option];
      run(tree, "zip", [...args, "../file.zip", ".", "-x", ".git/*"]);
      const file = readFileSync(join(folder, "file.zip"));
      expect(buildTrees((await readAll(zipSource(file))).files).root).toBe(root);
    });
  });

  it("are read from a pipe, with sizes after the content", async () => {
    await inFolder(async (folder) => {
      makeTree(folder);
      const bytes = run(folder, "zip", ["-q", "-fd", "-", "README.md", "src/main.ts", "run.sh"]);
      const { files } = await readAll(zipSource(bytes));
      expect(files.map(({ path, mode }) => [path, mode])).toEqual([
        ["README.md", "file"],
        ["src/main.ts", "file"],
        ["run.sh", "executable"],
      ]);
    });
  });

  it("with a password are refused", async () => {
    await inFolder(async (folder) => {
      writeFileSync(join(folder, "a"), "secret");
      const bytes = run(folder, "zip", ["-q", "-P", "password", "-", "a"]);
      await expect(readAll(zipSource(bytes))).rejects.toMatchObject({ code: "archive_encrypted" });
    });
  });
});

describe.skipIf(!tools.python)("archives of Python", () => {
  it("are read with stored, deflated and zip64 entries, and names in UTF-8", async () => {
    const script = `
import sys, zipfile, io
out = io.BytesIO()
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("d/é", "stored", zipfile.ZIP_STORED)
    z.writestr("d/日本", "deflated " * 100)
    with z.open("wide", "w", force_zip64=True) as f:
        f.write(b"wide" * 1000)
sys.stdout.buffer.write(out.getvalue())
`;
    await inFolder(async (folder) => {
      const { files } = await readAll(zipSource(run(folder, "python3", ["-c", script])));
      expect(files.map(({ path, size }) => [path, size])).toEqual([
        ["d/é", 6],
        ["d/日本", 900],
        ["wide", 4_000],
      ]);
    });
  });
});
