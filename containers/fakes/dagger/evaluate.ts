/** Comes from a chain of calls to files on disk and to what a container is. Nothing runs before. */
import { writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { z } from "zod";
import { callArgument } from "./arguments.ts";
import type { Call } from "./call.ts";
import {
  absolutePath,
  type ContainerState,
  expand,
  identityOf,
  SETTING_STEPS,
  viewOf,
} from "./container.ts";
import type { QueryContext } from "./context.ts";
import { cancelled, EngineError } from "./errors.ts";
import { execute } from "./exec.ts";
import { imageDefaultArgs, imageEnvironment, imageRootfs, resolveImage } from "./images.ts";
import { newMount } from "./mounts.ts";
import { defaultPlatform } from "./platform.ts";
import { locate, readable } from "./view.ts";
import { WRITES, type Writer } from "./writing.ts";

const withPath = z.object({ path: z.string(), expand: z.boolean().nullish() });

/** The host path of a directory's files; they are not to be changed. */
export async function directoryPath(call: Call, context: QueryContext): Promise<string> {
  const { snapshots } = context.engine;
  const { receiver, field } = call;
  if (field === "hostDirectory") {
    return snapshots.path(z.object({ tree: z.string() }).parse(call.arguments).tree);
  }
  if (receiver === null) return snapshots.derive(call.cacheKey, null, async () => {});
  if (field === "directory") return readablePath(receiver, call, context, "directory");
  const write = WRITES[field];
  if (write === undefined) throw new EngineError(`Directory.${field} is not served`);
  const base = await directoryPath(receiver, context);
  const { path } = withPath.parse(call.arguments);
  return snapshots.derive(call.cacheKey, base, (root) =>
    write(root, path, call, writerOf(context, null)),
  );
}

/** The host path of a file. */
export async function filePath(call: Call, context: QueryContext): Promise<string> {
  const { snapshots } = context.engine;
  if (call.field === "hostFile") {
    const { tree, name } = z.object({ tree: z.string(), name: z.string() }).parse(call.arguments);
    return join(snapshots.path(tree), name);
  }
  if (call.receiver !== null) return readablePath(call.receiver, call, context, "file");
  const { name, contents } = z
    .object({ name: z.string(), contents: z.string() })
    .parse(call.arguments);
  const root = await snapshots.derive(call.cacheKey, null, (draft) =>
    writeFile(join(draft, posix.basename(name)), contents),
  );
  return join(root, posix.basename(name));
}

async function readablePath(
  receiver: Call,
  call: Call,
  context: QueryContext,
  kind: "file" | "directory",
): Promise<string> {
  const given = withPath.parse(call.arguments);
  if (receiver.type === "Directory") {
    const root = await directoryPath(receiver, context);
    return readable({ root, mounts: [] }, given.path, kind);
  }
  const state = await containerState(receiver, context);
  const path = absolutePath(state, expand(state, given.path, given.expand));
  return readable(viewOf(state), path, kind);
}

function writerOf(context: QueryContext, state: ContainerState | null): Writer {
  return {
    directory: (call) => directoryPath(call, context),
    file: (call) => filePath(call, context),
    identity: async (owner) => {
      if (state !== null) return identityOf(state, owner);
      const [uid, gid = uid] = owner.split(":").map(Number);
      if (!Number.isInteger(uid) || !Number.isInteger(gid)) {
        throw new EngineError(`owner ${owner} of a directory has to be given as numbers`);
      }
      return { uid: uid ?? 0, gid: gid ?? 0 };
    },
  };
}

/** What a container is after its whole chain, with all that runs in it done. */
export async function containerState(call: Call, context: QueryContext): Promise<ContainerState> {
  const { states } = context.engine;
  const known = states.get(call.digest);
  if (known !== undefined) return known;
  if (context.signal.aborted) throw cancelled();
  const state =
    call.receiver === null
      ? await scratch(call, context)
      : await step(await containerState(call.receiver, context), call, context);
  states.set(call.digest, state);
  return state;
}

async function scratch(call: Call, context: QueryContext): Promise<ContainerState> {
  const none = new Map<string, never>();
  return {
    ...{ image: null, user: "", workdir: "/", entrypoint: [], defaultArgs: [], mounts: [] },
    ...{ environment: none, volatileVariables: none, secretVariables: none, lastExec: null },
    rootfs: await context.engine.snapshots.derive(call.cacheKey, null, async () => {}),
  };
}

async function step(
  state: ContainerState,
  call: Call,
  context: QueryContext,
): Promise<ContainerState> {
  const args = call.arguments;
  const setting = SETTING_STEPS[call.field];
  if (setting !== undefined) return { ...state, ...setting(state, args) };
  if (call.field in WRITES) return writtenState(state, call, context);
  if (call.field === "withExec") return execute(call, state, context);
  if (call.field === "from") {
    const { address } = z.object({ address: z.string() }).parse(args);
    const image = resolveImage(address, defaultPlatform(), context.engine.faults);
    return {
      ...{ ...state, image, rootfs: await imageRootfs(image, context.engine.snapshots) },
      environment: new Map([...state.environment, ...imageEnvironment(image)]),
      defaultArgs: imageDefaultArgs(image),
    };
  }
  if (call.field === "withSecretVariable") {
    const { name } = z.object({ name: z.string() }).parse(args);
    const secrets = new Map([...state.secretVariables, [name, callArgument(call, "secret")]]);
    return { ...state, secretVariables: secrets };
  }
  const parsed = withPath.parse(args);
  const path = absolutePath(state, expand(state, parsed.path, parsed.expand));
  const mount = await newMount(path, call, context.engine.snapshots, writerOf(context, state));
  const others = state.mounts.filter((candidate) => candidate.path !== path);
  return { ...state, mounts: [...others, mount] };
}

/** Writes into what is at the path: the root file system or a directory mounted over it. */
async function writtenState(
  state: ContainerState,
  call: Call,
  context: QueryContext,
): Promise<ContainerState> {
  const given = withPath.parse(call.arguments);
  const wanted = expand(state, given.path, given.expand);
  const path = absolutePath(state, wanted);
  const located = await locate(viewOf(state), path, false);
  const { mount } = located;
  if (mount?.opaque !== undefined) {
    throw new EngineError(`${path}: cannot write to a path in ${mount.opaque}`);
  }
  if (mount !== null && mount.path === located.path && call.field !== "withDirectory") {
    throw new EngineError(`${path}: cannot write over a mount`);
  }
  const slash = wanted.endsWith("/") ? "/" : "";
  const inside = `${mount === null ? path : posix.relative(mount.path, located.path)}${slash}`;
  const write = WRITES[call.field];
  const rootfs = await context.engine.snapshots.derive(
    call.cacheKey,
    mount?.source ?? state.rootfs,
    async (root) => write?.(root, inside, call, writerOf(context, state)),
  );
  if (mount === null) return { ...state, rootfs };
  const mounts = state.mounts.map((candidate) =>
    candidate.kind === "directory" && candidate.path === mount.path
      ? { ...candidate, source: rootfs }
      : candidate,
  );
  return { ...state, mounts };
}
