/** What executors of the runner do alike around an attempt. */
import { AttemptOutput } from "../../../workers/executors/attempt-output.ts";
import {
  type ResolvedEnvironment,
  resolveEnvironment,
} from "../../../workers/executors/environment.ts";
import { failureOf, stopped } from "../../../workers/executors/outcome.ts";
import type {
  AttemptRef,
  AttemptRequest,
  AttemptSink,
  Outcome,
  SecretResolver,
} from "../../../workers/executors/port.ts";
import { forgetProcess } from "./leftovers.ts";
import { removeTree } from "./remove-tree.ts";
import { checkVariables } from "./zero-bytes.ts";

export interface Execution {
  readonly request: AttemptRequest;
  readonly environment: ResolvedEnvironment;
  readonly output: AttemptOutput;
  readonly signal: AbortSignal;
  /** Names the attempt's folder, which is removed at the end. */
  readonly use: (folder: string) => void;
}

export interface ExecutionSettings {
  readonly secrets: SecretResolver;
  /** Takes what goes wrong beside an attempt, such as a folder that cannot be removed. */
  readonly warn: (message: string) => void;
  /** Resolves with null when it was stopped; rejects with AttemptFailed. */
  readonly carryOut: (execution: Execution) => Promise<Outcome | null>;
}

/** Carries an attempt out, from its secrets to its masked outcome; never rejects. */
export async function execute(
  request: AttemptRequest,
  sink: AttemptSink,
  signal: AbortSignal,
  { secrets, warn, carryOut }: ExecutionSettings,
): Promise<Outcome> {
  const { work, project_id } = request;
  let output = new AttemptOutput(sink, []);
  const folders: string[] = [];
  let outcome: Outcome | null;
  try {
    const environment = await resolveEnvironment(work, project_id, secrets);
    checkVariables(environment.variables);
    if (environment.secretValues.length > 0) {
      output = new AttemptOutput(sink, environment.secretValues);
    }
    const use = (folder: string) => void folders.push(folder);
    outcome = await carryOut({ request, environment, output, signal, use });
  } catch (error) {
    outcome = failureOf(error, "the runner's log");
  }
  if (outcome === null || signal.aborted) outcome = stopped(signal, request);
  for (const folder of folders) await remove(folder, warn);
  return output.settle(outcome, work.outputs);
}

async function remove(folder: string, warn: (message: string) => void): Promise<void> {
  try {
    forgetProcess(folder);
    await removeTree(folder);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    warn(`${folder} could not be removed: ${why}. Remove it by hand.`);
  }
}

/** Variables that a task may set anew: for Python in the working directory `directory`. */
export function pythonVariables(directory: string): Record<string, string> {
  return {
    // Output arrives while Python runs, modules are found beside its script, and none is compiled
    // into the workspace.
    PYTHONUNBUFFERED: "1",
    PYTHONPATH: directory,
    PYTHONDONTWRITEBYTECODE: "1",
  };
}

/** Variables that a task cannot set. */
export function reservedVariables(
  { resource_id, run, step, attempt }: AttemptRef,
  files: { readonly input: string; readonly output: string },
): Record<string, string> {
  return {
    PIPELZR_INPUT: files.input,
    PIPELZR_OUTPUT: files.output,
    PIPELZR_ATTEMPT: String(attempt),
    PIPELZR_IDEMPOTENCY_KEY: `${resource_id}:${run}:${step}`,
  };
}
