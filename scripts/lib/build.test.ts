import { glob } from "node:fs/promises";
import { expect, test } from "vitest";
import { inputFiles } from "./build.ts";
import { rootPath } from "./paths.ts";

test("a build reads every module of the Worker, and nothing that it makes itself", async () => {
  const files = await inputFiles();
  for await (const file of glob("workers/console/*.{html,txt}", { cwd: rootPath() })) {
    expect(files).toContain(file);
  }
  expect(files).toContain("workers/index.ts");
  expect(files).toContain("workers/codebases/languages/queries/go.scm");
  expect(files.filter((file) => file.includes("testdata"))).toEqual([]);
  expect(files.filter((file) => /\.bundle\.txt$|\.generated\.|\.test\.ts$/.test(file))).toEqual([]);
});
