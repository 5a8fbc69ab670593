/** What each field of the schema comes to. A field without an entry here makes the chain longer. */
import { randomUUID } from "node:crypto";
import { mkdir, rm, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { type Arguments, Call, type ObjectType } from "./call.ts";
import { CONTAINER_READS } from "./container-fields.ts";
import type { QueryContext } from "./context.ts";
import { DIRECTORY_READS, FILE_READS } from "./directory-fields.ts";
import { EngineError } from "./errors.ts";
import { resolveImage } from "./images.ts";
import { defaultPlatform } from "./platform.ts";
import { copyFile, digestTree, moveIntoPlace } from "./snapshots.ts";
import { ENGINE_VERSION } from "./version.ts";
import { copyMatching } from "./writing.ts";

/** Reads a value, or makes an object, of an object of the type that the table is for. */
export type Field = (call: Call, args: Arguments, context: QueryContext) => unknown;
export type Fields = Readonly<Record<string, Field>>;

/** Arguments that are ids, and the type of object that they have to name. */
export const OBJECT_ARGUMENTS: Readonly<Record<string, Readonly<Record<string, ObjectType>>>> = {
  "Query.cacheVolume": { source: "Directory" },
  "Container.withSecretVariable": { secret: "Secret" },
  "Container.withRegistryAuth": { secret: "Secret" },
  "Container.withFile": { source: "File" },
  "Container.withDirectory": { source: "Directory" },
  "Container.withMountedDirectory": { source: "Directory" },
  "Container.withMountedFile": { source: "File" },
  "Container.withMountedCache": { cache: "CacheVolume", source: "Directory" },
  "Container.withMountedSecret": { source: "Secret" },
  "Directory.withFile": { source: "File" },
  "Directory.withDirectory": { source: "Directory" },
};

const identify: Field = (call, _args, { engine }) => engine.calls.idOf(call);

const QUERY_FIELDS: Readonly<Record<string, (args: Arguments, context: QueryContext) => unknown>> =
  {
    node: (args, { engine }) => engine.calls.load(z.object({ id: z.string() }).parse(args).id),
    version: () => ENGINE_VERSION,
    defaultPlatform: () => defaultPlatform(),
    // The volume is its key; how it is shared is a matter of each mount.
    cacheVolume: (args) => {
      const { key } = z.object({ key: z.string() }).parse(args);
      return new Call("CacheVolume", "cacheVolume", { key });
    },
    setSecret: (args, { session }) => {
      const { name, plaintext } = z.object({ name: z.string(), plaintext: z.string() }).parse(args);
      return session.secrets.set(name, plaintext);
    },
    secret: (args, { session }) => {
      const { uri, cacheKey } = z
        .object({ uri: z.string(), cacheKey: z.string().optional() })
        .parse(args);
      return session.secrets.fromUri(uri, cacheKey);
    },
  };

/** The fields of the root; the ones without an entry begin a chain. */
export function queryField(name: string): (args: Arguments, context: QueryContext) => unknown {
  return QUERY_FIELDS[name] ?? ((args) => new Call(ROOT_TYPES[name] ?? "Container", name, args));
}

const ROOT_TYPES: Readonly<Record<string, ObjectType>> = {
  container: "Container",
  directory: "Directory",
  file: "File",
  host: "Host",
  engine: "Engine",
};

export const FIELDS: Readonly<Record<ObjectType, Fields>> = {
  Container: {
    ...{ id: identify, ...CONTAINER_READS },
    // An image is resolved as soon as it is named, whatever is asked of the container.
    from: (call, args, { engine }) => {
      const { address } = z.object({ address: z.string() }).parse(args);
      resolveImage(address, defaultPlatform(), engine.faults);
      return call.select("Container", "from", args);
    },
  },
  Directory: { id: identify, ...DIRECTORY_READS },
  File: { id: identify, ...FILE_READS },
  Host: { id: identify, directory: hostDirectory, file: hostFile },
  CacheVolume: { id: identify },
  Secret: {
    id: identify,
    name: (call) => String(call.arguments.name ?? ""),
    uri: (call) => String(call.arguments.uri ?? ""),
    plaintext: (call, _args, { session }) => session.secrets.plaintext(call).toString("utf8"),
  },
  Engine: { id: identify, name: () => "fake-dagger-engine" },
  EngineCache: {
    id: identify,
    prune: async (_call, _args, { engine }) => {
      await engine.prune();
      return null;
    },
  },
};

/** Copies from the host what is there now: the object is the content, wherever it came from. */
async function hostDirectory(_call: Call, args: Arguments, context: QueryContext): Promise<Call> {
  const path = hostPathOf(args, context);
  if (!(await stat(path).catch(() => null))?.isDirectory()) {
    throw new EngineError(`failed to get content hash: lstat ${path}: no such file or directory`);
  }
  const tree = await takeSnapshot(context, (draft) => copyMatching(path, draft, args));
  return new Call("Directory", "hostDirectory", { tree });
}

async function hostFile(_call: Call, args: Arguments, context: QueryContext): Promise<Call> {
  const path = hostPathOf(args, context);
  if (!(await stat(path).catch(() => null))?.isFile()) {
    throw new EngineError(`lstat ${path}: no such file or directory`);
  }
  const name = basename(path);
  const tree = await takeSnapshot(context, (draft) => copyFile(path, join(draft, name)));
  return new Call("File", "hostFile", { tree, name });
}

function hostPathOf(args: Arguments, { session }: QueryContext): string {
  return resolve(session.hostDirectory, z.object({ path: z.string() }).parse(args).path);
}

async function takeSnapshot(
  { engine }: QueryContext,
  fill: (directory: string) => Promise<void>,
): Promise<string> {
  const draft = join(engine.workDirectory, randomUUID());
  await mkdir(draft);
  try {
    await fill(draft);
    const tree = `tree-${await digestTree(draft)}`;
    await moveIntoPlace(draft, engine.snapshots.path(tree));
    return tree;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}
