/** Temporary folders, tools of the machine and streams for the tests of intake. */
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

/** A stream of `bytes` in pieces of the given sizes, over and over. */
export function streamOf(
  bytes: Uint8Array,
  sizes: readonly number[] = [65_536],
): ReadableStream<Uint8Array> {
  let at = 0;
  let turn = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.byteLength) return controller.close();
      const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
      turn += 1;
      controller.enqueue(bytes.subarray(at, at + size));
      at += size;
    },
  });
}
