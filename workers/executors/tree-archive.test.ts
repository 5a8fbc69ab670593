import { spawnSync } from "node:child_process";
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  ARCHIVE_END,
  linkTarget,
  TreeArchiveError,
  type TreeEntry,
  TreeReader,
  writeEntry,
} from "./tree-archive.ts";

const folder = mkdtempSync(join(tmpdir(), "pipelzr-tree-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bytes = (text: string) => new TextEncoder().encode(text);
const LONG = `${"deep folder/".repeat(20)}größe.txt`;

const TREE: readonly TreeEntry[] = [
  { path: "a.txt", kind: "file", content: bytes("one\n") },
  { path: "bin/run", kind: "executable", content: bytes("#!/bin/sh\n") },
  { path: "block", kind: "file", content: new Uint8Array(512).fill(255) },
  { path: "empty", kind: "file", content: new Uint8Array(0) },
  { path: LONG, kind: "file", content: Uint8Array.from({ length: 1_500 }, (_, n) => n % 256) },
  { path: "link", kind: "symlink", content: bytes("bin/run") },
  { path: "long-link", kind: "symlink", content: bytes(LONG) },
  { path: "module", kind: "folder", content: new Uint8Array(0) },
];

function archive(entries: readonly TreeEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap((entry) => [...writeEntry(entry)]), ARCHIVE_END]);
}

function read(whole: Uint8Array, step: number): TreeEntry[] {
  const reader = new TreeReader();
  const found: TreeEntry[] = [];
  for (let at = 0; at < whole.byteLength; at += step) {
    for (const entry of reader.push(whole.subarray(at, at + step))) {
      found.push({ ...entry, content: Uint8Array.from(entry.content) });
    }
  }
  reader.end();
  return found;
}

describe("the archive of a tree", () => {
  it.each([1, 7, 511, 512, 513, 1 << 20])(
    "is read as it was written, %i bytes at a time",
    (step) => {
      expect(read(archive(TREE), step)).toEqual(TREE);
    },
  );

  it("is unpacked by tar, read-only", () => {
    const { status, stderr } = spawnSync("tar", ["-x", "-C", folder], { input: archive(TREE) });
    expect(stderr.toString()).toBe("");
    expect(status).toBe(0);
    for (const { path, kind, content } of TREE) {
      const place = join(folder, path);
      const about = lstatSync(place);
      if (kind === "symlink") expect(readlinkSync(place)).toBe(Buffer.from(content).toString());
      else if (kind === "folder") expect(about.isDirectory()).toBe(true);
      else {
        expect(Buffer.compare(readFileSync(place), content)).toBe(0);
        expect(about.mode & 0o777).toBe(kind === "executable" ? 0o555 : 0o444);
      }
    }
  });

  it("that breaks off is told", () => {
    expect(() => read(archive(TREE).subarray(0, 3_000), 512)).toThrow(TreeArchiveError);
    expect(() => read(archive([]).subarray(0, 0), 1)).toThrow(TreeArchiveError);
  });

  it("with anything else in it is refused", () => {
    const whole = archive(TREE);
    whole[156] = "3".charCodeAt(0);
    expect(() => read(whole, 512)).toThrow(/neither file, link nor folder/);
  });
});

describe("a link", () => {
  it.each([
    ["a/b/link", "../c", "a/c"],
    ["link", "./x//y", "x/y"],
    ["a/link", "..", ""],
    ["a/link", "../..", null],
    ["link", "/etc/passwd", null],
    ["link", "", null],
  ])("%s to %s leads to %s", (path, target, expected) => {
    expect(linkTarget(path, target)).toBe(expected);
  });
});
