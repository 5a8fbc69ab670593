/** The main module of a shell child: just-bash over a virtual file system of the run's own. */
import { Bash } from "just-bash/browser";
import { parseOutputFile } from "../../output-file.ts";
import { MAX_RESULT_BYTES } from "../../port.ts";
import type { ChildRequest, LastFrame } from "../frames.ts";
import { type FileSource, sendArtifacts } from "./artifacts.ts";
import { DeviceFs } from "./devices.ts";
import { liveOutput } from "./live-shell.ts";
import type { Run } from "./run.ts";
import { serve } from "./serve.ts";

const WORKSPACE = "/workspace";
const HOME = "/home/task";
const INPUT_FILE = "/run/pipelzr/input.json";
const OUTPUT_FILE = "/run/pipelzr/output";
const MAX_FILE_SYSTEM_BYTES = 96 << 20;
/** Statements between two turns of the event loop: few enough to stop soon, many enough to be fast. */
const STATEMENTS_PER_TURN = 512;

/** For what a script reads and writes in all; what it holds at a time is bounded by its files. */
const CUMULATIVE_BYTES = 16 * 1024 ** 3;

/**
 * The time limit bounds a script, so counts are only a guard against loops inside one command,
 * which never give the event loop a turn.
 */
const LIMITS = {
  maxCommandCount: 50_000_000,
  maxLoopIterations: 50_000_000,
  maxWorkUnits: 500_000_000,
  maxAwkIterations: 2_000_000,
  maxSedIterations: 2_000_000,
  maxJqIterations: 2_000_000,
  maxCallDepth: 500,
  maxOutputSize: CUMULATIVE_BYTES,
  maxInputBytes: CUMULATIVE_BYTES,
  maxTraversalEntries: 50_000_000,
  maxTraversalWork: 50_000_000,
  maxGlobOperations: 50_000_000,
  maxExecutionTimeMs: Number.POSITIVE_INFINITY,
} as const;

/** What may be reached is decided by the egress that the child's `fetch` goes through. */
const NETWORK = { dangerouslyAllowFullInternetAccess: true, denyPrivateRanges: false } as const;

class ShellFiles implements FileSource {
  readonly #fs: DeviceFs;
  readonly #prefix: string;

  constructor(fs: DeviceFs, directory: string) {
    this.#fs = fs;
    this.#prefix = `${directory}/`;
  }

  load(files: ChildRequest["files"]): void {
    for (const [path, { content, encoding, mode }] of Object.entries(files)) {
      const data = encoding === "base64" ? Buffer.from(content, "base64") : content;
      const metadata = mode === undefined ? undefined : { mode: Number.parseInt(mode, 8) };
      this.#fs.writeFileSync(`${WORKSPACE}/${path}`, data, undefined, metadata);
    }
  }

  async paths(): Promise<string[]> {
    const files: string[] = [];
    for (const path of this.#fs.getAllPaths()) {
      if (path.startsWith(this.#prefix) && (await this.#isFile(path))) {
        files.push(path.slice(this.#prefix.length));
      }
    }
    return files;
  }

  read(path: string): Promise<Uint8Array> {
    return this.#fs.readFileBuffer(this.#prefix + path);
  }

  /** False for a link that leads nowhere, too. */
  async #isFile(path: string): Promise<boolean> {
    try {
      return (await this.#fs.stat(path)).isFile;
    } catch {
      return false;
    }
  }
}

function device(run: Run): DeviceFs {
  const decoders = {
    stdout: new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }),
    stderr: new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }),
  };
  let statements = 0;
  return new DeviceFs(
    {
      write: (stream, data) => {
        const text =
          typeof data === "string" ? data : decoders[stream].decode(data, { stream: true });
        run.channel.log(stream, text);
      },
      tick: () => {
        statements += 1;
        if (statements % STATEMENTS_PER_TURN !== 0) return undefined;
        return new Promise((resolve) => setTimeout(resolve, 0));
      },
    },
    MAX_FILE_SYSTEM_BYTES,
  );
}

async function lastFrame(exitCode: number, fs: DeviceFs): Promise<LastFrame> {
  const { size } = await fs.stat(OUTPUT_FILE);
  if (size > MAX_RESULT_BYTES) {
    const message = `$PIPELZR_OUTPUT is above ${MAX_RESULT_BYTES / (1024 * 1024)} MiB. Keep large data as artifacts and write their paths.`;
    return ["failed", "error", "output_too_large", message, exitCode, null];
  }
  const output = parseOutputFile(await fs.readFile(OUTPUT_FILE));
  if (exitCode !== 0) return ["exited", output.ok ? output.result : null, exitCode];
  return output.ok
    ? ["completed", output.result, 0]
    : ["failed", "error", "output_malformed", output.message, 0, null];
}

async function execute(request: ChildRequest, run: Run): Promise<void> {
  const fs = device(run);
  const directory =
    request.working_directory === "" ? WORKSPACE : `${WORKSPACE}/${request.working_directory}`;
  for (const path of [WORKSPACE, HOME, "/tmp", directory]) fs.mkdirSync(path, { recursive: true });
  const files = new ShellFiles(fs, directory);
  files.load(request.files);
  fs.writeFileSync(INPUT_FILE, JSON.stringify(request.inputs));
  fs.writeFileSync(OUTPUT_FILE, "");
  const { resource_id, run: number, step, attempt } = request.ref;
  const bash = new Bash({
    fs,
    cwd: directory,
    defenseInDepth: false,
    executionLimits: LIMITS,
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
  const rest = await bash.exec(script, { rawScript: true });
  run.channel.log("stdout", rest.stdout);
  run.channel.log("stderr", rest.stderr);
  const tooLarge = await sendArtifacts(request.artifacts, files, run.channel);
  run.channel.end(
    tooLarge === null
      ? await lastFrame(rest.exitCode, fs)
      : ["failed", "error", "artifacts_too_large", tooLarge, rest.exitCode, null],
  );
}

export default {
  fetch: (request: Request) => serve(request, execute),
};
