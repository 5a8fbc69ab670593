/** Runs tasks as processes of this machine, each in a folder of its own. */
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ResolvedEnvironment } from "../../../../workers/executors/environment.ts";
import {
  checkTree,
  loadFiles,
  openTree,
  workingDirectory,
} from "../../../../workers/executors/file-set.ts";
import type {
  AttemptRequest,
  AttemptSink,
  Executor,
  Outcome,
} from "../../../../workers/executors/port.ts";
import type { AttemptDeps } from "../backend.ts";
import { type Execution, execute, pythonVariables, reservedVariables } from "../executing.ts";
import { rememberProcess } from "../leftovers.ts";
import { MARK } from "../processes.ts";
import type { TreeCache } from "../tree-cache.ts";
import { keepArtifacts } from "./artifacts.ts";
import { FRAME_FILE } from "./harness-request.ts";
import { type HidingOptions, planHiding } from "./hiding.ts";
import { type Isolation, sandboxArguments, sandboxEnvironment } from "./isolation.ts";
import { type Limits, withLimits } from "./limits.ts";
import { type Program, prepareProgram, programOf } from "./program.ts";
import { outcomeOfProcess, outcomeOfScript } from "./result.ts";
import { runProcess } from "./run-process.ts";
import {
  checkWorkspace,
  fillWorkspace,
  makeWorkspace,
  type PlacedTree,
  placeTree,
  type Workspace,
} from "./workspace.ts";

const LANGUAGE = "C.UTF-8";

export interface SubprocessSettings {
  /** Where attempts have their folders. */
  readonly attempts: string;
  /** Begins the mark of every process. */
  readonly markPrefix: string;
  readonly isolation: Isolation;
  readonly hiding: HidingOptions;
  readonly limits: Limits;
  readonly trees: TreeCache;
  readonly bash: string;
  /** PATH of tasks. */
  readonly path: string;
  /** Takes what goes wrong beside an attempt, such as a folder that cannot be removed. */
  readonly warn: (message: string) => void;
}

interface Prepared {
  readonly program: Program;
  readonly directory: string;
  readonly workspace: Workspace;
  readonly tree: PlacedTree | null;
}

export class SubprocessExecutor implements Executor {
  readonly type = "subprocess";
  readonly #settings: SubprocessSettings;
  readonly #deps: AttemptDeps;

  constructor(settings: SubprocessSettings, deps: AttemptDeps) {
    this.#settings = settings;
    this.#deps = deps;
  }

  run(request: AttemptRequest, sink: AttemptSink, signal: AbortSignal): Promise<Outcome> {
    return execute(request, sink, signal, {
      secrets: this.#deps.secrets,
      warn: this.#settings.warn,
      carryOut: (execution) => this.#carryOut(execution),
    });
  }

  async #carryOut(execution: Execution): Promise<Outcome | null> {
    const { request, signal, use } = execution;
    const { work } = request;
    const program = programOf(work);
    const directory = workingDirectory(work.working_directory);
    const files = await loadFiles(work, this.#deps.blobs);
    const { tree = null } = work;
    if (tree !== null) checkTree(tree, files, []);
    const held =
      tree && (await this.#settings.trees.hold(tree, () => openTree(tree, this.#deps.blobs)));
    try {
      const workspace = await makeWorkspace(this.#settings.attempts, directory);
      use(workspace.folder);
      const placed = tree && held && { source: held.path, path: tree.path };
      if (placed) await placeTree(workspace, placed, directory, !this.#isSandboxed);
      await fillWorkspace(workspace, files, directory);
      if (signal.aborted) return null;
      return await this.#attempt({ program, directory, workspace, tree: placed }, execution);
    } finally {
      held?.release();
    }
  }

  get #isSandboxed(): boolean {
    return this.#settings.isolation.kind === "bubblewrap";
  }

  async #attempt(
    { program, directory, workspace, tree }: Prepared,
    { request, environment, output, signal }: Execution,
  ): Promise<Outcome | null> {
    const { bash, limits, isolation, path, warn } = this.#settings;
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
      ? [isolation.path, ...this.#sandbox(workspace, tree, hasNetwork), ...command]
      : command;
    const exitCode = await runProcess(
      {
        command: withLimits(bash, limits, mark, wrapped),
        directory: workspace.directory,
        // Outside of a sandbox nothing that the task says has a say.
        environment: isWrapped ? { PATH: path, LANG: LANGUAGE, [MARK]: mark } : variables,
        extraArguments: isWrapped ? sandboxEnvironment(variables) : null,
        mark,
        isWrapped,
      },
      {
        started: (pid) => rememberProcess(workspace.folder, pid),
        output: (stream, text) => {
          if (!output.isCut) output.log(stream, text);
        },
        warn,
      },
      signal,
    );
    if (signal.aborted) return null;
    await checkWorkspace(workspace, exitCode);
    await keepArtifacts(work.artifacts, { ...workspace, tree }, exitCode, (name, body) =>
      output.artifact(name, body),
    );
    return program.kind === "script"
      ? outcomeOfScript(exitCode, join(workspace.control, FRAME_FILE), output.stderrTail)
      : outcomeOfProcess(exitCode, outputPath, output.stderrTail);
  }

  #sandbox(workspace: Workspace, tree: PlacedTree | null, hasNetwork: boolean): string[] {
    const { root, home, control, directory, temporary } = workspace;
    return sandboxArguments({
      ...planHiding(this.#settings.hiding),
      ...{ writable: [root, home, control], directory, temporary, hasNetwork },
      mounted: tree === null ? [] : [{ source: tree.source, place: join(root, tree.path) }],
    });
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
      LANG: LANGUAGE,
      ...pythonVariables(workspace.directory),
      ...environment.variables,
      ...reservedVariables(ref, {
        input: join(workspace.control, "input.json"),
        output: join(workspace.control, "output"),
      }),
      [MARK]: mark,
    };
  }
}
