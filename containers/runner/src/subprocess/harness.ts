/**
 * The process of a JavaScript or TypeScript task: calls the default export of the script and leaves
 * what came of it in a file. Its only argument is the folder that it and the runner share. What a
 * script sees is what `workers/executors/local` gives it: the return value is the result, the second
 * argument is the same context, and console and errors read the same.
 *
 * Everything it uses is taken before the script loads, since the script may replace globals.
 */
import { spawnSync } from "node:child_process";
import { Console } from "node:console";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { refuseSkill } from "../../../../workers/executors/local/child/no-skills.ts";
import type { TaskContext } from "../../../../workers/executors/local/child/task-context.ts";
import type { LastFrame } from "../../../../workers/executors/local/frames.ts";
import { MAX_RESULT_BYTES } from "../../../../workers/executors/port.ts";
import { diskFiles } from "./harness-files.ts";
import { FRAME_FILE, type HarnessRequest, REQUEST_FILE, SCRIPT_FILE } from "./harness-request.ts";

const { stringify } = JSON;
const { byteLength } = Buffer;
const node: NodeJS.Process = process;
const { exit, stderr, stdout } = node;
const control = node.argv[2] ?? ".";
const request: HarnessRequest = JSON.parse(readFileSync(join(control, REQUEST_FILE), "utf8"));
const scriptPath = join(control, SCRIPT_FILE);
/** The script loads as a file of the working directory, so that its imports are found from there. */
const scriptUrl = pathToFileURL(join(request.root, request.directory, "script.js")).href;
const SCRIPT_ID = `${scriptUrl}?pipelzr`;
const MAX_DESCRIPTION_CHARS = 256 * 1024;
const FOREIGN_FRAME = /^\s+at .*(harness\.ts|node:internal)/;

/** Ends the process with its last frame; `write` is as late as this so that nothing follows it. */
function end(frame: string, exitCode: number): never {
  const path = join(control, FRAME_FILE);
  writeFileSync(`${path}.next`, frame);
  renameSync(`${path}.next`, path);
  return exit(exitCode);
}

function fail(reason: "exit" | "error", code: string, message: string): never {
  const exitCode = reason === "exit" ? 1 : null;
  return end(stringify(["failed", reason, code, message, exitCode, null] satisfies LastFrame), 1);
}

/** What was thrown, with the stack frames of the task's own code. Never throws. */
function describe(thrown: unknown): string {
  try {
    const text = inspect(thrown, { depth: 2, maxStringLength: MAX_DESCRIPTION_CHARS });
    const lines: string[] = [];
    for (const line of text.replaceAll(SCRIPT_ID, "script.js").split("\n")) {
      if (!FOREIGN_FRAME.test(line)) lines.push(line);
      // The brace that opens an error's properties stays.
      else if (line.endsWith(" {") && lines.length > 0) lines.push(`${lines.pop()} {`);
    }
    return lines.join("\n").slice(0, MAX_DESCRIPTION_CHARS);
  } catch {
    return "a value that cannot be shown";
  }
}

function threw(code: string, what: string, thrown: unknown): never {
  const description = describe(thrown);
  stderr.write(`${description}\n`);
  return fail("exit", code, `${what}: ${description}`);
}

/** Node's own report of a syntax error: only when it prints one itself does it tell the place. */
function syntaxReport(error: SyntaxError): string {
  const { stderr: report } = spawnSync(node.execPath, ["--check", scriptPath], {
    encoding: "utf8",
  });
  const place = report.split("\n\n", 1)[0]?.replaceAll(pathToFileURL(scriptPath).href, "script.js");
  return `${place?.replaceAll(scriptPath, "script.js") ?? ""}\n${error}`.trim();
}

function returned(value: unknown): never {
  let text: string | undefined;
  try {
    text = value === undefined ? "null" : stringify(value);
  } catch (error) {
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return fail(
      "error",
      "output_not_json",
      `The returned value cannot be written as JSON: ${why}. Return plain objects, arrays, strings, numbers, booleans and null; convert a BigInt with String().`,
    );
  }
  if (text === undefined) {
    return fail(
      "error",
      "output_not_json",
      `The returned value is a ${typeof value}, which JSON cannot hold. Return plain data.`,
    );
  }
  if (text.length > MAX_RESULT_BYTES || byteLength(text) > MAX_RESULT_BYTES) {
    return fail(
      "error",
      "output_too_large",
      `The result is above ${MAX_RESULT_BYTES / (1024 * 1024)} MiB of JSON. Write large data with ctx.files.write, list it in artifacts and return its path.`,
    );
  }
  return end(`["completed",${text},0]`, 0);
}

type Main = (input: HarnessRequest["inputs"], context: TaskContext) => unknown;
const isMain = (value: unknown): value is Main => typeof value === "function";

async function load(): Promise<Main> {
  let main: unknown;
  try {
    const module: { default?: unknown } = await import(SCRIPT_ID);
    main = module.default;
  } catch (error) {
    if (error instanceof SyntaxError) {
      const report = syntaxReport(error);
      stderr.write(`${report}\n`);
      return fail("exit", "script_invalid", `The script cannot be loaded: ${report}`);
    }
    return threw("script_load_failed", "The script failed while it loaded", error);
  }
  if (isMain(main)) return main;
  return fail(
    "error",
    "script_no_default_export",
    "The script has no function as its default export. Write: export default (input, ctx) => output",
  );
}

const NO_GATEWAY =
  "only code of the local executor may. Give the skill that one, or put both into a pipeline.";

function context(): TaskContext {
  const { resource_id, run, step, attempt, epoch } = request.ref;
  return {
    env: Object.fromEntries(request.variables.map((name) => [name, node.env[name] ?? ""])),
    files: diskFiles(request.root, request.directory),
    skills: { invoke: (slug) => refuseSkill(slug, NO_GATEWAY) },
    log: (...values) => console.log(...values),
    attempt,
    run,
    epoch,
    deadline: request.deadline_at,
    idempotencyKey: `${resource_id}:${run}:${step}`,
  };
}

registerHooks({
  resolve: (specifier, about, next) =>
    specifier === SCRIPT_ID
      ? { url: SCRIPT_ID, format: "module", shortCircuit: true }
      : next(specifier, about),
  load: (url, about, next) =>
    url === SCRIPT_ID
      ? { format: "module", source: readFileSync(scriptPath), shortCircuit: true }
      : next(url, about),
});
Object.assign(globalThis, {
  console: new Console({
    stdout,
    stderr,
    inspectOptions: { depth: 4, maxArrayLength: 100, maxStringLength: null },
  }),
});
node.on("unhandledRejection", (reason) => {
  stderr.write(`Unhandled rejection: ${describe(reason)}\n`);
});
node.on("uncaughtException", (error) => {
  stderr.write(`Uncaught: ${describe(error)}\n`);
});
node.on("beforeExit", () => {
  fail(
    "exit",
    "never_settled",
    "The code waits for something that can never happen: nothing it awaits is pending any more. Check for a promise that is never resolved.",
  );
});

const main = await load();
try {
  returned(await main(request.inputs, context()));
} catch (error) {
  threw("script_threw", "The script threw", error);
}
