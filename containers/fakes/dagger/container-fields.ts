/** The fields of a container that say something about it; most of them run what it takes to know. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Call } from "./call.ts";
import type { QueryContext } from "./context.ts";
import { EngineError } from "./errors.ts";
import { containerState } from "./evaluate.ts";
import type { Fields } from "./fields.ts";
import { defaultPlatform } from "./platform.ts";

async function lastExec(call: Call, context: QueryContext) {
  const { lastExec: last } = await containerState(call, context);
  if (last === null) throw new EngineError("no command has been set");
  return last;
}

function output(name: "stdout" | "stderr" | "combined") {
  return async (call: Call, _args: unknown, context: QueryContext): Promise<string> =>
    readFile(join((await lastExec(call, context)).directory, name), "utf8");
}

export const CONTAINER_READS: Fields = {
  sync: async (call, _args, context) => {
    await containerState(call, context);
    return context.engine.calls.idOf(call);
  },
  exitCode: async (call, _args, context) => (await lastExec(call, context)).exitCode,
  stdout: output("stdout"),
  stderr: output("stderr"),
  combinedOutput: output("combined"),
  platform: () => defaultPlatform(),
  user: async (call, _args, context) => (await containerState(call, context)).user,
  workdir: async (call, _args, context) => (await containerState(call, context)).workdir,
  entrypoint: async (call, _args, context) => (await containerState(call, context)).entrypoint,
  defaultArgs: async (call, _args, context) => (await containerState(call, context)).defaultArgs,
  imageRef: async (call, _args, context) => {
    const { image } = await containerState(call, context);
    if (image === null) throw new EngineError("the container has no image");
    return image.reference;
  },
  envVariable: async (call, args, context) => {
    const { name } = z.object({ name: z.string() }).parse(args);
    return (await containerState(call, context)).environment.get(name) ?? null;
  },
};
