/** Keys in the blob store. All blobs of a resource share a prefix, so that deleting it is one listing. */
import type { LiveRun, Resource } from "./store-types.ts";

export function resourcePrefix(resource: Pick<Resource, "id" | "project_id">): string {
  return `runs/${resource.project_id}/${resource.id}/`;
}

function runPrefix(resource: Pick<Resource, "id" | "project_id">, run: number): string {
  return `${resourcePrefix(resource)}${run}/`;
}

/** The epoch is in the key, so that a fenced attempt overwrites nothing. */
export function artifactKey(
  resource: Pick<Resource, "id" | "project_id">,
  run: number,
  step: number,
  epoch: number,
  path: string,
): string {
  const dispatch = step === 0 ? epoch : `${step}.${epoch}`;
  return `${runPrefix(resource, run)}artifacts/${dispatch}/${path}`;
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
