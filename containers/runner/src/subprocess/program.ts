/** What to start for a task: a shell line, a shell script, Python, or a script in Node.js. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stripTypes } from "../../../../workers/executors/local/typescript.ts";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
import type { AttemptRequest, Work } from "../../../../workers/executors/port.ts";
import { checkCommand } from "../zero-bytes.ts";
import { type HarnessRequest, REQUEST_FILE, SCRIPT_FILE } from "./harness-request.ts";
import { findExecutable } from "./isolation.ts";
import type { Workspace } from "./workspace.ts";

/** Node strips the types of the harness as it does of the runner. */
export const HARNESS = join(import.meta.dirname, "harness.ts");
/** The kernel takes no longer argument; a longer script is read from a file. */
const MAX_ARGUMENT_CHARS = 30_000;

export type Program =
  | { readonly kind: "shell"; readonly text: string }
  | { readonly kind: "python"; readonly text: string }
  /** JavaScript, its types removed. */
  | { readonly kind: "script"; readonly text: string };

function shell(text: string): Program {
  checkCommand(text);
  return { kind: "shell", text };
}

/** Decides before anything is written; throws AttemptFailed for what cannot be run. */
export function programOf({ command, script, language }: Work): Program {
  if (command !== null) return shell(command);
  if (script === null) {
    throw new AttemptFailed(
      "error",
      "work_empty",
      "The task has neither a command nor a script. Give it one of them.",
    );
  }
  switch (language) {
    case "bash":
      return shell(script);
    case "python":
      return { kind: "python", text: script };
    case "javascript":
      return { kind: "script", text: script };
    case "typescript":
      return { kind: "script", text: stripTypes(script) };
  }
}

/** The executable of Python in the task's own path; throws AttemptFailed when there is none. */
function python(path: string): string {
  const found = findExecutable("python3", path);
  if (found !== null) return found;
  throw new AttemptFailed(
    "error",
    "language_unsupported",
    `This runner has no python3 in ${path}. Install it there, set PATH in the task's environment, or direct the task by labels to a runner that has it.`,
  );
}

export interface ProgramFiles {
  readonly workspace: Workspace;
  /** Below the workspace's root. */
  readonly directory: string;
  /** Names of the task's own variables. */
  readonly variables: readonly string[];
  /** Value of PATH that the task has. */
  readonly path: string;
  readonly bash: string;
}

/** Writes what the program reads and returns its command. */
export async function prepareProgram(
  program: Program,
  { ref, work, deadline_at }: AttemptRequest,
  { workspace, directory, variables, path, bash }: ProgramFiles,
): Promise<readonly string[]> {
  const { control, root } = workspace;
  switch (program.kind) {
    case "shell": {
      if (program.text.length <= MAX_ARGUMENT_CHARS) return [bash, "-c", program.text, "bash"];
      const file = join(control, "script.sh");
      await writeFile(file, program.text);
      return [bash, file];
    }
    case "python": {
      const file = join(control, "script.py");
      await writeFile(file, program.text);
      return [python(path), file];
    }
    case "script": {
      const { inputs } = work;
      const request: HarnessRequest = { inputs, variables, root, directory, ref, deadline_at };
      await writeFile(join(control, REQUEST_FILE), JSON.stringify(request));
      await writeFile(join(control, SCRIPT_FILE), program.text);
      return [process.execPath, HARNESS, control];
    }
  }
}
