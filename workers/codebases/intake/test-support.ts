/** Temporary folders and tools of the machine for the tests of intake. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs `work` in a temporary folder that is removed after it. */
export async function inFolder<T>(work: (folder: string) => T | Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "pipelzr-intake-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const ENVIRONMENT = {
  ...process.env,
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_AUTHOR_NAME: "t",
  GIT_AUTHOR_EMAIL: "t@example.com",
  GIT_COMMITTER_NAME: "t",
  GIT_COMMITTER_EMAIL: "t@example.com",
};

/** Runs a tool of the machine and gives its standard output. */
export function run(cwd: string, tool: string, args: readonly string[], input = ""): Buffer {
  return execFileSync(tool, args, {
    cwd,
    input,
    env: ENVIRONMENT,
    maxBuffer: 256 * 1024 * 1024,
    stdio: ["pipe", "pipe", "pipe"],
  });
}

export function git(cwd: string, ...args: readonly string[]): string {
  return run(cwd, "git", args).toString().trim();
}

/** Whether the machine has a tool; tests that need one it lacks are skipped. */
export function hasTool(tool: string, ...probe: readonly string[]): boolean {
  try {
    run(tmpdir(), tool, probe);
    return true;
  } catch {
    return false;
  }
}
