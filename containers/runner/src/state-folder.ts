/** The folder that a runner keeps its identity and its work in; one runner at a time uses it. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

function takeLock(lock: string, folder: string): void {
  const own = processIdentity(process.pid) ?? `${process.pid}:`;
  for (;;) {
    try {
      writeFileSync(lock, own, { flag: "wx" });
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const holder = readFileSync(lock, "utf8");
    if (isAlive(holder)) {
      throw new FatalError(
        `A runner (process ${holder.split(":", 1)[0]}) already uses ${folder}. Stop it, or give this one a folder of its own with --state-dir.`,
      );
    }
    rmSync(lock, { force: true });
  }
}

/** Opens the folder for this process alone; throws FatalError. */
export function openStateFolder(path: string): StateFolder {
  const attempts = join(path, "attempts");
  const lock = join(path, "lock");
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    takeLock(lock, path);
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
    release: () => rmSync(lock, { force: true }),
  };
}
