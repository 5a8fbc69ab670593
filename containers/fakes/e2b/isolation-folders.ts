/**
 * Isolation without any right: a sandbox is a folder. HOME and the working directory of its commands
 * lie in it and the file API maps to it, but an absolute path that a command names is the machine's.
 */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { signal } from "../../../scripts/lib/processes.ts";
import type { Command, Isolation, SandboxPlace, Spawned } from "./isolation.ts";
import { launch, PASS_GATE } from "./spawned.ts";

const PROLOGUE = `${PASS_GATE}exec "$@"`;
/** What a process may have started while the last look was taken is found by the next. */
const MAX_SWEEPS = 20;

async function* processesWith(variable: string): AsyncGenerator<number> {
  for (const name of await readdir("/proc").catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await readFile(`/proc/${name}/environ`, "latin1").catch(() => "");
    if (environment.split("\0").includes(variable)) yield Number(name);
  }
}

class Folders implements Isolation {
  readonly kind = "folders";
  readonly shared: ReadonlySet<string> = new Set();
  readonly #root: string;
  readonly #mark: string;
  readonly #groups = new Set<number>();

  constructor({ id, root }: SandboxPlace) {
    this.#root = root;
    // Inherited by whatever a command starts, so that a process which left its group is found too.
    this.#mark = `E2B_SANDBOX_ID=${id}`;
  }

  async spawn({ cmd, args, cwd, env, stdin }: Command): Promise<Spawned> {
    const home = env.HOME === undefined ? {} : { HOME: join(this.#root, env.HOME) };
    const launched = await launch({
      file: "/bin/sh",
      args: ["-c", PROLOGUE, "sh", cmd, ...args],
      env: { ...env, ...home },
      stdin,
      cwd: join(this.#root, cwd),
    });
    const { child, pid } = launched;
    this.#groups.add(pid);
    child.once("exit", () => this.#groups.delete(pid));
    return { ...launched, signal: (name) => signal(pid, name) };
  }

  async #signalAll(name: NodeJS.Signals): Promise<number> {
    const pids = new Set<number>();
    for (const leader of this.#groups) {
      pids.add(leader);
      signal(-leader, name);
    }
    for await (const pid of processesWith(this.#mark)) {
      if (pid === process.pid) continue;
      pids.add(pid);
      signal(pid, name);
    }
    return pids.size;
  }

  async freeze(): Promise<void> {
    await this.#signalAll("SIGSTOP");
  }

  async thaw(): Promise<void> {
    await this.#signalAll("SIGCONT");
  }

  async killAll(): Promise<void> {
    for (let sweep = 0; sweep < MAX_SWEEPS; sweep += 1) {
      if ((await this.#signalAll("SIGKILL")) === 0) return;
      await new Promise((resolve) => setTimeout(resolve, sweep));
    }
  }

  async close(): Promise<void> {
    await this.killAll();
    await rm(this.#root, { recursive: true, force: true, maxRetries: 5 });
  }
}

export async function openFolders(place: SandboxPlace): Promise<Isolation> {
  await mkdir(place.root, { recursive: true });
  return new Folders(place);
}
