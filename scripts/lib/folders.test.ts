import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { causeInWords, ensureStateFolder } from "./folders.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pipelzr-folders-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("makes a folder with those around it, and leaves nothing in it", async () => {
  const path = join(folder, "a", "b");
  ensureStateFolder(path);
  ensureStateFolder(path);
  expect(await readdir(path)).toEqual([]);
});

test("names the folder, the cause and the way out when a part of the path is a file", async () => {
  const file = join(folder, "file");
  await writeFile(file, "");
  for (const path of [file, join(file, "data"), join(file, "data", "state")]) {
    expect(() => ensureStateFolder(path)).toThrow(
      `The state folder ${path} cannot be written: a part of its path is a file. Set PIPELZR_DATA_DIR`,
    );
  }
});

test.runIf(process.platform === "linux")("fails, and does not hang, inside of /proc", () => {
  for (const path of ["/proc/x", "/proc/x/y"]) {
    expect(() => ensureStateFolder(path)).toThrow("no folder can be made there");
  }
});

test.each([
  ["EROFS", "its file system is read-only"],
  ["EACCES", "this user may not write there"],
  ["EPERM", "this user may not write there"],
  ["EWHAT", "EWHAT: odd"],
])("says %s in words", (code, words) => {
  expect(causeInWords(Object.assign(new Error(`${code}: odd`), { code }))).toBe(words);
});
