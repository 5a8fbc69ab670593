/** `ctx.files` of a script that runs as a process: the workspace on the disk. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { matcher } from "../../../../workers/executors/artifact-path.ts";
import type { TaskContext } from "../../../../workers/executors/local/child/task-context.ts";

/** A path below the workspace root, from one relative to the working directory. */
function resolvePath(directory: string, path: string): string {
  const parts: string[] = [];
  for (const part of `${path.startsWith("/") ? "" : directory}/${path}`.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) {
      throw new Error(`"${path}" is outside the workspace. Use a path inside it.`);
    }
  }
  if (parts.length === 0) throw new Error(`"${path}" is the workspace itself, not a file in it.`);
  return parts.join("/");
}

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

function listFiles(folder: string, prefix: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${prefix}${entry.name}`;
    if (entry.isDirectory()) return listFiles(join(folder, entry.name), `${path}/`);
    return isFile(join(folder, entry.name)) ? [path] : [];
  });
}

/** `directory` is relative to the workspace's `root`; `""` is the root. */
export function diskFiles(root: string, directory: string): TaskContext["files"] {
  const located = (path: string) => join(root, resolvePath(directory, path));
  const read = (path: string): Buffer => {
    const full = located(path);
    if (isFile(full)) return readFileSync(full);
    throw new Error(`No file "${path}" in the workspace. ctx.files.list() names those there are.`);
  };
  return {
    read: (path) => new TextDecoder().decode(read(path)),
    bytes: (path) => new Uint8Array(read(path)),
    list: (glob) => {
      const all = listFiles(join(root, directory), "");
      return (glob === undefined ? all : all.filter(matcher([glob]))).sort();
    },
    exists: (path) => isFile(located(path)),
    write: (path, data) => {
      const full = located(path);
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, data instanceof ArrayBuffer ? new Uint8Array(data) : viewOf(data));
    },
    remove: (path) => {
      const full = located(path);
      const wasThere = isFile(full);
      if (wasThere) rmSync(full);
      return wasThere;
    },
  };
}

function viewOf(data: string | ArrayBufferView | ArrayBuffer): string | Uint8Array {
  if (typeof data === "string") return data;
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
