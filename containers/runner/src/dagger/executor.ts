/**
 * Runs tasks in containers of a Dagger engine, each attempt in an engine session of its own that a
 * process of its own holds.
 *
 * The engine has no way to keep a container off the network, so `network.allow` restricts nothing
 * here: whoever needs that restricts the bridge of the engine's machine by a firewall.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import {
  ArtifactsTooLarge,
  type AttemptOutput,
} from "../../../../workers/executors/attempt-output.ts";
import { openTree } from "../../../../workers/executors/file-set.ts";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
import {
  type AttemptRequest,
  type AttemptSink,
  type Executor,
  type LogStream,
  MAX_ARTIFACT_BYTES,
  type Outcome,
} from "../../../../workers/executors/port.ts";
import { keepArtifact } from "../artifact-errors.ts";
import type { AttemptDeps } from "../backend.ts";
import { type Execution, execute } from "../executing.ts";
import { readLeftFile } from "../left-files.ts";
import { outcomeOfProcess, outcomeOfScript } from "../subprocess/result.ts";
import type { HeldTree, TreeCache } from "../tree-cache.ts";
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
  readonly trees: TreeCache;
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
    const outcome = await execute(request, sink, signal, {
      secrets: this.#deps.secrets,
      warn: this.#settings.warn,
      carryOut: (execution) => this.#carryOut(execution),
    });
    if (outcome.status === "failed" && outcome.reason === "lost") this.#settings.doubt();
    return outcome;
  }

  async #carryOut(execution: Execution): Promise<Outcome | null> {
    const { tree = null } = execution.request.work;
    const { blobs } = this.#deps;
    const held = tree && (await this.#settings.trees.hold(tree, () => openTree(tree, blobs)));
    try {
      return await this.#drive(execution, held);
    } finally {
      held?.release();
    }
  }

  async #drive(execution: Execution, held: HeldTree | null): Promise<Outcome | null> {
    const { request, environment, output, signal, use } = execution;
    const { attempts, markPrefix, environment: variables } = this.#settings;
    const id = randomUUID();
    const folder = await makeAttemptFolder(attempts, id);
    use(folder);
    const place = { id, folder, held };
    const job = await makeJob(request, environment, this.#deps.blobs, this.#settings, place);
    if (signal.aborted) return null;
    const options = {
      environment: variables,
      mark: `${markPrefix}.${id}`,
      log: (stream: LogStream, text: string) => {
        output.log(stream, text);
        return !output.isCut;
      },
    };
    const report = await drive(job, options, signal);
    return report === null ? null : finish(job, report, output);
  }
}

/** Keeps the artifacts and says what the attempt came to; throws AttemptFailed. */
async function finish(job: Job, report: Report, output: AttemptOutput): Promise<Outcome> {
  if (report.missing !== null) throw lacking(report.missing, job.image);
  for (const { path, file } of report.artifacts) {
    await keepArtifact(path, async () => {
      // A pipe or a link that the engine exported as it is must not be followed.
      const body = await readLeftFile(join(job.folder, file), job.folder, MAX_ARTIFACT_BYTES);
      if (body === "large") throw new ArtifactsTooLarge(path);
      if (body !== null) await output.artifact(path, body);
    });
  }
  const { exit_code } = report;
  const left = join(job.folder, LEFT_FOLDER);
  if (job.program !== "script") {
    return outcomeOfProcess(exit_code, join(left, FILES.output), output.stderrTail);
  }
  if (exit_code !== 0 && OLD_NODE.test(output.stderrTail)) throw lacking("node", job.image);
  return outcomeOfScript(exit_code, join(left, FILES.frame), output.stderrTail);
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
