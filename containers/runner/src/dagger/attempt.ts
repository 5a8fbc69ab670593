/** One attempt in its session, from the image to what the task left. */
import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Container } from "@dagger.io/dagger";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
import type { LogStream } from "../../../../workers/executors/port.ts";
import { isInTree } from "../../../../workers/executors/tree-archive.ts";
import { exportArtifacts, exportLeft, outputSize, readNote, readOutput } from "./collect.ts";
import { prepareImage, type Ran, runProgram } from "./container.ts";
import { engineFailure } from "./engine-errors.ts";
import { followLogs } from "./follow-logs.ts";
import { LiveOutput } from "./live-output.ts";
import { FILES, WORKSPACE } from "./places.ts";
import type { Job, OutputEntry, Report } from "./protocol.ts";
import type { Sdk, SdkEnums } from "./sdk.ts";
import type { Session } from "./session.ts";

const STREAMS: readonly LogStream[] = ["stdout", "stderr"];
/** The engine reads new records every 100 ms; by now it has them all. */
const DRAIN_MS = 3_000;
const INCOMPLETE = "\n… the rest of the output could not be read from the engine …\n";

export interface AttemptEvents {
  log(entries: OutputEntry[]): void;
  /** Called with a function that ends the log, before anything is logged. */
  quietable(quiet: () => void): void;
}

/** Runs the job; throws AttemptFailed. */
export async function runAttempt(
  job: Job,
  session: Session,
  sdk: Sdk,
  events: AttemptEvents,
): Promise<Report> {
  const client = sdk.connect(session);
  const nonce = randomBytes(16).toString("hex");
  const live = new LiveOutput(nonce, (entries) => events.log(entries));
  events.quietable(() => live.quiet());
  const listening = new AbortController();
  const followed = follow(live, session, listening.signal);
  try {
    const image = await prepareImage(client, job);
    const ran = await runProgram(client, image, job, nonce, sdk.ReturnType.Any);
    await Promise.race([live.ended, followed, delay(DRAIN_MS, undefined, { ref: false })]);
    listening.abort();
    await followed;
    return await collect(job, ran, live, nonce, sdk);
  } catch (error) {
    throw engineFailure(
      error,
      "while it gave out what the task left",
      (words) =>
        new AttemptFailed(
          "error",
          "outputs_not_read",
          `The task ended, but the engine did not give out what it left: ${words}. Retry the task; if it repeats, see the engine's log.`,
        ),
    );
  } finally {
    listening.abort();
  }
}

async function follow(live: LiveOutput, session: Session, signal: AbortSignal): Promise<void> {
  for await (const records of followLogs(session, signal)) live.take(records);
}

async function collect(
  job: Job,
  { exitCode, container }: Ran,
  live: LiveOutput,
  nonce: string,
  enums: SdkEnums,
): Promise<Report> {
  if (container === null) return { exit_code: exitCode, missing: null, artifacts: [] };
  const [exit, missing] = await Promise.all([
    readNote(container, FILES.exit, enums),
    readNote(container, FILES.missing, enums),
    exportLeft(container, job.folder, FILES.output, enums),
    job.program === "script" ? exportLeft(container, job.folder, FILES.frame, enums) : null,
    completeOutput(container, live, nonce, enums),
  ]);
  if (missing !== null) return { exit_code: exitCode, missing, artifacts: [] };
  // Without it the wrapper could not run, or could not write: then its own exit code is all there is.
  const code = exit !== null && /^\d+$/.test(exit) ? Number(exit) : null;
  if (code === null && (await outputSize(container, "stdout", enums)) === 0) {
    return { exit_code: exitCode, missing: "sh", artifacts: [] };
  }
  const directory = posix.join(WORKSPACE, job.directory);
  const isOwn = (path: string) => !isInTree(posix.join(job.directory, path), job.tree);
  const wanted = { directory, globs: job.artifacts, isOwn };
  const artifacts = await exportArtifacts(container, wanted, enums);
  return { exit_code: code ?? exitCode, missing: null, artifacts };
}

/** Passes on what did not come with the records. Only sizes are read when all of it did. */
async function completeOutput(
  container: Container,
  live: LiveOutput,
  nonce: string,
  enums: SdkEnums,
): Promise<void> {
  for (const stream of STREAMS) {
    if (live.isQuiet) return;
    const size = await outputSize(container, stream, enums);
    if (size === live.bytes(stream) + nonce.length) continue;
    // Nothing at all was written: not even the nonce, since the image has no shell.
    if (size === 0) continue;
    const whole = await readOutput(container, stream, size, nonce, enums);
    if (whole !== null) live.complete(stream, whole);
    else live.note(INCOMPLETE);
  }
}
