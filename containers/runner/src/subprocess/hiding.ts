/** What of the machine a sandbox does not show. */
import { lstatSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { liesIn } from "../left-files.ts";

export interface ShownPath {
  /** Without links. */
  readonly source: string;
  /** Where it stands in the sandbox. */
  readonly place: string;
}

export interface Hiding {
  /** Folders in whose place an empty one stands. */
  readonly hidden: readonly string[];
  /** Files in whose place an empty one stands. */
  readonly masked: readonly string[];
  readonly shown: readonly ShownPath[];
}

export interface HidingOptions {
  readonly stateFolder: string;
  /** Addresses of engines: whoever may use the socket of one is root of its machine. */
  readonly engines: readonly string[];
  /** What tasks need, wherever it lies. */
  readonly needed: readonly string[];
}

/** Where each attempt has a folder of its own instead. */
const TEMPORARY = "/tmp";

/** What no sandbox can do without, so that no folder around it is hidden. */
const ESSENTIAL = ["/usr/bin", "/etc", "/proc", "/dev"];

/** Node.js, the module that runs a script, and on many machines how names of hosts are resolved. */
export function neededPaths(root: string): string[] {
  const modules = ["containers/runner/src", "workers/executors", "node_modules/picomatch"];
  return [
    dirname(process.execPath),
    "/run/systemd/resolve",
    ...modules.map((path) => join(root, path)),
  ];
}

/** Null for what is not there, or cannot be looked at: then tasks of this user cannot either. */
function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

const isFolder = (path: string) =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function socketPaths(engines: readonly string[]): string[] {
  return engines.flatMap((address) => /^unix:\/\/(\/.+)$/.exec(address)?.[1] ?? []);
}

/**
 * Looks at the machine as it is now: an engine may have been started, and made the folder of its
 * socket, after the runner was. The user's own files, the sockets of services, the state folder with
 * the runner's key, and the sockets of engines are hidden.
 */
export function planHiding({ stateFolder, engines, needed }: HidingOptions): Hiding {
  const home = homedir();
  const hidden = new Set<string>();
  const masked = new Set<string>();
  for (const path of [...(home === "/" ? [] : [home]), "/run", stateFolder]) {
    const folder = realPath(path);
    if (folder !== null && isFolder(folder)) hidden.add(folder);
  }
  for (const socket of socketPaths(engines)) {
    const folder = realPath(dirname(socket));
    if (folder === null) continue;
    // The whole folder, because an engine that starts again makes its socket anew.
    if (!ESSENTIAL.some((path) => liesIn(path, folder))) hidden.add(folder);
    else if (lstatSync(socket, { throwIfNoEntry: false }) !== undefined) masked.add(socket);
  }
  const replaced = [TEMPORARY, ...hidden];
  const isHidden = (path: string) => replaced.some((folder) => liesIn(path, folder));
  const shown = needed.flatMap((path): ShownPath[] => {
    const source = realPath(path);
    if (source === null) return [];
    return [...new Set([path, source])].filter(isHidden).map((place) => ({ source, place }));
  });
  return { hidden: [...hidden], masked: [...masked], shown };
}
