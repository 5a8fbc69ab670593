/** What a container is at one point of its chain, and the calls that change its settings alone. */
import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { z } from "zod";
import type { Arguments, Call } from "./call.ts";
import { EngineError } from "./errors.ts";
import type { Image } from "./images.ts";
import { type Identity, locate, type View } from "./view.ts";

export type Mount =
  | {
      readonly kind: "directory" | "file";
      readonly path: string;
      readonly source: string;
      readonly readOnly: boolean;
    }
  | {
      readonly kind: "cache";
      readonly path: string;
      readonly volume: string;
      readonly source: string | null;
      readonly sharing: "SHARED" | "PRIVATE" | "LOCKED";
      readonly owner: string | null;
    }
  | { readonly kind: "temp"; readonly path: string; readonly sizeBytes: number | null }
  | {
      readonly kind: "secret";
      readonly path: string;
      readonly secret: Call;
      readonly owner: string | null;
      readonly mode: number;
    };

export interface ExecResult {
  readonly exitCode: number;
  /** Holds the files stdout, stderr and combined. */
  readonly directory: string;
}

export interface ContainerState {
  readonly image: Image | null;
  /** Where its files are on the host; they never change. */
  readonly rootfs: string;
  readonly environment: ReadonlyMap<string, string>;
  readonly volatileVariables: ReadonlyMap<string, string>;
  readonly secretVariables: ReadonlyMap<string, Call>;
  readonly user: string;
  readonly workdir: string;
  readonly entrypoint: readonly string[];
  readonly defaultArgs: readonly string[];
  readonly mounts: readonly Mount[];
  readonly lastExec: ExecResult | null;
}

export function absolutePath(state: ContainerState, path: string): string {
  return posix.resolve(state.workdir, path).replace(/(?<=.)\/$/, "");
}

/** Replaces ${NAME} and $NAME as the engine does, from the environment of the container. */
export function expand(
  state: ContainerState,
  text: string,
  wanted: boolean | null | undefined,
): string {
  if (wanted !== true) return text;
  return text.replace(
    /\$(?:\{(?<braced>\w+)\}|(?<bare>[A-Za-z_]\w*))/g,
    (_match, braced: string | undefined, bare: string | undefined) => {
      const name = braced ?? bare ?? "";
      if (state.secretVariables.has(name)) {
        throw new EngineError(
          `expand cannot be used with secret env variable ${JSON.stringify(name)}`,
        );
      }
      return state.environment.get(name) ?? "";
    },
  );
}

/** The container's paths that can be read back. */
export function viewOf(state: ContainerState): View {
  return {
    root: state.rootfs,
    mounts: state.mounts.map((mount) => {
      if (mount.kind === "directory" || mount.kind === "file") return mount;
      const opaque = mount.kind === "temp" ? "tmpfs" : mount.kind;
      return { path: mount.path, source: "/nonexistent", opaque };
    }),
  };
}

/** The numbers of `user`, `user:group` or `1000:1000`, names looked up in the container. */
export async function identityOf(state: ContainerState, owner: string): Promise<Identity> {
  const [user = "", group] = owner.split(":", 2);
  const account = await lookUp(state, "/etc/passwd", user, "user");
  if (group === undefined || group === "") {
    return { uid: account.id, gid: Number(account.fields[3] ?? 0) };
  }
  return { uid: account.id, gid: (await lookUp(state, "/etc/group", group, "group")).id };
}

/** The home directory that the container's accounts give to a user id. */
export async function homeOf(state: ContainerState, uid: number): Promise<string> {
  const accounts = await accountsOf(state, "/etc/passwd");
  return accounts.find((fields) => fields[2] === String(uid))?.[5] ?? "/";
}

async function lookUp(state: ContainerState, path: string, name: string, kind: string) {
  const accounts = await accountsOf(state, path);
  const isId = /^\d+$/.test(name);
  const fields = accounts.find((candidate) => candidate[isId ? 2 : 0] === name);
  if (fields !== undefined) return { id: Number(fields[2]), fields };
  if (isId) return { id: Number(name), fields: [] };
  throw new EngineError(
    `unable to find ${kind} ${name}: no matching entries in ${path.slice(5)} file`,
  );
}

async function accountsOf(state: ContainerState, path: string): Promise<string[][]> {
  const { hostPath } = await locate(viewOf(state), path);
  const text = await readFile(hostPath, "utf8").catch(() => "");
  return text.split("\n").map((line) => line.split(":"));
}

const named = z.object({ name: z.string() });
const variable = z.object({ name: z.string(), value: z.string(), expand: z.boolean().nullish() });
const path = z.object({ path: z.string(), expand: z.boolean().nullish() });
const list = z.object({ args: z.array(z.string()), keepDefaultArgs: z.boolean().nullish() });

function withEntry<T>(map: ReadonlyMap<string, T>, name: string, value: T): ReadonlyMap<string, T> {
  return new Map([...map, [name, value]]);
}

function withoutEntry<T>(map: ReadonlyMap<string, T>, name: string): ReadonlyMap<string, T> {
  return new Map([...map].filter(([candidate]) => candidate !== name));
}

type SettingStep = (state: ContainerState, args: Arguments) => Partial<ContainerState>;

/** Calls that need no disk. */
export const SETTING_STEPS: Readonly<Record<string, SettingStep>> = {
  withWorkdir: (state, args) => {
    const parsed = path.parse(args);
    return { workdir: absolutePath(state, expand(state, parsed.path, parsed.expand)) };
  },
  withoutWorkdir: () => ({ workdir: "/" }),
  withUser: (_state, args) => ({ user: named.parse(args).name }),
  withoutUser: () => ({ user: "" }),
  withEnvVariable: (state, args) => {
    const parsed = variable.parse(args);
    const value = expand(state, parsed.value, parsed.expand);
    return { environment: withEntry(state.environment, parsed.name, value) };
  },
  withoutEnvVariable: (state, args) => ({
    environment: withoutEntry(state.environment, named.parse(args).name),
  }),
  withVolatileVariable: (state, args) => {
    const { name, value } = variable.parse(args);
    return { volatileVariables: withEntry(state.volatileVariables, name, value) };
  },
  withoutVolatileVariable: (state, args) => ({
    volatileVariables: withoutEntry(state.volatileVariables, named.parse(args).name),
  }),
  withoutSecretVariable: (state, args) => ({
    secretVariables: withoutEntry(state.secretVariables, named.parse(args).name),
  }),
  withEntrypoint: (state, args) => {
    const parsed = list.parse(args);
    return {
      entrypoint: parsed.args,
      defaultArgs: parsed.keepDefaultArgs ? state.defaultArgs : [],
    };
  },
  withoutEntrypoint: () => ({ entrypoint: [], defaultArgs: [] }),
  withDefaultArgs: (_state, args) => ({ defaultArgs: list.parse(args).args }),
  withoutMount: (state, args) => {
    const parsed = path.parse(args);
    const target = absolutePath(state, expand(state, parsed.path, parsed.expand));
    return { mounts: state.mounts.filter((mount) => mount.path !== target) };
  },
  // Nothing is pulled from a registry, so that nothing asks for these.
  withRegistryAuth: () => ({}),
  withoutRegistryAuth: () => ({}),
};
