/**
 * One service per state folder: two runtimes on the same SQLite files would corrupt each other's
 * view. The lock names its holder, and the runtime it started, so that a start after a crash of
 * everything can tell a stale lock and end a runtime that was left behind.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { makeFolder } from "./folders.ts";
import { killGroup, processIdentity } from "./processes.ts";

const holderSchema = z.object({
  /** `pid:start time` of the process that holds the lock. */
  owner: z.string(),
  /** What a second start says about it. */
  url: z.string(),
  /** The host's process group and the identities of its members. */
  group: z.object({ leader: z.number().int(), members: z.array(z.string()) }).nullable(),
});
export type LockHolder = z.output<typeof holderSchema>;

const pidOf = (identity: string) => Number(identity.split(":", 1)[0]);
const isAlive = (identity: string) => processIdentity(pidOf(identity)) === identity;

export class LockedError extends Error {
  readonly holder: LockHolder;

  constructor(path: string, holder: LockHolder) {
    super(
      `PIPELZR already runs on this state, at ${holder.url} (process ${pidOf(holder.owner)}). ` +
        "Use that one, stop it first, or set PIPELZR_DATA_DIR to another folder. " +
        `The lock is ${path}.`,
    );
    this.name = "LockedError";
    this.holder = holder;
  }
}

function readHolder(path: string): LockHolder | null {
  try {
    return holderSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return null;
  }
}

export class StateLock {
  readonly #path: string;
  #holder: LockHolder;

  private constructor(path: string, holder: LockHolder) {
    this.#path = path;
    this.#holder = holder;
  }

  /** Takes the lock; throws LockedError while a live process holds it. */
  static acquire(path: string, url: string): StateLock {
    const owner = processIdentity(process.pid) ?? `${process.pid}:`;
    const holder: LockHolder = { owner, url, group: null };
    makeFolder(dirname(path));
    for (;;) {
      try {
        writeFileSync(path, JSON.stringify(holder), { flag: "wx" });
        return new StateLock(path, holder);
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      }
      const known = readHolder(path);
      if (known && isAlive(known.owner)) throw new LockedError(path, known);
      if (known?.group?.members.some(isAlive)) killGroup(known.group.leader);
      rmSync(path, { force: true });
    }
  }

  /** Remembers the processes to end should this one die without ending them. */
  recordGroup(leader: number, members: readonly number[]): void {
    const identities = members.map(processIdentity).filter((identity) => identity !== null);
    this.#holder = { ...this.#holder, group: { leader, members: identities } };
    // Replaced in one step: a reader sees the old text or the new one.
    writeFileSync(`${this.#path}.next`, JSON.stringify(this.#holder));
    renameSync(`${this.#path}.next`, this.#path);
  }

  release(): void {
    if (readHolder(this.#path)?.owner === this.#holder.owner) rmSync(this.#path, { force: true });
  }
}
