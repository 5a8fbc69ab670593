/** The main module of a shell child: just-bash over a virtual file system of the run's own. */
import { Bash, type CommandName, getCommandNames } from "just-bash/browser";
import { parseOutputFile } from "../../output-file.ts";
import { MAX_RESULT_BYTES } from "../../port.ts";
import { isInTree } from "../../tree-archive.ts";
import type { LastFrame } from "../frames.ts";
import { sendArtifacts } from "./artifacts.ts";
import { DeviceFs } from "./devices.ts";
import { liveOutput } from "./live-shell.ts";
import { HeldTooLong, Pace } from "./pace.ts";
import type { Run } from "./run.ts";
import { type Asked, type ChildProps, serve } from "./serve.ts";
import { ShellFiles, WORKSPACE } from "./shell-files.ts";

const HOME = "/home/task";
const INPUT_FILE = "/run/pipelzr/input.json";
const OUTPUT_FILE = "/run/pipelzr/output";
const MEBIBYTE = 1024 * 1024;
const MAX_FILE_SYSTEM_BYTES = 96 * MEBIBYTE;
/**
 * The time limit bounds a script, so counts only guard against loops inside one command, which
 * never give the event loop a turn.
 */
const LIMITS = {
  maxCommandCount: 50_000_000,
  maxLoopIterations: 50_000_000,
  maxWorkUnits: 500_000_000,
  maxAwkIterations: 2_000_000,
  maxSedIterations: 2_000_000,
  maxJqIterations: 2_000_000,
  maxCallDepth: 500,
  // Of all commands together; also what zlib is asked to allow, which takes no more than this.
  maxOutputSize: 128 * MEBIBYTE,
  maxInputBytes: 16 * 1024 * MEBIBYTE,
  maxTraversalEntries: 50_000_000,
  maxTraversalWork: 50_000_000,
  maxGlobOperations: 50_000_000,
  maxExecutionTimeMs: Number.POSITIVE_INFINITY,
} as const;

/** It needs a worker thread; without it scripts learn from `command -v` that it is not there. */
const COMMANDS = getCommandNames().filter((name): name is CommandName => name !== "sqlite3");

/** What may be reached is decided by the egress that the child's `fetch` goes through. */
const NETWORK = { dangerouslyAllowFullInternetAccess: true, denyPrivateRanges: false } as const;

function device(run: Run, pace: Pace): DeviceFs {
  const decoders = {
    stdout: new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }),
    stderr: new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }),
  };
  return new DeviceFs(
    {
      write: (stream, data) => {
        const text =
          typeof data === "string" ? data : decoders[stream].decode(data, { stream: true });
        run.channel.log(stream, text);
      },
      tick: () => pace.tick(),
    },
    MAX_FILE_SYSTEM_BYTES,
  );
}

async function lastFrame(exitCode: number, fs: DeviceFs): Promise<LastFrame> {
  const { size } = await fs.stat(OUTPUT_FILE);
  if (size > MAX_RESULT_BYTES) {
    const message = `$PIPELZR_OUTPUT is above ${MAX_RESULT_BYTES / MEBIBYTE} MiB. Keep large data as artifacts and write their paths.`;
    return ["failed", "error", "output_too_large", message, exitCode, null];
  }
  const output = parseOutputFile(await fs.readFile(OUTPUT_FILE));
  if (exitCode !== 0) return ["exited", output.ok ? output.result : null, exitCode];
  return output.ok
    ? ["completed", output.result, 0]
    : ["failed", "error", "output_malformed", output.message, 0, null];
}

async function execute({ request, tree }: Asked, run: Run): Promise<void> {
  const pace = new Pace(() => new Promise((resolve) => setTimeout(resolve, 0)));
  const fs = device(run, pace);
  const directory =
    request.working_directory === "" ? WORKSPACE : `${WORKSPACE}/${request.working_directory}`;
  for (const path of [WORKSPACE, HOME, "/tmp"]) fs.mkdirSync(path, { recursive: true });
  const files = new ShellFiles(fs, directory);
  if (request.tree !== null) await files.mount(request.tree, tree);
  const startsInTree =
    request.tree !== null && isInTree(request.working_directory, { path: request.tree });
  if (!startsInTree) fs.mkdirSync(directory, { recursive: true });
  else if (!(await fs.exists(directory))) {
    const message = `The codebase has no folder "${request.working_directory}". Name another working_directory.`;
    run.channel.end(["failed", "error", "working_directory_missing", message, null, null]);
    return;
  }
  files.load(request.files);
  fs.writeFileSync(INPUT_FILE, JSON.stringify(request.inputs));
  fs.writeFileSync(OUTPUT_FILE, "");
  const { resource_id, run: number, step, attempt } = request.ref;
  const bash = new Bash({
    fs,
    cwd: directory,
    defenseInDepth: false,
    coverage: pace.coverage,
    executionLimits: LIMITS,
    commands: COMMANDS,
    env: {
      HOME,
      PATH: "/usr/local/bin:/usr/bin:/bin",
      TMPDIR: "/tmp",
      LANG: "C.UTF-8",
      ...run.environment,
      PIPELZR_INPUT: INPUT_FILE,
      PIPELZR_OUTPUT: OUTPUT_FILE,
      PIPELZR_ATTEMPT: String(attempt),
      PIPELZR_IDEMPOTENCY_KEY: `${resource_id}:${number}:${step}`,
    },
    ...(request.network ? { network: NETWORK } : {}),
  });
  const script = request.shell ?? "";
  bash.registerTransformPlugin(liveOutput(script));
  const end = await interpret(bash, script, run);
  const notSent = await sendArtifacts(request.artifacts, files, run.channel);
  if (notSent !== null) {
    run.channel.end(["failed", "error", notSent.code, notSent.message, null, null]);
  } else {
    run.channel.end(typeof end === "number" ? await lastFrame(end, fs) : end);
  }
}

/** Runs the script to its exit code, or to the reason why it was ended. */
async function interpret(bash: Bash, script: string, run: Run): Promise<number | LastFrame> {
  try {
    const rest = await bash.exec(script, { rawScript: true });
    run.channel.log("stdout", rest.stdout);
    run.channel.log("stderr", rest.stderr);
    return rest.exitCode;
  } catch (error) {
    if (!(error instanceof HeldTooLong)) throw error;
    return ["failed", "exit", "loop_without_pause", error.message, 126, null];
  }
}

export default {
  fetch: (request: Request, _: unknown, context: ExecutionContext<ChildProps>) =>
    serve(request, context, execute),
};
