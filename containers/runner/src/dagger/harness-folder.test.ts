import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { HARNESS_ENTRY, makeHarnessFolder } from "./harness-folder.ts";
import { HARNESS } from "./places.ts";

const parent = mkdtempSync(join(tmpdir(), "pipelzr-harness-"));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

it("the folder of the harness is made once, runs in any Node.js, and replaces earlier ones", async () => {
  for (const name of ["0123456789abcdef", "0123456789abcdef.draft"]) {
    mkdirSync(join(parent, name));
    writeFileSync(join(parent, name, "f"), "");
  }
  const folder = await makeHarnessFolder(parent);
  expect(readdirSync(parent)).toEqual([basename(folder)]);
  const entry = join(folder, HARNESS_ENTRY.slice(HARNESS.length));
  expect(existsSync(entry)).toBe(true);
  execFileSync(process.execPath, ["--check", entry]);
  writeFileSync(join(folder, "kept"), "");
  const again = await Promise.all([1, 2, 3].map(() => makeHarnessFolder(parent)));
  expect(again).toEqual([folder, folder, folder]);
  expect(readdirSync(parent)).toEqual([basename(folder)]);
  expect(readdirSync(folder)).toContain("kept");
});
