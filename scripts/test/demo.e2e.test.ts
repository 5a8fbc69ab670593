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

function startDemo(...flags: string[]) {
  const child = spawn(process.execPath, [rootPath("scripts/run.mjs"), "demo", ...flags], {
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

test("Ctrl-C while its pipeline waits for somebody ends it quietly", async () => {
  const { child, output } = startDemo();
  await vi.waitFor(() => expect(output()).toMatch(/approve +waiting/), {
    timeout: 60_000,
    interval: 5,
  });
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  expect(code).toBe(130);
  expect(output()).not.toMatch(/^pipelzr:|✗|node:internal|AbortError|run 2/im);
  expect(await files()).toEqual([]);
});

test("shows its tasks and its pipelines, and ends well", async () => {
  const { child, output } = startDemo("--all-executors");
  const [code] = await once(child, "close");
  expect(code, output()).toBe(0);
  expect(output()).toMatch(/^All 6 tasks ended as they must\.$/m);
  expect(output()).toMatch(/^ +└ survey +completed +[\d.]+ m?s {2}■+ \d+ of \d+$/m);
  expect(output()).toMatch(/^ +└ approve +completed .* approved by /m);
  expect(output()).toMatch(/^and runs 3 again: check, alert, report\./m);
  expect(output()).toMatch(/^ {2}check +failed +[\d.]+ m?s +completed +[\d.]+ m?s$/m);
  expect(output()).toMatch(/^ {2}Critical path of run 1, .*: .*check .* → alert /m);
  expect(output()).toMatch(
    /^ {2}Total: [\d,]+ lines and .* folders\.\n {2}Node counts the same\.$/m,
  );
  expect(output()).toMatch(/^ {2}find-todos looks through .* as Node does$/m);
  expect(output()).toMatch(/^ {2}## Run 1: completed after /m);
  const [, ...counts] =
    /^ {2}local +([\d,]+) .*\n {2}dagger +([\d,]+) .*\n {2}e2b +([\d,]+) .*\n {2}subprocess +([\d,]+) /m.exec(
      output(),
    ) ?? [];
  expect(counts).toHaveLength(4);
  expect(new Set(counts).size).toBe(1);
  expect(output()).toMatch(/^All of it went as it must, in [\d.]+ s altogether\.$/m);
  expect(await files()).toEqual([]);
});
