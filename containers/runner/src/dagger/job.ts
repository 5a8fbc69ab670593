/** Everything that one attempt's engine session is to do, put together from the task. */
import { join } from "node:path";
import {
  type ResolvedEnvironment,
  referencedSecret,
} from "../../../../workers/executors/environment.ts";
import {
  checkTree,
  type FileSetStore,
  type Files,
  loadFiles,
  workingDirectory,
} from "../../../../workers/executors/file-set.ts";
import type { AttemptRequest } from "../../../../workers/executors/port.ts";
import { pythonVariables, reservedVariables } from "../executing.ts";
import type { HarnessRequest } from "../subprocess/harness-request.ts";
import { type Program, programOf } from "../subprocess/program.ts";
import { noFolder, startsWell } from "../subprocess/workspace.ts";
import type { HeldTree } from "../tree-cache.ts";
import { makeTree } from "./attempt-folder.ts";
import { CONTROL, FILES, WORKSPACE } from "./places.ts";
import type { Job } from "./protocol.ts";
import { WRAPPER } from "./wrapper.ts";

/** A longer line is a file: the kernel takes no argument above 128 KiB. */
const MAX_LINE_CHARS = 30_000;

export interface JobSettings {
  readonly cli: string;
  readonly connectTimeoutMs: number;
  readonly defaultImage: string;
  readonly setup: readonly string[];
  readonly cacheVolumes: readonly { readonly path: string; readonly key: string }[];
  /** The folder of the harness of scripts. */
  readonly harness: () => Promise<string>;
}

const text = (content: string) => ({ content, encoding: "utf8" }) as const;

/** The variables of the task: secret values apart, so that they travel to the container as secrets. */
function variables(
  request: AttemptRequest,
  resolved: ResolvedEnvironment,
  directory: string,
): Pick<Job, "environment" | "secrets"> {
  const { work } = request;
  const own = reservedVariables(request.ref, {
    input: `${CONTROL}/${FILES.input}`,
    output: `${CONTROL}/${FILES.output}`,
  });
  const secret = new Set(work.secrets);
  for (const [name, value] of Object.entries(work.environment)) {
    if (referencedSecret(value) !== null) secret.add(name);
  }
  const plain = Object.entries(resolved.variables).filter(([name]) => !secret.has(name));
  const hidden = Object.entries(resolved.variables).filter(
    ([name]) => secret.has(name) && !(name in own),
  );
  return {
    environment: {
      ...pythonVariables(join(WORKSPACE, directory)),
      ...Object.fromEntries(plain),
      ...own,
    },
    secrets: Object.fromEntries(hidden),
  };
}

function controlFiles(
  program: Program,
  request: AttemptRequest,
  names: readonly string[],
  directory: string,
): Files {
  const { ref, work, deadline_at } = request;
  const files = {
    [FILES.input]: text(JSON.stringify(work.inputs)),
    [FILES.output]: text(""),
    [FILES.wrapper]: text(WRAPPER),
  };
  switch (program.kind) {
    case "shell":
      return isArgument(program) ? files : { ...files, [FILES.shell]: text(program.text) };
    case "python":
      return { ...files, [FILES.python]: text(program.text) };
    case "script": {
      const { inputs } = work;
      const asked: HarnessRequest = {
        ...{ inputs, variables: names, root: WORKSPACE, directory, ref, deadline_at },
      };
      return {
        ...files,
        [FILES.request]: text(JSON.stringify(asked)),
        [FILES.script]: text(program.text),
      };
    }
  }
}

function isArgument({ kind, text }: Program): boolean {
  return kind === "shell" && text.length <= MAX_LINE_CHARS;
}

/** Checks and gathers what the attempt needs; throws AttemptFailed. */
export async function makeJob(
  request: AttemptRequest,
  resolved: ResolvedEnvironment,
  blobs: FileSetStore,
  settings: JobSettings,
  { id, folder, held }: Pick<Job, "id" | "folder"> & { readonly held: HeldTree | null },
): Promise<Job> {
  const { work, project_id } = request;
  const program = programOf(work);
  const directory = workingDirectory(work.working_directory);
  const files = await loadFiles(work, blobs);
  const { tree = null } = work;
  if (tree !== null) checkTree(tree, files, []);
  const placed = tree && held && { source: held.path, path: tree.path };
  if (placed && !(await startsWell(placed, directory))) throw noFolder(directory);
  const control = controlFiles(program, request, Object.keys(resolved.variables), directory);
  return {
    ...{ id, folder, directory },
    ...variables(request, resolved, directory),
    cli: settings.cli,
    connect_timeout_ms: settings.connectTimeoutMs,
    image: work.image ?? settings.defaultImage,
    setup: [...settings.setup],
    // Projects share no caches: what one leaves there another would run.
    cache_volumes: settings.cacheVolumes.map(({ path, key }) => ({
      path,
      key: `pipelzr/${project_id}/${key}`,
    })),
    workspace: await makeTree(files, directory, join(folder, "workspace")),
    control: await makeTree(control, "", join(folder, "control")),
    tree: placed,
    harness: program.kind === "script" ? await settings.harness() : null,
    program: program.kind,
    line: isArgument(program) ? program.text : null,
    artifacts: [...work.artifacts],
  };
}
