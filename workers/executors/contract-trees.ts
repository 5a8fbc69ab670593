/** The part of the contract that is about a tree in the workspace: it arrives whole, and stays so. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import {
  type AttemptResult,
  blobsOf,
  type ContractDeps,
  inline,
  type RunningAttempt,
} from "./contract-support.ts";
import type { MountedTree, Work } from "./port.ts";
import { ARCHIVE_END, type TreeEntry, writeEntry } from "./tree-archive.ts";

const bytes = (content: string) => new TextEncoder().encode(content);
const file = (path: string, content: Uint8Array): TreeEntry => ({ path, kind: "file", content });

/** Paths and contents as source trees have them, and as few of them have. */
const TREE: readonly TreeEntry[] = [
  file("README.md", bytes("# grün\n")),
  file("empty", new Uint8Array(0)),
  file(
    "bin/all bytes",
    Uint8Array.from({ length: 1_000 }, (_, n) => n % 256),
  ),
  file("latin1.txt", new Uint8Array([0x67, 0x72, 0xfc, 0x6e, 0x0a])),
  file(`${"a-long-folder-name/".repeat(8)}größe 日本.txt`, bytes("deep\n")),
  file("-dash", bytes("dash\n")),
  { path: "tool.sh", kind: "executable", content: bytes("#!/bin/bash\necho ran\n") },
  { path: "lib/link.md", kind: "symlink", content: bytes("../README.md") },
  { path: "linked", kind: "symlink", content: bytes("bin") },
];

export function archiveOf(entries: readonly TreeEntry[]): Uint8Array {
  return gzipSync(
    Buffer.concat([...entries.flatMap((entry) => [...writeEntry(entry)]), ARCHIVE_END]),
  );
}

export function treeOf(entries: readonly TreeEntry[], key: string): MountedTree {
  const size = entries.reduce((sum, { content }) => sum + content.byteLength, 0);
  return { path: "code", key, files: entries.length, bytes: size };
}

const REFUSAL = /Read-only file system|Permission denied/;

/** What a task may try on its tree, each on something else. */
const CHANGES = [
  "echo changed > code/README.md",
  "echo more >> code/new.txt",
  "sed -i s/ran/walked/ code/tool.sh",
  "chmod 600 code/-dash",
  "echo teed | tee code/latin1.txt",
  "mv code/empty moved",
  "touch code/touched",
  "mkdir code/made",
  "cp code/tool.sh code/copied.sh",
  "ln -s README.md code/linked.md",
  "rm -f 'code/bin/all bytes'",
];

/** A line for each file and link, as the task's own look at its folder gives them. */
function digestOf(entries: readonly TreeEntry[]): string {
  const lines = entries.map(({ path, kind, content }) => {
    if (kind === "symlink") return `link ${path} ${Buffer.from(content)}`;
    const hash = createHash("sha256").update(content).digest("hex");
    return `${kind === "executable" ? "x" : "-"} ${path} ${hash}`;
  });
  return `${lines.sort().join("\n")}\n`;
}

/** Without pipes between what it finds and what it reads, which not every shell carries as they are. */
const LOOK = `cd code
shopt -s globstar dotglob
for f in **/*; do
  if test -L "$f"; then echo "link $f $(readlink -- "$f")"
  elif test -f "$f"; then
    if test -x "$f"; then x=x; else x=-; fi
    sum=$(sha256sum "./$f")
    echo "$x $f \${sum%% *}"
  fi
done`;

const sorted = (lines: string) => `${lines.trimEnd().split("\n").sort().join("\n")}\n`;

export function describeTrees(
  attempt: (work: Partial<Work>, deps?: Partial<ContractDeps>) => RunningAttempt,
): void {
  const blobs = blobsOf({ "trees/1": archiveOf(TREE) });
  const run = (command: string, work: Partial<Work> = {}): Promise<AttemptResult> =>
    attempt({ command, tree: treeOf(TREE, "trees/1"), ...work }, { blobs }).ended;

  describe("trees", () => {
    it("arrive whole: every path, byte, permission to execute, and link", async () => {
      const { outcome, stdout } = await run(LOOK);
      expect(outcome).toMatchObject({ status: "completed" });
      expect(sorted(stdout)).toBe(digestOf(TREE));
    });

    it("are read through their links, run, and started in", async () => {
      const { stdout } = await run("./tool.sh; cat lib/link.md; wc -c < 'linked/all bytes'; pwd", {
        working_directory: "code",
      });
      expect(stdout.replaceAll(" ", "")).toMatch(/^ran\n#grün\n1000\n.*\/code\n$/);
    });

    it("stand beside the task's files and the folder it writes to", async () => {
      const { stdout } = await run("cat in.txt code/README.md > out.txt; cat out.txt", {
        ...inline({ "in.txt": { content: "own\n", encoding: "utf8" } }),
      });
      expect(stdout).toBe("own\n# grün\n");
    });

    it("are the same for others, whatever the code does to them", async () => {
      const tries = [
        "echo changed > code/README.md",
        "chmod u+w code/empty && echo more >> code/empty",
        "rm -f code/tool.sh",
        "mv code/bin code/other",
        "ln -s code way && echo changed > way/latin1.txt",
      ];
      await run(`${tries.map((line) => `{ ${line}; } 2> /dev/null`).join("\n")}\ntrue`);
      const { stdout } = await run(LOOK);
      expect(sorted(stdout)).toBe(digestOf(TREE));
    });

    it("that cannot be changed fail the command that tries, not the attempt", async () => {
      const { outcome, stdout, stderr } = await run(
        "echo hi >> code/README.md || echo caught; echo next",
      );
      expect(outcome).toMatchObject({ status: "completed", exit_code: 0 });
      expect(stdout).toBe(REFUSAL.test(stderr) ? "caught\nnext\n" : "next\n");
    });

    it("say why they are not changed", async () => {
      const tell = `if test $? = 0; then echo done; else cat said.txt; fi`;
      const { stdout } = await run(
        CHANGES.map((line) => `{ ${line} > /dev/null; } 2> said.txt\n${tell}`).join("\n"),
      );
      const told = stdout.trimEnd().split("\n");
      expect(told).toHaveLength(CHANGES.length);
      expect(told.filter((line) => line !== "done" && !REFUSAL.test(line))).toEqual([]);
    });

    it("are gone when their removal succeeds, and only then", async () => {
      const { stdout, stderr } = await run(
        "rm -rf code; status=$?; if test -e code; then echo $status kept; else echo $status gone; fi",
      );
      expect(stdout).toBe(REFUSAL.test(stderr) ? "1 kept\n" : "0 gone\n");
    });

    it("are no artifacts of the task", async () => {
      const { artifacts } = await run("echo a > a.txt; mkdir -p codex; echo b > codex/b.txt", {
        artifacts: ["**"],
      });
      expect([...artifacts.keys()].sort()).toEqual(["a.txt", "codex/b.txt"]);
    });

    it("may have thousands of files", async () => {
      const many = Array.from({ length: 5_000 }, (_, n) =>
        file(`src/${n % 50}/${n}.ts`, bytes(`export const n${n} = ${n};\n`)),
      );
      const { stdout } = await attempt(
        {
          command: "find code -type f | wc -l; cat code/src/7/4957.ts",
          tree: treeOf(many, "many"),
        },
        { blobs: blobsOf({ many: archiveOf(many) }) },
      ).ended;
      expect(stdout.replaceAll(" ", "")).toBe("5000\nexportconstn4957=4957;\n");
    });

    it("that are gone fail the attempt", async () => {
      const { outcome } = await run("true", { tree: treeOf(TREE, "none") });
      expect(outcome).toMatchObject({ status: "failed", reason: "error", code: "tree_missing" });
    });

    it.each(["../up", "/abs", ""])("refuse the folder %j", async (path) => {
      const { outcome } = await run("true", { tree: { ...treeOf(TREE, "trees/1"), path } });
      expect(outcome).toMatchObject({ status: "failed", code: "file_path_invalid" });
    });

    it.each(["code", "code/README.md", "code/new.txt"])(
      "refuse a file of the task's at %s",
      async (path) => {
        const files = inline({ [path]: { content: "x", encoding: "utf8" } });
        const { outcome } = await run("true", files);
        expect(outcome).toMatchObject({ status: "failed", code: "file_path_invalid" });
      },
    );

    it("without the folder to start in fail the attempt", async () => {
      const { outcome } = await run("true", { working_directory: "code/nowhere" });
      expect(outcome).toMatchObject({ status: "failed", code: "working_directory_missing" });
    });
  });
}
