/** envd's `filesystem.Filesystem` service, without watching. */
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { answerUnary, RpcError, withoutZeros } from "./connect-rpc.ts";
import type { Exchange } from "./exchange.ts";
import { describeEntry } from "./file-entries.ts";
import type { Sandbox } from "./sandbox.ts";
import { expandPath, HOMES, type Location, PathError, SandboxPaths } from "./sandbox-paths.ts";

const pathSchema = z.object({ path: z.string().default("") });
const moveSchema = z.object({ source: z.string(), destination: z.string() });
const listSchema = pathSchema.extend({ depth: z.int().min(0).default(1) });

const CODE_OF_KIND = {
  bad: "invalid_argument",
  missing: "not_found",
  loop: "failed_precondition",
  read_only: "internal",
} as const;

/** Runs a method with what goes wrong with paths told as Connect tells it. */
async function withCodes<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PathError) throw new RpcError(CODE_OF_KIND[error.kind], error.message);
    throw error;
  }
}

async function makeDir(sandbox: Sandbox, path: string): Promise<object> {
  const at = await sandbox.paths.follow(path);
  const found = await stat(at.host).catch(() => null);
  if (found?.isDirectory())
    throw new RpcError("already_exists", `'${path}' is a directory already`);
  if (found) throw new RpcError("invalid_argument", `'${path}' is a file`);
  SandboxPaths.assertWritable(at);
  await mkdir(at.host, { recursive: true });
  return { entry: await describeEntry(sandbox, at) };
}

async function move(sandbox: Sandbox, source: string, destination: string): Promise<object> {
  const [from, to] = [await sandbox.paths.find(source), await sandbox.paths.find(destination)];
  for (const at of [from, to]) SandboxPaths.assertWritable(at);
  await mkdir(dirname(to.host), { recursive: true });
  await rename(from.host, to.host).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") throw new PathError("missing", `'${source}' does not exist`);
    throw error;
  });
  const metadata = sandbox.fileMetadata.get(from.host);
  sandbox.fileMetadata.delete(from.host);
  if (metadata) sandbox.fileMetadata.set(to.host, metadata);
  return { entry: await describeEntry(sandbox, to) };
}

async function remove(sandbox: Sandbox, path: string): Promise<object> {
  const at = await sandbox.paths.find(path);
  SandboxPaths.assertWritable(at);
  await rm(at.host, { recursive: true, force: true });
  sandbox.fileMetadata.delete(at.host);
  return {};
}

/** In the order of their names, what is in a directory before what follows the directory. */
async function* walk(at: Location, depth: number): AsyncGenerator<Location> {
  const entries = await readdir(at.host, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inner = {
      path: join(at.path, entry.name),
      host: join(at.host, entry.name),
      shared: at.shared,
    };
    yield inner;
    if (depth > 1 && entry.isDirectory()) yield* walk(inner, depth - 1);
  }
}

async function listDir(sandbox: Sandbox, path: string, depth: number): Promise<object> {
  const at = await sandbox.paths.follow(path);
  const found = await stat(at.host).catch(() => null);
  if (!found) throw new PathError("missing", `'${path}' does not exist`);
  if (!found.isDirectory()) throw new RpcError("invalid_argument", `'${path}' is no directory`);
  const entries: object[] = [];
  // Under the path that was asked for, whatever links led to it.
  for await (const inner of walk({ ...at, path }, Math.max(1, depth))) {
    const entry = await describeEntry(sandbox, inner).catch(() => null);
    if (entry) entries.push(entry);
  }
  return withoutZeros({ entries });
}

/** Answers a call of the service; false when it has no such method. */
export async function answerFilesystemCall(
  method: string,
  exchange: Exchange,
  sandbox: Sandbox,
  user: string,
): Promise<boolean> {
  const at = (path: string) => expandPath(path, HOMES[user] ?? "/");
  switch (method) {
    case "Stat":
      await answerUnary(exchange, pathSchema, ({ path }) =>
        withCodes(async () => ({
          entry: await describeEntry(sandbox, await sandbox.paths.find(at(path))),
        })),
      );
      return true;
    case "MakeDir":
      await answerUnary(exchange, pathSchema, ({ path }) =>
        withCodes(() => makeDir(sandbox, at(path))),
      );
      return true;
    case "Move":
      await answerUnary(exchange, moveSchema, ({ source, destination }) =>
        withCodes(() => move(sandbox, at(source), at(destination))),
      );
      return true;
    case "ListDir":
      await answerUnary(exchange, listSchema, ({ path, depth }) =>
        withCodes(() => listDir(sandbox, at(path), depth)),
      );
      return true;
    case "Remove":
      await answerUnary(exchange, pathSchema, ({ path }) =>
        withCodes(() => remove(sandbox, at(path))),
      );
      return true;
    default:
      return false;
  }
}
