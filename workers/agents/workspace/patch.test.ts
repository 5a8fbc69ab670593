import { createTwoFilesPatch } from "diff";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyUnifiedDiff } from "./patch.ts";

const FILES: Readonly<Record<string, string>> = {
  "src/a.ts": "one\ntwo\nthree\nfour\n",
  "b.txt": "bye\n",
};

const apply = (patch: string, files = FILES) =>
  applyUnifiedDiff(patch, async (path) => files[path] ?? null);

const CHANGE = "--- a/src/a.ts\n+++ b/src/a.ts\n@@ -2,2 +2,2 @@\n two\n-three\n+THREE\n";

describe("applying a unified diff", () => {
  it("changes, creates and deletes files in one", async () => {
    const patch = `diff --git a/src/a.ts b/src/a.ts\n${CHANGE}diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1,2 @@\n+x\n+y\n--- a/b.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-bye\n`;
    expect(await apply(patch)).toEqual({
      changes: [
        { path: "src/a.ts", content: "one\ntwo\nTHREE\nfour\n" },
        { path: "new.txt", content: "x\ny\n" },
        { path: "b.txt", content: null },
      ],
      problems: null,
    });
  });

  it("takes names without prefixes, and hunks that stand elsewhere than they say", async () => {
    const patch = "--- b.txt\n+++ b.txt\n@@ -40 +40 @@\n-bye\n+hello\n";
    expect(await apply(patch)).toMatchObject({ changes: [{ path: "b.txt", content: "hello\n" }] });
  });

  it("moves a file that changes its name", async () => {
    const patch = "--- a/b.txt\n+++ b/c.txt\n@@ -1 +1 @@\n-bye\n+hello\n";
    expect(await apply(patch)).toMatchObject({
      changes: [
        { path: "b.txt", content: null },
        { path: "c.txt", content: "hello\n" },
      ],
    });
  });

  it("changes nothing when one hunk fails, and says which", async () => {
    const wrong = "--- a/b.txt\n+++ b/b.txt\n@@ -1 +1 @@\n-ciao\n+hello\n";
    const { changes, problems } = await apply(CHANGE + wrong);
    expect(changes).toBeNull();
    expect(problems).toEqual([
      { path: "b.txt", message: expect.stringMatching(/Hunk 1 .*"ciao".*Read the file again/) },
    ]);
  });

  it.each([
    ["words", "change the file please"],
    ["another format", "*** Begin Patch\n*** Update File: b.txt\n@@\n-bye\n+hi\n*** End Patch"],
    ["wrong counts", "--- a/b.txt\n+++ b/b.txt\n@@ -1,9 +1 @@\n-bye\n+hi\n"],
    ["no names", "@@ -1 +1 @@\n-bye\n+hi\n"],
    ["a path that leads out", "--- a/../b.txt\n+++ b/../b.txt\n@@ -1 +1 @@\n-bye\n+hi\n"],
  ])("refuses %s with what to send", async (_, patch) => {
    const { changes, problems } = await apply(patch);
    expect(changes).toBeNull();
    expect(problems?.[0]?.message).toContain("unified diff");
  });

  it("tells files that are missing, or there already", async () => {
    const missing = "--- a/none\n+++ b/none\n@@ -1 +1 @@\n-a\n+b\n";
    const there = "--- /dev/null\n+++ b/b.txt\n@@ -0,0 +1 @@\n+x\n";
    const messages = (await apply(missing + there)).problems?.map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringContaining("no such file"),
      expect.stringContaining("there already"),
    ]);
  });

  it("brings any text to any other by their difference", async () => {
    const line = fc.constantFrom("a", "b", "", "  x", "- y", "+ z");
    const text = fc
      .array(line, { minLength: 1, maxLength: 12 })
      .map((lines) => `${lines.join("\n")}\n`);
    await fc.assert(
      fc.asyncProperty(text, text, async (before, after) => {
        fc.pre(before !== after);
        const patch = createTwoFilesPatch("a/f", "b/f", before, after);
        const outcome = await apply(patch, { f: before });
        expect(outcome).toEqual({ changes: [{ path: "f", content: after }], problems: null });
      }),
    );
  });
});
