import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FileSetStore, loadFiles, workingDirectory } from "./file-set.ts";
import type { FileSet } from "./port.ts";
import { isWorkspacePath } from "./workspace-path.ts";

const store = (objects: Record<string, string>) => ({
  get: async (key: string) => {
    const body = objects[key];
    return body === undefined ? null : new Response(body);
  },
});

describe("isWorkspacePath", () => {
  it.each(["a", "a/b.txt", ".hidden", "a b/ü", "..a", "a..", "..."])("accepts %j", (path) => {
    expect(isWorkspacePath(path)).toBe(true);
  });

  it.each(["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\\b", "a\0b"])(
    "refuses %j",
    (path) => {
      expect(isWorkspacePath(path)).toBe(false);
    },
  );

  it("accepts nothing that a URL parser would resolve to another path", () => {
    const part = fc.constantFrom("a", "..", ".", "", "b", "...");
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        const path = parts.join("/");
        const resolved = new URL(`file:///w/${path}`).pathname;
        if (isWorkspacePath(path)) expect(resolved).toBe(`/w/${path}`);
      }),
    );
  });
});

describe("workingDirectory", () => {
  it("is the root without one", () => {
    expect([workingDirectory(null), workingDirectory("."), workingDirectory("a/b")]).toEqual([
      "",
      "",
      "a/b",
    ]);
  });

  it("refuses what is outside", () => {
    expect(() => workingDirectory("../x")).toThrow(/"..\/x" is no path inside the workspace/);
  });
});

describe("loadFiles", () => {
  const load = (files: FileSet, blobs: FileSetStore) => loadFiles({ files, mounts: [] }, blobs);
  const file = { content: "x", encoding: "utf8", mode: "0644" } as const;

  it("takes inline and stored sets", async () => {
    expect(await load({ kind: "inline", entries: { a: file } }, store({}))).toEqual({
      a: file,
    });
    const stored = store({ k: JSON.stringify({ "b/c": file }) });
    expect(await load({ kind: "stored", key: "k", bytes: 1 }, stored)).toEqual({
      "b/c": file,
    });
  });

  it.each([
    ["gone", store({})],
    ["of another shape", store({ k: '{"a":{"content":1}}' })],
    ["not JSON", store({ k: "<html>" })],
  ])("fails when the stored set is %s", async (_, blobs) => {
    await expect(load({ kind: "stored", key: "k", bytes: 1 }, blobs)).rejects.toMatchObject({
      outcome: { code: "files_missing" },
    });
  });

  it("refuses a stored path outside the workspace", async () => {
    const stored = store({ k: JSON.stringify({ "../c": file }) });
    await expect(load({ kind: "stored", key: "k", bytes: 1 }, stored)).rejects.toMatchObject({
      outcome: { code: "file_path_invalid" },
    });
  });
});
