/** Tools over code: a codebase's snapshot, and what the session writes over it. */
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { FILES, TestCodebase } from "../../codebases/test-support.ts";
import { DEFAULT_PROJECT } from "../../security/principal.ts";
import { isolate } from "../../test/app.ts";
import { WorkspaceStore } from "../workspace/store.ts";
import { TestSession } from "./test-support.ts";

const { call } = isolate();
let codebase: TestCodebase;

beforeAll(async () => {
  codebase = await TestCodebase.create(call);
  await codebase.push(FILES);
});

const onCodebase = (folder?: string) =>
  new TestSession({
    codebase: { codebase: codebase.id, ...(folder !== undefined && { folder }) },
  }).prepare();

const PATCH =
  "--- a/src/parse.ts\n+++ b/src/parse.ts\n@@ -1,3 +1,3 @@\n export function parseQuery(text: string) {\n-  return text.split(' ');\n+  return text.split(',');\n }\n--- a/empty.txt\n+++ b/empty.txt\n@@ -0,0 +1 @@\n+full\n";

describe("reading code", () => {
  it("reads files, some of their lines, and says what is not there", async () => {
    const session = await onCodebase();
    expect(await session.call("read_file", { path: "src/main.ts" })).toEqual({
      is_error: false,
      output: FILES["src/main.ts"],
    });
    const lines = { path: "/docs/guide.md", from_line: 2, lines: 1 };
    expect((await session.call("read_file", lines)).output).toBe(
      "\n… lines 3 to 3 are left: read on with from_line 3.",
    );
    for (const path of ["none.ts", "logo.png"]) {
      expect(await session.call("read_file", { path })).toMatchObject({ is_error: true });
    }
  });

  it("searches the session's codebase, or all of them", async () => {
    const session = await onCodebase();
    const { output } = await session.call("search_code", { query: "parseQuery path:docs" });
    expect(output).toMatch(/^# docs\/guide\.md @ [\s\S]*3: Call parseQuery/);
    expect((await session.call("search_code", { query: "nowhereToBeFound" })).output).toMatch(
      /^Nothing matches/,
    );
    const without = await new TestSession().prepare();
    expect((await without.call("search_code", { query: "parseQuery" })).output).toContain(
      "src/parse.ts",
    );
    expect(await session.call("search_code", { query: "/(/" })).toMatchObject({ is_error: true });
  });

  it("lists files by folder and glob", async () => {
    const session = await onCodebase();
    const all = await session.call("list_files", { glob: "src/*.test.ts" });
    expect(all.output).toMatchObject({ files: [{ path: "src/main.test.ts" }], next_cursor: null });
    expect(await session.call("list_files", { folder: "docs/" })).toMatchObject({
      output: { files: [{ path: "docs/guide.md" }] },
    });
  });

  it("keeps to the folder that the session works on", async () => {
    const session = await onCodebase("src");
    const files = await session.call("list_files", { glob: "parse.*" });
    expect(files.output).toMatchObject({ files: [{ path: "parse.ts" }] });
    expect(await session.call("read_file", { path: "parse.ts" })).toMatchObject({
      output: FILES["src/parse.ts"],
    });
    const { output } = await session.call("search_code", { query: "parseQuery OR Guide" });
    expect(output).toContain("# parse.ts @");
    expect(output).not.toContain("guide.md");
  });

  it("names another codebase, as it is pushed", async () => {
    const session = await new TestSession().prepare();
    const named = { path: "src/main.ts", codebase: codebase.id };
    expect(await session.call("read_file", named)).toMatchObject({ output: FILES["src/main.ts"] });
    expect(await session.call("read_file", { ...named, codebase: "none" })).toMatchObject({
      is_error: true,
      output: expect.stringContaining('no codebase "none"'),
    });
    expect(await session.call("read_file", { path: "a" })).toMatchObject({ is_error: true });
  });
});

describe("writing code", () => {
  it("shadows the codebase, which stays as it is", async () => {
    const session = await onCodebase();
    expect(await session.call("apply_patch", { patch: PATCH })).toMatchObject({ is_error: false });
    await session.call("write_file", { path: "src/new.ts", content: "export {};\n" });
    expect((await session.call("read_file", { path: "src/parse.ts" })).output).toContain(
      "split(',')",
    );
    expect(await session.call("read_file", { path: "empty.txt" })).toMatchObject({
      output: "full\n",
    });
    const listed = await session.call("list_files", { folder: "src" });
    expect(listed.output).toMatchObject({
      files: [
        { path: "src/new.ts", changed: true },
        { path: "src/parse.ts", changed: true },
        { path: "src/main.test.ts" },
        { path: "src/main.ts" },
      ],
    });
    expect((await session.call("search_code", { query: "parseQuery" })).output).toContain(
      "src/parse.ts is shown as it was before you changed it.",
    );
    const other = await onCodebase();
    expect((await other.call("read_file", { path: "src/parse.ts" })).output).toContain(
      "split(' ')",
    );
  });

  it("applies a patch once, also when the call is run again", async () => {
    const session = await onCodebase();
    const first = await session.call("apply_patch", { patch: PATCH }, { key: "same" });
    expect(first).toMatchObject({ is_error: false });
    const again = await session.call("apply_patch", { patch: PATCH }, { key: "same" });
    expect(again).toMatchObject({ is_error: false });
    expect(await session.call("apply_patch", { patch: PATCH })).toMatchObject({
      is_error: true,
      output: expect.stringContaining("does not match the file"),
    });
  });

  it("deletes, and creates again", async () => {
    const session = await onCodebase();
    const deletion =
      "--- a/docs/guide.md\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-# Guide\n-\n-Call parseQuery with a text.\n";
    expect(await session.call("apply_patch", { patch: deletion })).toMatchObject({
      output: expect.stringContaining("(deleted)"),
    });
    const gone = await session.call("read_file", { path: "docs/guide.md" });
    expect(gone).toMatchObject({ is_error: true });
    expect(await session.call("list_files", { folder: "docs" })).toMatchObject({
      output: { files: [] },
    });
    await session.call("write_file", { path: "docs/guide.md", content: "back\n" });
    expect(await session.call("read_file", { path: "docs/guide.md" })).toMatchObject({
      output: "back\n",
    });
  });

  it("keeps to paths below the top, and is erased with the session", async () => {
    const session = await new TestSession().prepare();
    for (const path of ["../a", "a/../b", "a\\b"]) {
      const written = await session.call("write_file", { path, content: "x" });
      expect(written, path).toMatchObject({ is_error: true });
    }
    await session.call("write_file", { path: "a", content: "x" });
    const prefix = `sessions/${DEFAULT_PROJECT}/${session.id}/`;
    expect((await env.BLOBS.list({ prefix })).objects).toHaveLength(2);
    const store = new WorkspaceStore(env.BLOBS);
    await store.erase({ id: session.id, project_id: DEFAULT_PROJECT });
    expect((await env.BLOBS.list({ prefix })).objects).toEqual([]);
  });
});
