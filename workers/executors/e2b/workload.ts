/** What is put into a sandbox before the code of an attempt starts. */
import {
  checkTree,
  type FileSetStore,
  loadFiles,
  openMount,
  openTree,
  workingDirectory,
} from "../file-set.ts";
import { stripTypes } from "../local/typescript.ts";
import { AttemptFailed } from "../outcome.ts";
import type { AttemptRequest, Work } from "../port.ts";
import { NODE_HARNESS } from "./node-harness.ts";
import type { Sandbox, Upload } from "./sandbox.ts";
import { NO_FOLDER, RUN_SCRIPT, scriptCommand } from "./script.ts";

/** Bytes of small files that travel in one request. */
const BATCH_BYTES = 4 * 1024 * 1024;

interface Program {
  readonly language: "bash" | "python" | "node";
  readonly script: string;
}

/** The program of a task; throws AttemptFailed when there is none. */
export function programOf({ command, script, language }: Work): Program {
  if (command !== null) return { language: "bash", script: command };
  if (script === null) {
    throw new AttemptFailed(
      "error",
      "work_empty",
      "The task has neither a command nor a script. Give it one of them.",
    );
  }
  switch (language) {
    case "bash":
    case "python":
      return { language, script };
    case "javascript":
      return { language: "node", script };
    case "typescript":
      return { language: "node", script: stripTypes(script) };
  }
}

const zeroEnded = (texts: readonly string[]) => texts.map((text) => `${text}\0`).join("");

function variablesFile(
  { ref }: AttemptRequest,
  variables: Readonly<Record<string, string>>,
): string {
  const all = {
    ...variables,
    PIPELZR_ATTEMPT: String(ref.attempt),
    PIPELZR_IDEMPOTENCY_KEY: `${ref.resource_id}:${ref.run}:${ref.step}`,
  };
  for (const [name, value] of Object.entries(all)) {
    if (!value.includes("\0")) continue;
    throw new AttemptFailed(
      "error",
      "environment_invalid",
      `The value of "${name}" holds a zero byte, which no variable can. Store it in base64, or as a file.`,
    );
  }
  return zeroEnded(Object.entries(all).map(([name, value]) => `${name}=${value}`));
}

function* batches(uploads: readonly Upload[]): Generator<Upload[]> {
  let batch: Upload[] = [];
  let bytes = 0;
  for (const upload of uploads) {
    const { body } = upload;
    const size = body instanceof ReadableStream ? 0 : body.length;
    if (batch.length > 0 && bytes + size > BATCH_BYTES) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(upload);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** The files that stand beside the code, without the task's own. */
function ownFiles(
  request: AttemptRequest,
  variables: Readonly<Record<string, string>>,
  timeoutMs: number,
): Record<string, string> {
  const { work, ref } = request;
  const { language, script } = programOf(work);
  const directory = workingDirectory(work.working_directory);
  const context = {
    working_directory: directory,
    attempt: ref.attempt,
    run: ref.run,
    epoch: ref.epoch,
    timeout_ms: timeoutMs,
  };
  return {
    "run.sh": RUN_SCRIPT,
    language,
    script,
    cwd: directory,
    env: variablesFile(request, variables),
    "input.json": JSON.stringify(work.inputs),
    ...(work.tree && { tree: work.tree.path }),
    ...(language === "node" && {
      "harness.mjs": NODE_HARNESS,
      "context.json": JSON.stringify(context),
    }),
  };
}

export interface Preparation {
  readonly request: AttemptRequest;
  /** Its environment with the values of secrets. */
  readonly variables: Readonly<Record<string, string>>;
  readonly timeout_ms: number;
  /** Of the attempt, below the home of the sandbox's user. */
  readonly folder: string;
  /** Of the task's files, in the same place. */
  readonly workspace: string;
}

/** Uploads everything; doing it again changes nothing. Throws AttemptFailed for what cannot run. */
export async function prepareSandbox(
  sandbox: Sandbox,
  { request, variables, timeout_ms, folder, workspace }: Preparation,
  blobs: FileSetStore,
): Promise<void> {
  const { work } = request;
  const { tree = null } = work;
  const own = ownFiles(request, variables, timeout_ms);
  const set = await loadFiles({ ...work, mounts: [] }, blobs);
  if (tree !== null) checkTree(tree, set, work.mounts);
  const files = Object.entries(set);
  const modes = files.flatMap(([path, { mode }]) => (mode === undefined ? [] : [mode, path]));
  const uploads: Upload[] = [
    ...Object.entries({ ...own, place: workspace, modes: zeroEnded(modes) }).map(
      ([name, body]) => ({
        path: `~/${folder}/${name}`,
        body,
      }),
    ),
    ...files.map(([path, { content, encoding }]) => ({
      path: `~/${workspace}/${path}`,
      body: encoding === "base64" ? Buffer.from(content, "base64") : content,
    })),
  ];
  for (const batch of batches(uploads)) await sandbox.write(batch);
  if (tree !== null) {
    const body = await openTree(tree, blobs);
    await sandbox.write([{ path: `~/${folder}/tree.tgz`, body }]);
    await unpack(sandbox, folder, work.working_directory);
  }
  for (const mount of work.mounts) {
    const { body } = await openMount(mount, blobs);
    await sandbox.write([{ path: `~/${workspace}/${mount.path}`, body: body ?? "" }]);
  }
}

async function unpack(sandbox: Sandbox, folder: string, directory: string | null): Promise<void> {
  const told: Uint8Array[] = [];
  const code = await sandbox.run(scriptCommand(folder, "unpack"), (stream, bytes) => {
    if (stream === "stderr") told.push(bytes);
  });
  if (code === 0) return;
  if (code === NO_FOLDER) {
    throw new AttemptFailed(
      "error",
      "working_directory_missing",
      `The codebase has no folder "${directory}". Name another working_directory.`,
    );
  }
  const why = Buffer.concat(told).toString().trim().split("\n").at(-1) ?? "";
  throw new AttemptFailed(
    "error",
    "tree_not_unpacked",
    `The codebase could not be unpacked in the sandbox (${why || `code ${code}`}). Use a template with GNU tar, gzip and room for it.`,
  );
}
