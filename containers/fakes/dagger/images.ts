/**
 * The images that can be pulled. None is downloaded: each stands for the tools of this host, with an
 * environment and users of its own. Whatever is not in the table cannot be resolved, as in a registry
 * that does not have it.
 */
import { execFileSync } from "node:child_process";
import { lstatSync, readlinkSync } from "node:fs";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { EngineError } from "./errors.ts";
import type { Faults } from "./faults.ts";
import type { Snapshots } from "./snapshots.ts";

/** Where commands are looked for in a container that does not say. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface Image {
  /** The repository's name in the table. */
  readonly name: string;
  /** In full, as the engine reports it. */
  readonly reference: string;
}

/** A file or directory of the host that containers see. */
export interface HostMount {
  readonly source: string;
  readonly path: string;
}

interface ImageEntry {
  readonly environment: () => Readonly<Record<string, string>>;
  readonly defaultArgs: readonly string[];
  /** Lines of passwd, beside those of root and nobody. */
  readonly users?: readonly string[];
  /** Binaries that /usr may lack or hold in another version; they come first in PATH. */
  readonly tools?: () => readonly HostMount[];
  /** Symbolic links: path to target. */
  readonly links?: Readonly<Record<string, string>>;
}

const plain = (shell: string): ImageEntry => ({ environment: () => ({}), defaultArgs: [shell] });

const IMAGES: ReadonlyMap<string, ImageEntry> = new Map([
  ["alpine", plain("/bin/sh")],
  ["bash", plain("bash")],
  ["debian", plain("bash")],
  ["ubuntu", plain("/bin/bash")],
  [
    "node",
    {
      environment: () => ({ NODE_VERSION: process.versions.node }),
      defaultArgs: ["node"],
      users: ["node:x:1000:1000::/home/node:/bin/bash"],
      tools: () => [{ source: process.execPath, path: "/opt/tools/bin/node" }],
    },
  ],
  [
    "python",
    {
      environment: () => ({ PYTHON_VERSION: pythonVersion(), LANG: "C.UTF-8" }),
      defaultArgs: ["python3"],
      links: { "/opt/tools/bin/python": "/usr/bin/python3" },
    },
  ],
]);

let knownPythonVersion: string | undefined;
function pythonVersion(): string {
  knownPythonVersion ??= execFileSync("/usr/bin/python3", ["-V"], { encoding: "utf8" })
    .replace("Python", "")
    .trim();
  return knownPythonVersion;
}

/** What the host lends to every container, read only. */
const LENT = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];
const LENT_SETTINGS = [
  "/etc/alternatives",
  "/etc/ca-certificates",
  "/etc/ca-certificates.conf",
  "/etc/ld.so.cache",
  "/etc/ld.so.conf",
  "/etc/ld.so.conf.d",
  "/etc/localtime",
  "/etc/mime.types",
  "/etc/nsswitch.conf",
  "/etc/resolv.conf",
  "/etc/ssl",
];

/** The devices of the host that a container has. */
export const DEVICES = ["full", "null", "random", "tty", "urandom", "zero"];
const DEVICE_LINKS = { fd: "fd", stdin: "fd/0", stdout: "fd/1", stderr: "fd/2" };

const REFERENCE =
  /^(?<name>[a-z0-9]+(?:[._:/-]+[a-z0-9]+)*?)(?::(?<tag>[\w][\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/;

/** Resolves a reference as `Container.from` does; a pull that a fault forbids fails here as well. */
export function resolveImage(address: string, platform: string, faults: Faults): Image {
  const match = REFERENCE.exec(address)?.groups;
  if (match?.name === undefined) {
    throw new EngineError(
      `failed to parse image address ${address}: invalid reference format` +
        (/[A-Z]/.test(address) ? ": repository name must be lowercase" : ""),
    );
  }
  const name = match.name.replace(/^(index\.)?docker\.io\//, "").replace(/^library\//, "");
  const isHub = !/^[^/]*[.:][^/]*\/|^localhost\//.test(name);
  const repository = isHub ? `docker.io/${name.includes("/") ? name : `library/${name}`}` : name;
  const suffix = `${match.tag ? `:${match.tag}` : match.digest ? "" : ":latest"}${match.digest ? `@${match.digest}` : ""}`;
  const reference = `${repository}${suffix}`;
  const problem =
    faults.pullFailure(address) ??
    (IMAGES.has(name)
      ? null
      : `${reference}: pull access denied, repository does not exist or may require authorization`);
  if (problem !== null) {
    throw new EngineError(
      `failed to resolve image ${JSON.stringify(reference)} (platform: ${JSON.stringify(platform)}): ${problem}`,
    );
  }
  return { name, reference };
}

function entryOf(image: Image): ImageEntry {
  const entry = IMAGES.get(image.name);
  if (entry === undefined) throw new EngineError(`image ${image.reference} is not in the store`);
  return entry;
}

export function imageEnvironment(image: Image): ReadonlyMap<string, string> {
  const entry = entryOf(image);
  const hasTools = entry.tools !== undefined || entry.links !== undefined;
  const path = hasTools ? `/opt/tools/bin:${DEFAULT_PATH}` : DEFAULT_PATH;
  return new Map(Object.entries({ PATH: path, ...entry.environment() }));
}

export function imageDefaultArgs(image: Image): readonly string[] {
  return entryOf(image).defaultArgs;
}

type Kind = "directory" | "file" | "link" | "none";

function kindOf(path: string): Kind {
  try {
    const stats = lstatSync(path);
    return stats.isDirectory() ? "directory" : stats.isSymbolicLink() ? "link" : "file";
  } catch {
    return "none";
  }
}

/** The parts of the host that a container of this image sees, all of them read only. */
export function hostMounts(image: Image): readonly HostMount[] {
  const folders = LENT.filter((path) => kindOf(path) === "directory");
  const settings = LENT_SETTINGS.filter((path) => kindOf(path) !== "none");
  return [
    ...[...folders, ...settings].map((path) => ({ source: path, path })),
    ...(entryOf(image).tools?.() ?? []),
  ];
}

/** The image's own files: accounts, empty system folders, and places for what the host lends. */
export function imageRootfs(image: Image, snapshots: Snapshots): Promise<string> {
  const entry = entryOf(image);
  return snapshots.derive(`image-${image.name}`, null, async (root) => {
    for (const path of ["dev/shm", "etc", "home", "opt/tools/bin", "proc", "root", "run", "sys"]) {
      await mkdir(join(root, path), { recursive: true });
    }
    for (const device of DEVICES) await writeFile(join(root, "dev", device), "");
    for (const [name, target] of Object.entries(DEVICE_LINKS)) {
      await symlink(`/proc/self/${target}`, join(root, "dev", name));
    }
    for (const path of ["tmp", "var/tmp"]) {
      await mkdir(join(root, path), { recursive: true });
      await chmod(join(root, path), 0o1777);
    }
    for (const path of LENT) {
      const kind = kindOf(path);
      if (kind === "directory") await mkdir(join(root, path));
      if (kind === "link") await symlink(readlinkSync(path), join(root, path));
    }
    for (const { source, path } of hostMounts(image)) {
      // A link of the host, such as resolv.conf, is lent as the file that it leads to.
      if (kindOf(join(root, path)) !== "none") continue;
      if (kindOf(source) === "directory") await mkdir(join(root, path));
      else await writeFile(join(root, path), "");
    }
    for (const [path, target] of Object.entries(entry.links ?? {})) {
      await symlink(target, join(root, path));
    }
    await writeAccounts(root, entry.users ?? []);
    await writeFile(join(root, "etc/hosts"), "127.0.0.1\tlocalhost\n::1\tlocalhost\n");
    await writeFile(join(root, "etc/os-release"), `ID=${image.name}\nNAME="${image.name}"\n`);
  });
}

async function writeAccounts(root: string, users: readonly string[]): Promise<void> {
  const passwd = [
    "root:x:0:0:root:/root:/bin/sh",
    ...users,
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
  ];
  const groups = passwd.map((line) => {
    const [name, , , gid] = line.split(":");
    return `${name}:x:${gid}:`;
  });
  await writeFile(join(root, "etc/passwd"), `${passwd.join("\n")}\n`);
  await writeFile(join(root, "etc/group"), `${groups.join("\n")}\n`);
}
