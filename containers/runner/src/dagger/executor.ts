/**
 * Runs tasks in containers of a Dagger engine, each attempt in an engine session of its own that a
 * process of its own holds.
 *
 * The engine has no way to keep a container off the network, so `network.allow` restricts nothing
 * here: whoever needs that restricts the bridge of the engine's machine by a firewall.
 */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { lstat, open } from "node:fs/promises";
import { join } from "node:path";
import {
  ArtifactsTooLarge,
  AttemptOutput,
  LOG_CUT_MARKER,
} from "../../../../workers/executors/attempt-output.ts";
import { resolveEnvironment } from "../../../../workers/executors/environment.ts";
import {
  AttemptFailed,
  type Failure,
  failed,
  stopped,
} from "../../../../workers/executors/outcome.ts";
import type {
  AttemptRequest,
  AttemptSink,
  Executor,
  Outcome,
} from "../../../../workers/executors/port.ts";
import { SecretsTooLargeError } from "../../../../workers/security/masking.ts";
import type { AttemptDeps } from "../backend.ts";
import { outcomeOfProcess, outcomeOfScript } from "../subprocess/result.ts";
import { removeTree } from "../subprocess/workspace.ts";
import { makeAttemptFolder } from "./attempt-folder.ts";
import { drive } from "./driver.ts";
import { type JobSettings, makeJob } from "./job.ts";
import { FILES, LEFT_FOLDER } from "./places.ts";
import type { Job, Report } from "./protocol.ts";

export interface DaggerSettings extends JobSettings {
  /** Where attempts have their folders. */
  readonly attempts: string;
  /** Begins the mark of every process. */
  readonly markPrefix: string;
  /** Called when an attempt found the engine gone. */
  readonly doubt: () => void;
  /** Variables of the CLI. */
  readonly environment: Readonly<Record<string, string>>;
  /** Takes what goes wrong beside an attempt, such as a folder that cannot be removed. */
  readonly warn: (message: string) => void;
}

export class DaggerExecutor implements Executor {
  readonly type = "dagger";
  readonly #settings: DaggerSettings;
  readonly #deps: AttemptDeps;

  constructor(settings: DaggerSettings, deps: AttemptDeps) {
    this.#settings = settings;
    this.#deps = deps;
  }

  async run(request: AttemptRequest, sink: AttemptSink, signal: AbortSignal): Promise<Outcome> {
    const startedAt = Date.now();
    const { work, project_id } = request;
    const log = { isFull: false };
    const watched: AttemptSink = {
      artifact: (path, body) => sink.artifact(path, body),
      log: (stream, text) => {
        if (text.endsWith(LOG_CUT_MARKER)) log.isFull = true;
        sink.log(stream, text);
      },
    };
    let output = new AttemptOutput(watched, []);
    let folder: string | null = null;
    let outcome: Outcome;
    try {
      const environment = await resolveEnvironment(work, project_id, this.#deps.secrets);
      if (environment.secretValues.length > 0) {
        output = new AttemptOutput(watched, environment.secretValues);
      }
      const id = randomUUID();
      folder = await makeAttemptFolder(this.#settings.attempts, id);
      const job = await makeJob(request, environment, this.#deps.blobs, this.#settings, {
        ...{ id, folder },
      });
      const report = signal.aborted ? null : await this.#drive(job, output, log, signal);
      outcome =
        report === null ? stopped(signal, request, startedAt) : await finish(job, report, output);
    } catch (error) {
      outcome = failureOf(error);
      if (outcome.reason === "lost") this.#settings.doubt();
    }
    if (signal.aborted) outcome = stopped(signal, request, startedAt);
    if (folder !== null) await this.#remove(folder);
    return output.settle(outcome, work.outputs);
  }

  #drive(
    job: Job,
    output: AttemptOutput,
    log: { readonly isFull: boolean },
    signal: AbortSignal,
  ): Promise<Report | null> {
    const { environment, markPrefix } = this.#settings;
    const options = {
      environment,
      mark: `${markPrefix}.${job.id}`,
      log: (stream: "stdout" | "stderr", text: string) => {
        output.log(stream, text);
        return !log.isFull;
      },
    };
    return drive(job, options, signal);
  }

  async #remove(folder: string): Promise<void> {
    try {
      await removeTree(folder);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#settings.warn(`${folder} could not be removed: ${why}. Remove it by hand.`);
    }
  }
}

/** Keeps the artifacts and says what the attempt came to; throws AttemptFailed. */
async function finish(job: Job, report: Report, output: AttemptOutput): Promise<Outcome> {
  if (report.missing !== null) throw lacking(report.missing, job.image);
  for (const { path, file } of report.artifacts) {
    try {
      const body = await readExported(join(job.folder, file));
      if (body !== null) await output.artifact(path, body);
    } catch (error) {
      throw notKept(path, error);
    }
  }
  const { exit_code } = report;
  const left = join(job.folder, LEFT_FOLDER);
  if (job.program !== "script") {
    return outcomeOfProcess(exit_code, join(left, FILES.output), output.stderrTail);
  }
  if (exit_code !== 0 && OLD_NODE.test(output.stderrTail)) throw lacking("node", job.image);
  return outcomeOfScript(exit_code, join(left, FILES.frame), output.stderrTail);
}

/** Null for what is no file: a pipe or a link that the engine exported as it is must not be followed. */
async function readExported(path: string): Promise<Uint8Array | null> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  if (!(await lstat(path)).isFile()) return null;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function notKept(path: string, error: unknown): AttemptFailed {
  if (error instanceof ArtifactsTooLarge) {
    return new AttemptFailed("error", "artifacts_too_large", error.message);
  }
  const why = error instanceof Error ? error.message : String(error);
  return new AttemptFailed(
    "error",
    "artifact_not_stored",
    `The artifact "${path}" could not be stored: ${why}. Retry the task.`,
  );
}

/** What Node.js says of the harness when it is too old for it. */
const OLD_NODE = /does not provide an export named 'registerHooks'/;

const WANTED: Readonly<Record<string, string>> = {
  sh: "a shell (/bin/sh)",
  node: "Node.js 22.15 or newer",
  python3: "Python (python3)",
};

function lacking(program: string, image: string): AttemptFailed {
  return new AttemptFailed(
    "error",
    "language_unsupported",
    `The image "${image}" has no ${program} that can run this task. Name an image that has ${WANTED[program] ?? program}, or leave the image out for the runner's own.`,
  );
}

function failureOf(error: unknown): Failure {
  if (error instanceof AttemptFailed) return error.outcome;
  if (error instanceof SecretsTooLargeError) return failed("error", error.code, error.message);
  const why = error instanceof Error ? error.message : String(error);
  return failed(
    "error",
    "attempt_not_prepared",
    `The attempt could not be prepared: ${why}. Retry it; if it repeats, see the runner's log.`,
  );
}
