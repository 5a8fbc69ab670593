/** Runs tasks as processes of this machine, each in a folder of its own. */
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AttemptOutput } from "../../../../workers/executors/attempt-output.ts";
import {
  type ResolvedEnvironment,
  resolveEnvironment,
} from "../../../../workers/executors/environment.ts";
import { loadFiles, workingDirectory } from "../../../../workers/executors/file-set.ts";
import { AttemptFailed, failed, stopped } from "../../../../workers/executors/outcome.ts";
import type {
  AttemptRequest,
  AttemptSink,
  Executor,
  Outcome,
} from "../../../../workers/executors/port.ts";
import { SecretsTooLargeError } from "../../../../workers/security/masking.ts";
import type { AttemptDeps } from "../backend.ts";
import { forgetProcess, rememberProcess } from "../leftovers.ts";
import { MARK } from "../processes.ts";
import { keepArtifacts } from "./artifacts.ts";
import { FRAME_FILE } from "./harness-request.ts";
import { type Isolation, sandboxArguments } from "./isolation.ts";
import { type Limits, withLimits } from "./limits.ts";
import { type Program, prepareProgram, programOf } from "./program.ts";
import { outcomeOfProcess, outcomeOfScript } from "./result.ts";
import { runProcess } from "./run-process.ts";
import { fillWorkspace, makeWorkspace, removeTree, type Workspace } from "./workspace.ts";

export interface SubprocessSettings {
  /** Where attempts have their folders. */
  readonly attempts: string;
  /** Begins the mark of every process. */
  readonly markPrefix: string;
  readonly isolation: Isolation;
  /** Folders that a sandbox does not show, and what it shows of them nevertheless. */
  readonly hidden: readonly string[];
  readonly shown: readonly string[];
  readonly limits: Limits;
  readonly bash: string;
  /** PATH of tasks. */
  readonly path: string;
  /** Takes what goes wrong beside an attempt, such as a folder that cannot be removed. */
  readonly warn: (message: string) => void;
}

interface Prepared {
  readonly program: Program;
  readonly directory: string;
  readonly environment: ResolvedEnvironment;
  readonly workspace: Workspace;
}

export class SubprocessExecutor implements Executor {
  readonly type = "subprocess";
  readonly #settings: SubprocessSettings;
  readonly #deps: AttemptDeps;

  constructor(settings: SubprocessSettings, deps: AttemptDeps) {
    this.#settings = settings;
    this.#deps = deps;
  }

  async run(request: AttemptRequest, sink: AttemptSink, signal: AbortSignal): Promise<Outcome> {
    const startedAt = Date.now();
    const { work, project_id } = request;
    let output = new AttemptOutput(sink, []);
    let workspace: Workspace | null = null;
    let outcome: Outcome;
    try {
      const environment = await resolveEnvironment(work, project_id, this.#deps.secrets);
      if (environment.secretValues.length > 0) {
        output = new AttemptOutput(sink, environment.secretValues);
      }
      const program = programOf(work);
      const directory = workingDirectory(work.working_directory);
      const files = await loadFiles(work, this.#deps.blobs);
      workspace = await makeWorkspace(this.#settings.attempts, directory);
      await fillWorkspace(workspace, files);
      const prepared = { program, directory, environment, workspace };
      outcome = signal.aborted
        ? stopped(signal, request, startedAt)
        : await this.#attempt(prepared, request, output, signal);
    } catch (error) {
      outcome = failureOf(error);
    }
    if (signal.aborted) outcome = stopped(signal, request, startedAt);
    if (workspace !== null) await this.#remove(workspace);
    return output.settle(outcome, work.outputs);
  }

  async #attempt(
    { program, directory, environment, workspace }: Prepared,
    request: AttemptRequest,
    output: AttemptOutput,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { bash, limits, isolation, path } = this.#settings;
    const { work } = request;
    const outputPath = join(workspace.control, "output");
    await writeFile(join(workspace.control, "input.json"), JSON.stringify(work.inputs));
    await writeFile(outputPath, "");
    const mark = `${this.#settings.markPrefix}.${randomUUID()}`;
    const variables = this.#variables(request, environment, workspace, mark);
    const command = await prepareProgram(program, request, {
      workspace,
      directory,
      variables: Object.keys(environment.variables),
      path: variables.PATH ?? path,
      bash,
    });
    const isWrapped = isolation.kind === "bubblewrap";
    const hasNetwork = work.network.allow.length > 0;
    const wrapped = isWrapped
      ? [isolation.path, ...this.#sandbox(workspace, hasNetwork), ...command]
      : command;
    const exitCode = await runProcess(
      {
        command: withLimits(bash, limits, wrapped),
        directory: workspace.directory,
        environment: variables,
        mark,
        isWrapped,
      },
      {
        started: (pid) => rememberProcess(workspace.folder, pid),
        output: (stream, text) => output.log(stream, text),
      },
      signal,
    );
    if (signal.aborted) return { status: "cancelled" };
    await keepArtifacts(work.artifacts, workspace, (name, body) => output.artifact(name, body));
    return program.kind === "script"
      ? outcomeOfScript(exitCode, join(workspace.control, FRAME_FILE), output.stderrTail)
      : outcomeOfProcess(exitCode, outputPath, output.stderrTail);
  }

  #sandbox(workspace: Workspace, hasNetwork: boolean): string[] {
    const { folder, directory, temporary } = workspace;
    const { hidden, shown } = this.#settings;
    return sandboxArguments({ folder, directory, temporary, hidden, shown, hasNetwork });
  }

  /** The whole environment of the task: nothing of the runner's own is in it. */
  #variables(
    { ref }: AttemptRequest,
    environment: ResolvedEnvironment,
    workspace: Workspace,
    mark: string,
  ): Record<string, string> {
    const isSandboxed = this.#settings.isolation.kind === "bubblewrap";
    return {
      HOME: workspace.home,
      PATH: this.#settings.path,
      TMPDIR: isSandboxed ? "/tmp" : workspace.temporary,
      LANG: "C.UTF-8",
      // Output arrives while Python runs, modules are found beside its script, and none is compiled
      // into the workspace.
      PYTHONUNBUFFERED: "1",
      PYTHONPATH: workspace.directory,
      PYTHONDONTWRITEBYTECODE: "1",
      ...environment.variables,
      PIPELZR_INPUT: join(workspace.control, "input.json"),
      PIPELZR_OUTPUT: join(workspace.control, "output"),
      PIPELZR_ATTEMPT: String(ref.attempt),
      PIPELZR_IDEMPOTENCY_KEY: `${ref.resource_id}:${ref.run}:${ref.step}`,
      [MARK]: mark,
    };
  }

  async #remove({ folder }: Workspace): Promise<void> {
    try {
      await removeTree(folder);
      forgetProcess(folder);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#settings.warn(`${folder} could not be removed: ${why}. Remove it by hand.`);
    }
  }
}

function failureOf(error: unknown): Outcome {
  if (error instanceof AttemptFailed) return error.outcome;
  if (error instanceof SecretsTooLargeError) return failed("error", error.code, error.message);
  const why = error instanceof Error ? error.message : String(error);
  return failed(
    "error",
    "attempt_not_prepared",
    `The attempt could not be prepared: ${why}. Retry it; if it repeats, see the runner's log.`,
  );
}
