/** Lays out on disk what one command runs in: copies of what it can change, and what is mounted where. */
import { randomUUID } from "node:crypto";
import { chmod, lstat, mkdir, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { MountedCache } from "./caches.ts";
import { type ContainerState, identityOf, type Mount } from "./container.ts";
import type { QueryContext } from "./context.ts";
import { DEVICES, type HostMount, hostMounts } from "./images.ts";
import { type SandboxMode, type SandboxMount, sandboxMode, writeMounts } from "./sandbox.ts";
import { copyContents, copyFile } from "./snapshots.ts";
import {
  changeOwner,
  ensureDirectory,
  isWithin,
  locate,
  type MountPoint,
  type View,
} from "./view.ts";

export interface PreparedContainer {
  readonly mode: SandboxMode;
  /** Of this execution; becomes the outcome's when it succeeds. */
  readonly directory: string;
  readonly root: string;
  readonly view: View;
  readonly mountsFile: string;
  readonly workdir: string;
  /** Files to lock while the command runs. */
  readonly locks: readonly string[];
  /** Takes away what was there for the run alone; says where the mounts' files are. */
  finish(): Promise<Record<string, string>>;
  release(): void;
}

/** A mount with its place on the host. */
interface PreparedMount {
  readonly point: MountPoint;
  readonly kind: "directory" | "file" | "temp";
  readonly options: readonly string[];
  /** Where the outcome has its files, when the command can change them. */
  readonly output: string | null;
  readonly cache: MountedCache | null;
}

export async function prepareContainer(
  state: ContainerState,
  context: QueryContext,
): Promise<PreparedContainer> {
  const directory = join(context.engine.workDirectory, randomUUID());
  const root = join(directory, "rootfs");
  const scratch = join(directory, "run");
  for (const path of [directory, root, scratch, join(directory, "mounts")]) await mkdir(path);
  await copyContents(state.rootfs, root);
  const mounts: PreparedMount[] = [];
  const release = () => {
    for (const mount of mounts) mount.cache?.release();
  };
  try {
    const stubs: string[] = [];
    const shortestFirst = state.mounts.toSorted((a, b) => a.path.length - b.path.length);
    for (const mount of shortestFirst) {
      const view = { root, mounts: mounts.map(({ point }) => point) };
      const index = mounts.length;
      const prepared = await prepareMount(mount, index, directory, state, context);
      const { path, hostPath } = await locate(view, mount.path);
      mounts.push({ ...prepared, point: { ...prepared.point, path } });
      stubs.push(...(await makeStub(hostPath, prepared.kind)));
    }
    const view = { root, mounts: mounts.map(({ point }) => point) };
    const workdir = (await locate(view, state.workdir)).hostPath;
    await ensureDirectory(workdir);
    const mode = await sandboxMode();
    const mountsFile = join(scratch, "mounts");
    await writeMounts(mountsFile, [...systemMounts(state, root), ...mounts.map(toSandbox(root))]);
    return {
      ...{ mode, directory, root, view, mountsFile, release },
      workdir: mode === "none" ? workdir : state.workdir,
      locks: mounts.flatMap(({ cache }) => cache?.lock ?? []).sort(),
      finish: async () => {
        for (const stub of stubs.toReversed()) await removeStub(stub);
        await rm(scratch, { recursive: true, force: true });
        return Object.fromEntries(
          mounts.flatMap(({ output }, index) =>
            output === null ? [] : [[shortestFirst[index]?.path ?? "", output]],
          ),
        );
      },
    };
  } catch (error) {
    release();
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function prepareMount(
  mount: Mount,
  index: number,
  directory: string,
  state: ContainerState,
  context: QueryContext,
): Promise<PreparedMount> {
  const { path } = mount;
  const none = { options: [], output: null, cache: null };
  switch (mount.kind) {
    case "directory":
    case "file": {
      const { kind } = mount;
      const isCrowded = state.mounts.some((other) => other !== mount && isWithin(other.path, path));
      // What is read only needs no copy, unless something is mounted inside and wants its place.
      if (mount.readOnly && !isCrowded) {
        return { ...none, point: { path, source: mount.source }, kind, options: ["ro"] };
      }
      const output = join("mounts", String(index));
      const source = join(directory, output);
      if (kind === "file") await copyFile(mount.source, source);
      else {
        await mkdir(source);
        await copyContents(mount.source, source);
      }
      const options = mount.readOnly ? ["ro"] : [];
      return { ...none, point: { path, source }, kind, options, output };
    }
    case "cache": {
      const cache = await context.engine.caches.open(mount.volume, mount.sharing, mount.source);
      if (mount.owner) await changeOwner(cache.path, await identityOf(state, mount.owner));
      const point = { path, source: cache.path };
      return { ...none, point, kind: "directory", cache };
    }
    case "temp": {
      const source = join(directory, "run", `temp-${index}`);
      await mkdir(source, { mode: 0o755 });
      const size = mount.sizeBytes === null ? [] : [`size=${mount.sizeBytes}`];
      return { ...none, point: { path, source }, kind: "temp", options: ["mode=755", ...size] };
    }
    case "secret": {
      const source = join(directory, "run", `secret-${index}`);
      await writeFile(source, context.session.secrets.plaintext(mount.secret));
      if (mount.owner) await changeOwner(source, await identityOf(state, mount.owner));
      await chmod(source, mount.mode);
      return { ...none, point: { path, source }, kind: "file", options: ["ro"] };
    }
  }
}

function toSandbox(root: string): (mount: PreparedMount) => SandboxMount {
  return ({ point, kind, options }) => ({
    type: kind === "temp" ? "tmpfs" : "bind",
    source: kind === "temp" ? "tmpfs" : point.source,
    target: join(root, point.path),
    options,
  });
}

function systemMounts(state: ContainerState, root: string): readonly SandboxMount[] {
  const lent = state.image === null ? [] : hostMounts(state.image);
  const devices = DEVICES.map((name) => ({ source: `/dev/${name}`, path: `/dev/${name}` }));
  const bind = ({ source, path }: HostMount, ...options: string[]): SandboxMount => {
    return { type: "bind", source, target: join(root, path), options };
  };
  return [
    ...lent.map((mount) => bind(mount, "ro")),
    ...devices.map((mount) => bind(mount)),
    { type: "tmpfs", source: "tmpfs", target: join(root, "dev/shm"), options: ["mode=1777"] },
    { type: "proc", source: "proc", target: join(root, "proc") },
  ];
}

/** Makes the place that something is mounted at; says what was made, outermost first. */
async function makeStub(path: string, kind: PreparedMount["kind"]): Promise<readonly string[]> {
  if (kind !== "file") return ensureDirectory(path);
  const made = await ensureDirectory(dirname(path));
  if (await isThere(path)) return made;
  await writeFile(path, "");
  return [...made, path];
}

/** Only what is still as empty as it was made is taken away. */
async function removeStub(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => null);
  if (stats?.isDirectory()) await rmdir(path).catch(() => {});
  else if (stats?.size === 0) await rm(path);
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => null)) !== null;
}
