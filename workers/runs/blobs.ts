/** Keys in the blob store. All blobs of a resource share a prefix, so that deleting it is one listing. */
import type { LiveRun, Resource } from "./store-types.ts";

export function resourcePrefix(resource: Pick<Resource, "id" | "project_id">): string {
  return `runs/${resource.project_id}/${resource.id}/`;
}

function runPrefix(resource: Pick<Resource, "id" | "project_id">, run: number): string {
  return `${resourcePrefix(resource)}${run}/`;
}

/** The dispatch whose artifacts are meant. */
export interface ArtifactPlace {
  readonly resource: Pick<Resource, "id" | "project_id">;
  readonly run: number;
  /** Name of the step; null for the only one of a task. */
  readonly step: string | null;
  /** In the key, so that a fenced attempt overwrites nothing. */
  readonly epoch: number;
}

/** What the keys of a dispatch's artifacts begin with; the rest is their paths. */
export function artifactPrefix({ resource, run, step, epoch }: ArtifactPlace): string {
  const dispatch = step === null ? epoch : `${step}/${epoch}`;
  return `${runPrefix(resource, run)}artifacts/${dispatch}/`;
}

/** What a kept file's blob says of its content beside it, so that a listing tells contents apart. */
export function artifactMetadata(sha256: string): Record<string, string> {
  return { sha256 };
}

/** SHA-256 of a kept file's content in hex; null for one stored by a version that noted none. */
export function artifactDigest(object: R2Object): string | null {
  return object.customMetadata?.sha256 ?? null;
}

/** `place` names the result among those of its run. */
export function resultKey(live: LiveRun, place: string): string {
  return `${runPrefix(live.resource, live.run)}results/${place}.json`;
}

/** Under it lie the parts of a run's archive and their index. */
export function archivePrefix(resource: Resource, run: number): string {
  return `${runPrefix(resource, run)}archive/`;
}

/** Files given with the task, named by the content that they have. */
export function filesKey(resource: Pick<Resource, "id" | "project_id">, sha256: string): string {
  return `${resourcePrefix(resource)}files/${sha256}.json`;
}
