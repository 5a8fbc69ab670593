import { describe, expect, it } from "vitest";
import { blobsOf, startAttempt } from "../contract-support.ts";
import { archiveOf, treeOf } from "../contract-trees.ts";
import type { Work } from "../port.ts";
import type { TreeEntry } from "../tree-archive.ts";
import { makeLocalExecutor } from "./test-support.ts";

const bytes = (content: string) => new TextEncoder().encode(content);
const TREE: readonly TreeEntry[] = [
  { path: "src/x", kind: "file", content: bytes("one\n") },
  { path: "tool.sh", kind: "executable", content: bytes("echo ran\n") },
  { path: "way", kind: "symlink", content: bytes("src/x") },
];
const blobs = blobsOf({ tree: archiveOf(TREE) });

const run = (work: Partial<Work>) =>
  startAttempt(makeLocalExecutor, { tree: treeOf(TREE, "tree"), ...work }, { blobs }).ended;

describe("a script on the codebase that it mounts", () => {
  it.each([
    ["echo hi >> code/src/x", "bash: code/src/x"],
    ["echo hi &> code/new", "bash: code/new"],
    ["echo hi >& code/new", "bash: code/new"],
    ["> code/src/x", "bash: code/src/x"],
    ["{ echo hi; } > code/way", "bash: code/way"],
    ["while false; do :; done > code/src/x", "bash: code/src/x"],
    ["f() { echo hi; }; f > code/new", "bash: code/new"],
    ["exec > code/new", "bash: code/new"],
    ["exec 3> code/new", "bash: code/new"],
    ["exec 3<> code/src/x", "bash: code/src/x"],
    ["exec 3<> code/new", "bash: code/new"],
    ["cd code && echo hi > src/x", "bash: src/x"],
    ["bash -c 'echo hi > code/new'", "bash: code/new"],
    ["rm code/src/x", "rm: cannot remove 'code/src/x'"],
    ["rm -rf code", "rm: cannot remove 'code'"],
    ["rm -rf /workspace", "rm: cannot remove '/workspace'"],
    ["sed -i s/one/two/ code/src/x", "sed: code/src/x"],
    ["chmod 644 code/src/x", "chmod: changing permissions of 'code/src/x'"],
    ["chmod -R u+w code", "chmod: changing permissions of 'code'"],
    ["tee code/src/x < /dev/null", "tee: code/src/x"],
    ["tee -a code/new < /dev/null", "tee: code/new"],
    ["mv code other", "mv: cannot move 'code'"],
    ["mv code/src/x other", "mv: cannot move 'code/src/x'"],
    ["touch code/src/x", "touch: cannot touch 'code/src/x'"],
    ["touch code/new", "touch: cannot touch 'code/new'"],
    ["mkdir code/new", "mkdir: cannot create directory 'code/new'"],
    ["mkdir -p code/new/one", "mkdir: cannot create directory 'code/new/one'"],
    ["cp code/src/x code/new", "cp: cannot copy 'code/src/x'"],
    ["ln -s src/x code/new", "ln"],
    ["ln -sf src/x code/way", "ln: cannot remove 'code/way'"],
    ["find code -name x -delete", "find: cannot delete 'code/src/x'"],
  ])("is told that it is read-only: %s", async (command, said) => {
    const { outcome, stderr } = await run({ command });
    expect(outcome).toMatchObject({ status: "failed", code: "exit_nonzero", exit_code: 1 });
    expect(stderr).toBe(`${said}: Read-only file system\n`);
  });

  it("goes on in the next command", async () => {
    const { outcome, stdout } = await run({
      command: "echo hi >> code/src/x || echo caught; echo b; cat code/src/x",
    });
    expect(outcome).toMatchObject({ status: "completed", exit_code: 0 });
    expect(stdout).toBe("caught\nb\none\n");
  });

  it.each([
    ["rm -f code/nowhere", 0, ""],
    [
      "chmod 644 code/nowhere",
      1,
      "chmod: cannot access 'code/nowhere': No such file or directory\n",
    ],
    ["sed -i s/a/b/ nowhere", 1, "sed: nowhere: No such file or directory\n"],
  ])("is told of a file that is not there as before: %s", async (command, code, said) => {
    const { outcome, stderr } = await run({ command });
    expect(outcome).toMatchObject({ exit_code: code });
    expect(stderr).toBe(said);
  });

  it("sees permissions and links in a listing", async () => {
    const list = async (command: string) =>
      (await run({ command })).stdout.replaceAll(/ 1 user user +\d+ \w+ +\d+ [\d:]+ /g, " ");
    expect(await list("ls -l code")).toBe(
      "total 3\ndrwxr-xr-x src/\n-r-xr-xr-x tool.sh\nlrwxrwxrwx way -> src/x\n",
    );
    expect(await list("ls -l code/way; ls -l code/tool.sh; ls -ld code/way; ls -ld code/src")).toBe(
      "lrwxrwxrwx code/way -> src/x\n-r-xr-xr-x code/tool.sh\nlrwxrwxrwx code/way -> src/x\ndrwxr-xr-x code/src/\n",
    );
  });
});

describe("JavaScript on the codebase that it mounts", () => {
  it.each(["write('code/src/x', 'two')", "write('code/new', '')", "remove('code/src/x')"])(
    "can catch that it is read-only: %s",
    async (change) => {
      const script = `export default (_, { files }) => {
        try { files.${change}; } catch (error) {
          return [error instanceof Error, error.code, error.message, files.read("code/src/x")];
        }
      };`;
      const { outcome } = await run({ language: "javascript", script });
      expect(outcome).toMatchObject({
        status: "completed",
        result: [true, "EROFS", expect.stringMatching(/^"code\/.*read-only\. Write it/), "one\n"],
      });
    },
  );

  it("is shown the error by its usual name", async () => {
    const script = "export default (_, { files }) => files.write('code/new', '')";
    const { stderr } = await run({ language: "javascript", script });
    expect(stderr).toMatch(/^Error: "code\/new" is of the codebase, which is read-only\./);
  });
});
