/** Where the files of a definition's steps are kept: with it while few, else in the blob store. */
import {
  type FileStore,
  type KeptFiles,
  keepFiles,
  MAX_INLINE_FILES_BYTES,
  toFile,
} from "../tasks/files.ts";
import type { PipelineDefinition, StepDefinition } from "./definition-schema.ts";

/** Puts at a time; a definition may have files in thousands of steps. */
const PARALLEL_PUTS = 6;

export interface SeparatedFiles {
  readonly definition: PipelineDefinition;
  readonly files: Readonly<Record<string, KeptFiles>>;
}

/** Takes large sets out of the definition and into the blob store, under `keyOf(sha256)`. */
export async function separateFiles(
  definition: PipelineDefinition,
  blobs: FileStore,
  keyOf: (sha256: string) => string,
): Promise<SeparatedFiles> {
  const large = definition.tasks.filter(isLarge);
  if (large.length === 0) return { definition, files: {} };
  const files: Record<string, KeptFiles> = {};
  const queue = [...large];
  const work = async () => {
    for (let step = queue.shift(); step; step = queue.shift()) {
      const set = new Map(
        Object.entries(step.files ?? {}).map(([path, file]) => [path, toFile(file)]),
      );
      files[step.name] = await keepFiles(set, blobs, keyOf);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_PUTS }, work));
  const tasks = definition.tasks.map((step) => {
    if (!Object.hasOwn(files, step.name)) return step;
    const { files: _, ...rest } = step;
    return rest;
  });
  return { definition: { ...definition, tasks }, files };
}

function isLarge({ files }: StepDefinition): boolean {
  return files ? JSON.stringify(files).length > MAX_INLINE_FILES_BYTES : false;
}
