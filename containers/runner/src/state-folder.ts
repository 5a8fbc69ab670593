/** The folder that a runner keeps its identity and its work in; one runner at a time uses it. */
import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { causeInWords } from "../../../scripts/lib/folders.ts";
import { processIdentity } from "../../../scripts/lib/processes.ts";
import { FatalError } from "./errors.ts";

export interface StateFolder {
  readonly path: string;
  /** The key, and the id that the service gave it. */
  readonly identity: string;
  /** Everything of attempts; emptied at every start. */
  readonly attempts: string;
  release(): void;
}

/** Where state belongs by the conventions of the operating system. */
export function defaultStateFolder(
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const base = environment.XDG_STATE_HOME || join(homedir(), ".local", "state");
  return join(base, "pipelzr-runner");
}

function isAlive(identity: string): boolean {
  const pid = Number(identity.split(":", 1)[0]);
  return pid > 0 && processIdentity(pid) === identity;
}

function readLock(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isCode(error, "ENOENT")) return null;
    throw error;
  }
}

const isCode = (error: unknown, code: string) =>
  error instanceof Error && "code" in error && error.code === code;

/** Links `from` to `to`, which comes about whole or not at all; false when something is there. */
function linkIfFree(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (isCode(error, "EEXIST")) return false;
    throw error;
  }
}

/**
 * Moves the lock of a process that has ended out of the way. Another that starts at the same time may
 * have done so before and have taken the lock: then it is put back.
 */
function removeStale(lock: string, stale: string, aside: string): void {
  try {
    renameSync(lock, aside);
  } catch (error) {
    if (isCode(error, "ENOENT")) return;
    throw error;
  }
  if (readLock(aside) !== stale) linkIfFree(aside, lock);
  rmSync(aside, { force: true });
}

function takeLock(lock: string, folder: string, own: string): void {
  const draft = `${lock}.${randomUUID()}`;
  writeFileSync(draft, own);
  try {
    // Read once more when it is taken: it may have been moved away, and put back in vain.
    while (!linkIfFree(draft, lock) || readLock(lock) !== own) {
      const holder = readLock(lock);
      if (holder === null) continue;
      if (isAlive(holder)) {
        throw new FatalError(
          `A runner (process ${holder.split(":", 1)[0]}) already uses ${folder}. Stop it, or give this one a folder of its own with --state-dir.`,
        );
      }
      removeStale(lock, holder, `${draft}.stale`);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Opens the folder for this process alone; throws FatalError. */
export function openStateFolder(path: string): StateFolder {
  const attempts = join(path, "attempts");
  const lock = join(path, "lock");
  const own = processIdentity(process.pid) ?? `${process.pid}:`;
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    takeLock(lock, path, own);
    mkdirSync(attempts, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (error instanceof FatalError) throw error;
    throw new FatalError(
      `The state folder ${path} cannot be used: ${causeInWords(error)}. Give another one with --state-dir.`,
    );
  }
  return {
    path,
    identity: join(path, "runner.json"),
    attempts,
    release: () => {
      if (readLock(lock) === own) rmSync(lock, { force: true });
    },
  };
}
