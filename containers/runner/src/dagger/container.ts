/** Builds the container of an attempt and runs its program, stage by stage, so that each can be told. */
import type { Client, Container, Directory, ReturnType } from "@dagger.io/dagger";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
import { engineFailure, execExitCode } from "./engine-errors.ts";
import { CONTROL, FILES, HARNESS, WORKSPACE } from "./places.ts";
import type { Job, Tree } from "./protocol.ts";

/**
 * A value of its own in every execution. The engine executes nothing twice that is the same, failures
 * included; what stands before this variable stays cached, what follows is executed.
 */
const EXECUTION = "PIPELZR_EXECUTION";

export interface Ran {
  readonly exitCode: number;
  /** Null when the engine gave the container up: a signal ended its first process. */
  readonly container: Container | null;
}

function directoryOf(client: Client, tree: Tree): Directory {
  if (tree.kind === "host") return client.host().directory(tree.path);
  const folders = tree.folders.reduce(
    (all, path) => all.withNewDirectory(path),
    client.directory(),
  );
  return tree.files.reduce(
    (all, { path, content, mode }) => all.withNewFile(path, content, { permissions: mode }),
    folders,
  );
}

/** The image with what `setup` does to it, both from the engine's cache when they are there. */
export async function prepareImage(client: Client, { image, setup }: Job): Promise<Container> {
  const base = client.container().from(image);
  try {
    await base.sync();
  } catch (error) {
    throw engineFailure(
      error,
      `while it fetched the image ${image}`,
      (words) =>
        new AttemptFailed(
          "error",
          "image_unavailable",
          `The image "${image}" cannot be used: ${words}. Check its name and tag, and that the engine's machine may pull it.`,
        ),
    );
  }
  if (setup.length === 0) return base;
  const ready = setup.reduce((all, line) => all.withExec(["/bin/sh", "-c", line]), base);
  try {
    return await ready.sync();
  } catch (error) {
    throw engineFailure(
      error,
      "while it prepared the image",
      (words) =>
        new AttemptFailed(
          "error",
          "setup_failed",
          `What the runner does to every image before a task failed on "${image}": ${words}. Correct the runner's setup, or use an image that it fits.`,
        ),
    );
  }
}

/** Files, variables, secrets and caches of the attempt, on the image. */
async function furnish(client: Client, image: Container, job: Job): Promise<Container> {
  // The image's user has to be able to write where its code runs.
  const user = await image.user();
  const owned = user === "" ? {} : { owner: user };
  let container = image
    .withMountedDirectory(WORKSPACE, directoryOf(client, job.workspace), owned)
    .withMountedDirectory(CONTROL, directoryOf(client, job.control), owned)
    .withWorkdir(job.directory === "" ? WORKSPACE : `${WORKSPACE}/${job.directory}`);
  if (job.tree !== null) {
    const place = `${WORKSPACE}/${job.tree.path}`;
    const source = client.host().directory(job.tree.source);
    container = container.withMountedDirectory(place, source, { readOnly: true });
  }
  if (job.harness !== null) {
    const harness = client.host().directory(job.harness);
    container = container.withMountedDirectory(HARNESS, harness, { readOnly: true });
  }
  for (const { path, key } of job.cache_volumes) {
    container = container.withMountedCache(path, client.cacheVolume(key), owned);
  }
  for (const [name, value] of Object.entries(job.environment)) {
    container = container.withEnvVariable(name, value);
  }
  for (const [name, value] of Object.entries(job.secrets)) {
    // The engine knows a secret by its name alone: the same name would be the same secret.
    const secret = client.setSecret(`${job.id}/${name}`, value);
    container = container.withSecretVariable(name, secret);
  }
  return container.withEnvVariable(EXECUTION, job.id);
}

export async function runProgram(
  client: Client,
  image: Container,
  job: Job,
  nonce: string,
  accepting: ReturnType,
): Promise<Ran> {
  const args = ["/bin/sh", `${CONTROL}/${FILES.wrapper}`, nonce, job.program, job.line ?? ""];
  try {
    const furnished = await furnish(client, image, job);
    const container = await furnished
      .withExec(args, {
        expect: accepting,
        redirectStdout: `${CONTROL}/${FILES.stdout}`,
        redirectStderr: `${CONTROL}/${FILES.stderr}`,
      })
      .sync();
    return { exitCode: await container.exitCode(), container };
  } catch (error) {
    const exitCode = execExitCode(error);
    if (exitCode !== null) return { exitCode, container: null };
    throw engineFailure(
      error,
      "while the task ran",
      (words) =>
        new AttemptFailed(
          "error",
          "container_not_run",
          `The engine could not run the task: ${words}. Correct what it names; when it is none of the task's doing, see the engine's log.`,
        ),
    );
  }
}
