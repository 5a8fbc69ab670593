/** What keeps a task's processes from the rest of the machine: bubblewrap where it works, else nothing. */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { FatalError } from "../errors.ts";
import type { ShownPath } from "./hiding.ts";
import { EXTRA_ARGUMENTS_FD } from "./run-process.ts";

export const ISOLATION_CHOICES = ["auto", "bubblewrap", "none"] as const;
export type IsolationChoice = (typeof ISOLATION_CHOICES)[number];

export type Isolation =
  | { readonly kind: "bubblewrap"; readonly path: string }
  /** `why` says what bubblewrap lacks here. */
  | { readonly kind: "none"; readonly why: string };

export interface SandboxPlan {
  /**
   * The attempt's own folders, the only ones that can be written. Each is mounted by itself, so that
   * the code can neither rename one nor put a link in its place.
   */
  readonly writable: readonly string[];
  /** What stands in those and cannot be written. */
  readonly mounted: readonly ShownPath[];
  readonly directory: string;
  /** Stands at /tmp. */
  readonly temporary: string;
  /** Folders of the machine that are not shown: the runner's key is in one. */
  readonly hidden: readonly string[];
  /** Files that are not shown, and whose folder has to be. */
  readonly masked: readonly string[];
  /** What is shown although its place lies in a hidden folder. */
  readonly shown: readonly ShownPath[];
  readonly hasNetwork: boolean;
}

const NAMESPACES = ["--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-uts"];
const PROBE_MS = 10_000;

/**
 * The environment inside, as arguments that bubblewrap reads from a descriptor: a command line is
 * public, and what bubblewrap inherits would reach the launcher outside of the sandbox.
 */
export function sandboxEnvironment(variables: Readonly<Record<string, string>>): string {
  const set = Object.entries(variables).flatMap(([name, value]) => ["--setenv", name, value]);
  return ["--clearenv", ...set].map((argument) => `${argument}\0`).join("");
}

/** Arguments of bubblewrap for one attempt. */
export function sandboxArguments(plan: SandboxPlan): string[] {
  return [
    ...["--args", String(EXTRA_ARGUMENTS_FD)],
    ...NAMESPACES,
    "--unshare-cgroup-try",
    ...(plan.hasNetwork ? [] : ["--unshare-net"]),
    "--die-with-parent",
    ...["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"],
    // Later mounts stand over earlier ones: the folder may lie in what is hidden, or in /tmp.
    ...["--bind", plan.temporary, "/tmp"],
    ...plan.hidden.flatMap((path) => ["--tmpfs", path]),
    ...plan.masked.flatMap((path) => ["--ro-bind", "/dev/null", path]),
    ...plan.shown.flatMap(({ source, place }) => ["--ro-bind-try", source, place]),
    ...plan.writable.flatMap((path) => ["--bind", path, path]),
    ...plan.mounted.flatMap(({ source, place }) => ["--ro-bind", source, place]),
    ...["--chdir", plan.directory],
  ];
}

/** Where an executable is in a list of folders such as $PATH; null when it is in none. */
export function findExecutable(name: string, path: string): string | null {
  for (const folder of path.split(delimiter)) {
    if (folder === "") continue;
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // The next folder may have it.
    }
  }
  return null;
}

/** Tries bubblewrap out: in many containers it is there, and the kernel refuses what it asks for. */
function sandboxProblem(path: string): Promise<string | null> {
  const args = [...NAMESPACES, "--unshare-net", "--ro-bind", "/", "/", "--proc", "/proc", "true"];
  return new Promise((resolve) => {
    execFile(path, args, { timeout: PROBE_MS }, (error, _, stderr) => {
      const told = stderr.trim().split("\n").at(-1);
      resolve(error === null ? null : told || error.message);
    });
  });
}

/** Finds out what isolation there is; throws FatalError when the choice asks for one that there is not. */
export async function chooseIsolation(
  choice: IsolationChoice,
  path: string | null,
): Promise<Isolation> {
  if (choice === "none") return { kind: "none", why: "it is switched off" };
  const found = path ?? findExecutable("bwrap", process.env.PATH ?? "");
  const problem = found === null ? "bubblewrap is not installed" : await sandboxProblem(found);
  if (found !== null && problem === null) return { kind: "bubblewrap", path: found };
  const why = found === null ? "bubblewrap is not installed" : `${found} does not work: ${problem}`;
  if (choice === "auto") return { kind: "none", why };
  throw new FatalError(
    `Subprocess tasks cannot be isolated, as ${why}. Install bubblewrap and allow user namespaces, or choose --isolation none.`,
  );
}

/** One line for whoever starts the runner. */
export function describeIsolation(isolation: Isolation): string {
  if (isolation.kind === "bubblewrap") {
    return "isolated by bubblewrap: everything but the workspace is read-only, home folders are hidden, and there is no network unless a task's network.allow names a host (then there is all of it)";
  }
  return `NOT ISOLATED (${isolation.why}): tasks can do what the user "${userInfo().username}" can, network included. Run only code that you trust, or install bubblewrap`;
}
