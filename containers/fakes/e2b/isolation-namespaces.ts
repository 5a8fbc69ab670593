/**
 * Isolation by Linux namespaces. One small process, the keeper, is pid 1 of each sandbox: when it is
 * killed, the kernel ends every other process with it. It lives as long as a pipe from this process
 * is open, so that nothing outlasts a server that was killed; the shell around it then removes the
 * sandbox's folder.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, readlink, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { childProcesses, signal } from "../../../scripts/lib/processes.ts";
import type { Command, Isolation, SandboxPlace, Spawned } from "./isolation.ts";
import { firstLine, launch, PASS_GATE, tolerateBreaks } from "./spawned.ts";

export interface NamespaceTools {
  readonly unshare: string;
  readonly nsenter: string;
  readonly setsid: string;
  readonly bash: string;
  /** How `unshare` gets the right to make the namespaces. */
  readonly flags: readonly string[];
}

/** Programs and their settings; whatever else the machine holds does not exist in a sandbox. */
const SHARED_FOLDERS = /^(usr|etc|opt|nix|bin|sbin|lib\w*)$/;

/**
 * Makes the sandbox's `/` out of its folder: shared folders read-only, its own /proc, the machine's
 * devices. Its own pid it reads while /proc is still the machine's. Bash, as the keeper, reaps what
 * is orphaned, which a killed process must be before `kill -0` says that it is gone.
 */
const KEEPER = `
set -eu
bash=$1 root=$2; shift 2
read -r pid rest </proc/self/stat
for name in "$@"; do
  mount --rbind "/$name" "$root/$name"
  mount -o remount,bind,ro "$root/$name" 2>/dev/null || :
done
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
[ ! -d "$root/dev/shm" ] || mount -t tmpfs tmpfs "$root/dev/shm"
mount --rbind "$root" "$root"
cd "$root"
pivot_root . .
umount -l .
cd /
echo "$pid"
exec "$bash" -c 'while read -r _; do :; done'
`;

const CARETAKER = `unshare=$1 root=$2; shift 2
"$unshare" "$@"
rm -rf -- "$root"
rmdir -- "$(dirname -- "$root")" 2>/dev/null || :`;

const PROLOGUE = `${PASS_GATE}setsid=$1; cd "$2" && shift 2 && exec "$setsid" "$@"`;

/** How long a frozen process's parent may take to stop as well. */
const FREEZE_LIMIT_MS = 1_000;
const FREEZE_POLL_MS = 2;

async function prepareRoot(root: string): Promise<readonly string[]> {
  const shared: string[] = [];
  for (const entry of readdirSync("/", { withFileTypes: true })) {
    if (!SHARED_FOLDERS.test(entry.name)) continue;
    const path = join(root, entry.name);
    if (entry.isSymbolicLink()) {
      await symlink(await readlink(join("/", entry.name)), path);
    } else if (entry.isDirectory()) {
      await mkdir(path);
      shared.push(entry.name);
    }
  }
  for (const name of ["proc", "dev"]) await mkdir(join(root, name));
  return shared;
}

/** Whether a process is stopped, or gone. */
function isStill(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return /^[TtZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return true;
  }
}

class Namespaces implements Isolation {
  readonly kind = "namespaces";
  readonly shared: ReadonlySet<string>;
  readonly #tools: NamespaceTools;
  readonly #root: string;
  readonly #caretaker: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #keeper: number;
  /** `nsenter` processes, one for each of the sandbox's commands. */
  readonly #entrants = new Set<number>();

  constructor(
    tools: NamespaceTools,
    root: string,
    shared: readonly string[],
    caretaker: ChildProcess,
    keeper: number,
  ) {
    this.#tools = tools;
    this.#root = root;
    this.shared = new Set(shared);
    this.#caretaker = caretaker;
    this.#ended = once(caretaker, "exit");
    this.#keeper = keeper;
  }

  #entering(): string[] {
    const user = this.#tools.flags.includes("--user") ? ["--user", "--preserve-credentials"] : [];
    return ["--target", String(this.#keeper), ...user, "--mount", "--pid", "--"];
  }

  async spawn({ cmd, args, cwd, env, stdin }: Command): Promise<Spawned> {
    const prologue = ["/bin/sh", "-c", PROLOGUE, "sh", this.#tools.setsid, cwd, cmd, ...args];
    const launched = await launch({
      file: this.#tools.nsenter,
      args: [...this.#entering(), ...prologue],
      env,
      stdin,
    });
    const { child } = launched;
    const entrant = child.pid ?? 0;
    this.#entrants.add(entrant);
    child.once("exit", () => this.#entrants.delete(entrant));
    const send = (name: NodeJS.Signals) => {
      for (const process of childProcesses(entrant)) signal(process, name);
    };
    return { ...launched, signal: send };
  }

  async #signalAll(name: "STOP" | "CONT" | "KILL"): Promise<void> {
    const command = [...this.#entering(), "/bin/sh", "-c", `kill -${name} -1`];
    // It fails when there is nothing to signal.
    await promisify(execFile)(this.#tools.nsenter, command).catch(() => undefined);
  }

  async freeze(): Promise<void> {
    await this.#signalAll("STOP");
    // `nsenter` stops itself when its command stops; a resume before that would be lost on it.
    const limit = performance.now() + FREEZE_LIMIT_MS;
    while (performance.now() < limit && ![...this.#entrants].every(isStill)) {
      await new Promise((resolve) => setTimeout(resolve, FREEZE_POLL_MS));
    }
  }

  async thaw(): Promise<void> {
    await this.#signalAll("CONT");
    for (const entrant of this.#entrants) signal(entrant, "SIGCONT");
  }

  async killAll(): Promise<void> {
    await this.#signalAll("KILL");
    for (const entrant of this.#entrants) signal(entrant, "SIGCONT");
  }

  async close(): Promise<void> {
    if (this.#caretaker.exitCode === null && this.#caretaker.signalCode === null) {
      for (const entrant of this.#entrants) signal(entrant, "SIGCONT");
      signal(this.#keeper, "SIGKILL");
      await this.#ended;
    }
    await rm(this.#root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Starts the keeper of a sandbox and resolves once its namespaces stand. */
export async function openNamespaces(
  { root }: SandboxPlace,
  tools: NamespaceTools,
): Promise<Isolation> {
  await mkdir(root, { recursive: true });
  const shared = await prepareRoot(root);
  const unshared = ["--mount", "--propagation", "private", "--pid", "--fork"];
  const keeper = ["/bin/sh", "-c", KEEPER, "sh", tools.bash, root, ...shared];
  const caretaker = spawn(
    "/bin/sh",
    ["-c", CARETAKER, "sh", tools.unshare, root, ...tools.flags, ...unshared, ...keeper],
    // In a group of its own, an interrupt from the terminal leaves it to the server to end it.
    { detached: true, stdio: ["pipe", "pipe", "pipe"], cwd: dirname(root) },
  );
  tolerateBreaks(...caretaker.stdio);
  const errors: Buffer[] = [];
  caretaker.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
  const line = await firstLine(caretaker.stdout);
  if (line !== null) return new Namespaces(tools, root, shared, caretaker, Number(line));
  throw new Error(
    `A sandbox's namespaces failed: ${Buffer.concat(errors).toString("utf8").trim()}`,
  );
}
