/**
 * How a command sees its container.
 *
 * A container is a directory of the engine's state: its root file system. Container path /job/x is
 * <that directory>/job/x, unless something is mounted at /job. For a command the engine makes a mount
 * namespace, mounts there what the container has (directories, files, caches, temporary file systems,
 * and the host's /usr, /bin, /lib … read only), changes its root to the directory and gives it process
 * ids of its own. So absolute paths work, nothing of the host but its tools is visible, no container
 * sees another, and the end of the first process is the end of all. The network is the host's.
 *
 * Where the user is not root, the same is done in a user namespace, in which there is one user: every
 * command runs as root of its container, and files keep their owner. Where that is forbidden too, mode
 * "none" runs the command on the host with the container's working directory as its own: relative paths
 * and redirections work, absolute container paths and mounts do not.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { z } from "zod";

export interface SandboxMount {
  readonly type: "bind" | "tmpfs" | "proc";
  readonly source: string;
  /** Below the root directory, on the host. */
  readonly target: string;
  readonly options?: readonly string[];
}

export interface SandboxCommand {
  readonly mode: SandboxMode;
  readonly root: string;
  /** The list of mounts, written by `writeMounts`. */
  readonly mountsFile: string;
  /** As the command sees it. */
  readonly workdir: string;
  readonly args: readonly string[];
  readonly user: { readonly uid: number; readonly gid: number };
  /** Files to lock, in this order, for as long as the command runs. */
  readonly locks: readonly string[];
  readonly environment: ReadonlyMap<string, string>;
}

/** Mounts what a file lists, says on descriptor 3 what went wrong, and goes on as the rest of its line. */
const OUTER = `"$1" --all --fstab "$2" >&3 2>&3 || exit 125; shift 2; exec 3>&-; exec "$@"`;

/**
 * The container's first process. It is there because a first process ignores the signals that it has no
 * handler for, SIGKILL among them; its child does not, and 128 plus the signal becomes the exit code.
 * What shells say of a killed child is no output of the command, hence the closed standard error.
 */
const INIT = `
_fd_workdir=$1 _fd_user=$2 _fd_group=$3 _fd_unset=$4; shift 4
exec 9>&2 2>/dev/null
cd "$_fd_workdir" || { echo "chdir $_fd_workdir: no such file or directory" >&9; exit 1; }
case $1 in
*/*)
  [ -e "$1" ] || { echo "fork/exec $1: no such file or directory" >&9; exit 1; }
  [ -x "$1" ] && [ ! -d "$1" ] || { echo "fork/exec $1: permission denied" >&9; exit 1; } ;;
*)
  _fd_found=; IFS=:
  for _fd_dir in $PATH; do [ -x "$_fd_dir/$1" ] && [ ! -d "$_fd_dir/$1" ] && _fd_found=1 && break; done
  unset IFS
  [ -n "$_fd_found" ] || { echo "exec: \\"$1\\": executable file not found in \\$PATH" >&9; exit 1; } ;;
esac
if [ "$_fd_user:$_fd_group" = 0:0 ]; then
  (exec env $_fd_unset -- "$@" 2>&9 9>&-)
else
  (exec setpriv --reuid="$_fd_user" --regid="$_fd_group" --clear-groups env $_fd_unset -- "$@" 2>&9 9>&-)
fi
exit $?`;

/** Variables that a shell sets on its own; unset again, unless the container has them. */
const SHELL_VARIABLES = ["PWD", "OLDPWD", "SHLVL", "_"];

function findTool(name: string): string | null {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/bin", "/sbin"];
  for (const folder of folders) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Not there.
    }
  }
  return null;
}

function tool(name: string): string {
  return findTool(name) ?? name;
}

export function sandboxCommandLine(command: SandboxCommand): readonly string[] {
  const { mode, root, workdir, args, environment } = command;
  const unset = SHELL_VARIABLES.filter((name) => !environment.has(name)).map(
    (name) => `-u ${name}`,
  );
  const { uid, gid } = mode === "namespaces" ? command.user : { uid: 0, gid: 0 };
  const init = ["-c", INIT, "init", workdir, String(uid), String(gid), unset.join(" "), ...args];
  // The engine's death is its commands' death, even by SIGKILL.
  const setpriv = findTool("setpriv");
  const flock = findTool("flock");
  const bound = [
    ...(setpriv === null ? [] : [setpriv, "--pdeathsig", "KILL", "--"]),
    ...(flock === null ? [] : command.locks.flatMap((path) => [flock, "--no-fork", "-x", path])),
  ];
  if (mode === "none") return [...bound, tool("sh"), ...init];
  return [
    ...bound,
    tool("unshare"),
    ...(mode === "user-namespaces" ? ["--user", "--map-root-user"] : []),
    ...["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--"],
    ...[tool("sh"), "-c", OUTER, "sandbox", tool("mount"), command.mountsFile],
    ...[tool("chroot"), root, "/bin/sh", ...init],
  ];
}

/** Writes mounts in the format of fstab, which one process mounts in one go. */
export async function writeMounts(path: string, mounts: readonly SandboxMount[]): Promise<void> {
  const quote = (text: string) =>
    text.replace(/[\s\\#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);
  const lines = mounts.map(({ type, source, target, options = [] }) => {
    const [kind, all] = type === "bind" ? ["none", ["rbind", ...options]] : [type, options];
    const words = [source, target, kind, all.join(",") || "defaults"];
    return `${words.map(quote).join(" ")} 0 0\n`;
  });
  await writeFile(path, lines.join(""));
}

const modeSchema = z.enum(["namespaces", "user-namespaces", "none"]);
export type SandboxMode = z.output<typeof modeSchema>;

let knownMode: SandboxMode | undefined;

/**
 * The strongest mode that works for this user on this host; asked once. FAKE_DAGGER_SANDBOX names
 * another.
 */
export async function sandboxMode(): Promise<SandboxMode> {
  const wanted = process.env.FAKE_DAGGER_SANDBOX;
  if (wanted) return modeSchema.parse(wanted);
  knownMode ??= await detectMode();
  return knownMode;
}

async function detectMode(): Promise<SandboxMode> {
  const folder = await mkdtemp(join(tmpdir(), "fake-dagger-probe-"));
  try {
    const mountsFile = join(folder, "mounts");
    await writeMounts(mountsFile, [{ type: "bind", source: folder, target: folder }]);
    const modes: readonly SandboxMode[] = ["namespaces", "user-namespaces"];
    const works = (mode: SandboxMode): boolean => {
      const [file = "", ...args] = sandboxCommandLine({
        ...{ mode, mountsFile, root: "/", workdir: "/", args: ["true"], locks: [] },
        ...{ user: { uid: 0, gid: 0 }, environment: new Map() },
      });
      return spawnSync(file, args, { stdio: ["ignore", "ignore", "ignore", "pipe"] }).status === 0;
    };
    return modes.find(works) ?? "none";
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
