/** The main module of a JavaScript child; the task's code is its neighbor `script.js`. */
import { type Json, MAX_RESULT_BYTES } from "../../port.ts";
import type { ChildRequest, LastFrame } from "../frames.ts";
import { sendArtifacts } from "./artifacts.ts";
import { describe, installGlobals, ProcessExit, type Run } from "./run.ts";
import { type Asked, type ChildProps, serve } from "./serve.ts";
import { taskContext } from "./task-context.ts";

const { stringify } = JSON;
const { byteLength } = Buffer;

installGlobals();

const NO_NETWORK = /not permitted to access the internet/;
const NETWORK_HINT = "\nTo reach a host, name it in the task's network.allow.";

function threw(code: string, what: string, thrown: unknown, run: Run): string {
  const stack = describe(thrown);
  const description = NO_NETWORK.test(stack) ? stack + NETWORK_HINT : stack;
  run.channel.log("stderr", `${description}\n`);
  return stringify([
    "failed",
    "exit",
    code,
    `${what}: ${description}`,
    1,
    null,
  ] satisfies LastFrame);
}

function refused(code: string, message: string): string {
  return stringify(["failed", "error", code, message, null, null] satisfies LastFrame);
}

/** The last frame of a returned value, as JSON text: the value is serialised once. */
function returned(value: unknown): string {
  let text: string | undefined;
  try {
    text = value === undefined ? "null" : stringify(value);
  } catch (error) {
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return refused(
      "output_not_json",
      `The returned value cannot be written as JSON: ${why}. Return plain objects, arrays, strings, numbers, booleans and null; convert a BigInt with String().`,
    );
  }
  if (text === undefined) {
    return refused(
      "output_not_json",
      `The returned value is a ${typeof value}, which JSON cannot hold. Return plain data.`,
    );
  }
  if (text.length > MAX_RESULT_BYTES || byteLength(text) > MAX_RESULT_BYTES) {
    return refused(
      "output_too_large",
      `The result is above ${MAX_RESULT_BYTES / (1024 * 1024)} MiB of JSON. Write large data with ctx.files.write, list it in artifacts and return its path.`,
    );
  }
  return `["completed",${text},0]`;
}

/** Loaded within a run, so that what the module logs while it loads belongs to that run. */
const SCRIPT: string = "./script.js";
const GLOBAL_SCOPE = /Disallowed operation called within global scope/;

async function load(run: Run): Promise<{ main: unknown } | { refusal: string }> {
  try {
    const module: { default?: unknown } = await import(SCRIPT);
    return { main: module.default };
  } catch (error) {
    const what =
      error instanceof Error && GLOBAL_SCOPE.test(error.message)
        ? "The script does I/O, sets a timer or takes random values while it loads; do that inside the exported function"
        : "The script failed while it loaded";
    return { refusal: threw("script_load_failed", what, error, run) };
  }
}

type Main = (input: Json, context: object) => unknown;

const isMain = (value: unknown): value is Main => typeof value === "function";

const Future = Promise;

/** The last frame: of what `main` returns or throws, or of the `process.exit` that comes first. */
function call(main: Main, request: ChildRequest, context: object, run: Run): Promise<string> {
  let end: (line: string) => void = () => {};
  const line = new Future<string>((resolve) => {
    end = resolve;
  });
  run.exit = (code) => end(stringify([code === 0 ? "completed" : "exited", null, code]));
  const settle = async () => {
    try {
      end(returned(await main(request.inputs, context)));
    } catch (error) {
      if (!(error instanceof ProcessExit))
        end(threw("script_threw", "The script threw", error, run));
    }
  };
  void settle();
  return line;
}

async function execute({ request, tree, skills }: Asked, run: Run): Promise<void> {
  const loaded = await load(run);
  if ("refusal" in loaded) return run.channel.endWith(loaded.refusal);
  if (!isMain(loaded.main)) {
    return run.channel.endWith(
      refused(
        "script_no_default_export",
        "The script has no function as its default export. Write: export default (input, ctx) => output",
      ),
    );
  }
  const { context, files } = taskContext(request, tree, run.environment, skills);
  const line = await call(loaded.main, request, context, run);
  const notSent = await sendArtifacts(request.artifacts, files, run.channel);
  run.channel.endWith(notSent === null ? line : refused(notSent.code, notSent.message));
}

export default {
  fetch: (request: Request, _: unknown, context: ExecutionContext<ChildProps>) =>
    serve(request, context, execute),
};
