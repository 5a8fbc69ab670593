import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { build } from "../lib/build.ts";
import { rootPath } from "../lib/paths.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pipelzr-demo-test-"));
  await build();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function startDemo() {
  const child = spawn(process.execPath, [rootPath("scripts/run.mjs"), "demo"], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  return { child, output: () => output };
}

const files = () => readdir(folder, { recursive: true });

test("Ctrl-C while the demo boots ends it quietly, and leaves no folder behind", async () => {
  const { child, output } = startDemo();
  const booting = expect.arrayContaining([expect.stringMatching(/^pipelzr-demo-\w+\/lock\.json$/)]);
  await vi.waitFor(async () => expect(await files()).toEqual(booting), {
    timeout: 60_000,
    interval: 5,
  });
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  expect(code).toBe(130);
  expect(output()).toBe("");
  expect(await files()).toEqual([]);
});

test("Ctrl-C while its tasks run blames none of them", async () => {
  const { child, output } = startDemo();
  await vi.waitFor(() => expect(output()).toMatch(/cancelled +running +turn/), {
    timeout: 60_000,
    interval: 5,
  });
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  expect(code).toBe(130);
  expect(output()).not.toMatch(/^pipelzr:|✗|node:internal/m);
  expect(await files()).toEqual([]);
});
