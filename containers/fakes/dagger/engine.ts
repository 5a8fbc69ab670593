/** One engine: what its sessions share, kept in a state directory that outlives it. */
import { mkdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Caches } from "./caches.ts";
import { CallStore } from "./call-store.ts";
import type { ContainerState } from "./container.ts";
import { Execs } from "./execs.ts";
import { Faults, type FaultsInput } from "./faults.ts";
import { Snapshots } from "./snapshots.ts";

export class Engine {
  readonly faults: Faults;
  readonly calls: CallStore;
  readonly snapshots: Snapshots;
  readonly execs: Execs;
  readonly caches: Caches;
  /** What is being executed, each in a directory of its own. */
  readonly workDirectory: string;
  /** Containers that are known by their digest. */
  readonly states = new Map<string, ContainerState>();
  readonly #death = new AbortController();

  constructor(stateDirectory: string, faults: FaultsInput = {}) {
    this.faults = new Faults(faults);
    this.calls = new CallStore(join(stateDirectory, "calls"));
    this.snapshots = new Snapshots(join(stateDirectory, "snapshots"));
    this.execs = new Execs(join(stateDirectory, "execs"));
    this.caches = new Caches(join(stateDirectory, "caches"));
    this.workDirectory = join(stateDirectory, "work");
    mkdirSync(this.workDirectory, { recursive: true });
  }

  /** Aborted once the engine has died. */
  get death(): AbortSignal {
    return this.#death.signal;
  }

  /** Dies as by SIGKILL: with everything that it executes, and for good. */
  die(): void {
    this.#death.abort();
    this.execs.killAll();
  }

  /** Forgets what was executed and what was cached. What is running keeps what it needs. */
  async prune(): Promise<void> {
    if (!this.execs.isIdle) return;
    this.states.clear();
    const isImage = (name: string) => name.startsWith("image-") || name.startsWith("tree-");
    await emptyDirectory(this.execs.directory);
    await emptyDirectory(this.caches.directory);
    await emptyDirectory(this.snapshots.directory, isImage);
  }
}

async function emptyDirectory(
  directory: string,
  isKept: (name: string) => boolean = () => false,
): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!isKept(name)) await rm(join(directory, name), { recursive: true, force: true });
  }
}
