/** What keeps the processes of one sandbox to themselves, whatever the machine offers for that. */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { openFolders } from "./isolation-folders.ts";
import { type NamespaceTools, openNamespaces } from "./isolation-namespaces.ts";
import type { Launched } from "./spawned.ts";

/**
 * `namespaces`: a mount and a pid namespace of its own, so that a sandbox's absolute paths are its
 * alone and its processes end together. `folders`: a folder and process groups, where the former
 * are not to be had.
 */
export const ISOLATION_KINDS = ["namespaces", "folders"] as const;
export type IsolationKind = (typeof ISOLATION_KINDS)[number];

export interface Command {
  readonly cmd: string;
  readonly args: readonly string[];
  /** A path of the sandbox that exists. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** False gives /dev/null. */
  readonly stdin: boolean;
}

/** A command at its gate. `child` exits as it does, and `pid` is the one that the sandbox knows. */
export interface Spawned extends Launched {
  /** Signals this process alone. */
  signal(name: NodeJS.Signals): void;
}

export interface Isolation {
  readonly kind: IsolationKind;
  /** Top-level folders that a sandbox sees as they are on the machine, read-only. */
  readonly shared: ReadonlySet<string>;
  /** Rejects when the process cannot be started. */
  spawn(command: Command): Promise<Spawned>;
  /** Stops every process where it stands, resumes them, or ends them. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  killAll(): Promise<void>;
  /** Ends every process and removes the sandbox's folder. */
  close(): Promise<void>;
}

export interface SandboxPlace {
  readonly id: string;
  /** The folder on this machine that is `/` of the sandbox. */
  readonly root: string;
}

export type OpenIsolation = (place: SandboxPlace) => Promise<Isolation>;

const TOOL_FOLDERS = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

function findTool(name: string): string | null {
  for (const folder of TOOL_FOLDERS) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // The next folder may have it.
    }
  }
  return null;
}

const PROBE = "mount -t tmpfs none /proc && true";

/** The flags with which namespaces can be made here; null when they cannot. */
async function probeNamespaces(unshare: string): Promise<readonly string[] | null> {
  // A user namespace only where it is needed: root of the machine does without.
  for (const flags of [[], ["--user", "--map-root-user"]]) {
    const rest = ["--mount", "--propagation", "private", "--pid", "--fork", "/bin/sh", "-c", PROBE];
    try {
      await promisify(execFile)(unshare, [...flags, ...rest]);
      return flags;
    } catch {
      // The next flags may be allowed.
    }
  }
  return null;
}

async function namespaceTools(): Promise<NamespaceTools | null> {
  const [unshare, nsenter, setsid, bash] = ["unshare", "nsenter", "setsid", "bash"].map(findTool);
  if (!unshare || !nsenter || !setsid || !bash) return null;
  const flags = await probeNamespaces(unshare);
  return flags && { unshare, nsenter, setsid, bash, flags };
}

/** The way to isolate sandboxes here: the best there is, unless one is asked for. */
export async function chooseIsolation(kind?: IsolationKind): Promise<{
  readonly kind: IsolationKind;
  readonly open: OpenIsolation;
}> {
  if (kind === "folders") return { kind, open: openFolders };
  const tools = await namespaceTools();
  if (tools) return { kind: "namespaces", open: (place) => openNamespaces(place, tools) };
  if (kind === undefined) return { kind: "folders", open: openFolders };
  throw new Error(
    "Namespaces cannot be made here: they need util-linux and the right to unshare(2). " +
      "Leave the choice of isolation open to do with folders.",
  );
}
