/**
 * Where a resource lives. The id says it: its last 32 bits are a hash of the project, so that the
 * coordinator of any id is known without a look-up, and an id of another project is told apart
 * before an object is touched. The rest is an ordinary UUIDv7, ordered by time.
 */

/** Warm objects that share the standalone resources of one project. */
export const OBJECTS_PER_PROJECT = 64;

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The id of a new resource, derived from a UUIDv7 seed: the same seed and project, the same id. */
export function resourceId(seed: string, projectId: string): string {
  return seed.slice(0, -8) + hash(projectId).toString(16).padStart(8, "0");
}

/** False when the id is not one of ours, or is one of another project. */
export function mayBelong(id: string, projectId: string): boolean {
  return isResourceId(id) && id.endsWith(hash(projectId).toString(16).padStart(8, "0"));
}

export function isResourceId(id: string): boolean {
  return UUID_V7.test(id);
}

/** The part of an id, and of its object's name, that stands for the project. */
export function projectPart(id: string): string {
  return id.slice(-8);
}

/** The name of the object that holds a standalone resource. */
export function objectName(id: string): string {
  return `${projectPart(id)}:${hash(id) % OBJECTS_PER_PROJECT}`;
}

/** The name of the object of a resource that has one of its own. */
export function ownObjectName(id: string): string {
  return id;
}

/** What a list of tasks calls a step of a run. */
export function stepTaskId(resourceId: string, run: number, step: string): string {
  return `${resourceId}:${run}:${step}`;
}

/** The parts of such a name; null for any other id. */
export function readStepTaskId(id: string) {
  const [, resource_id, run, step] = /^([0-9a-f-]{36}):([1-9]\d{0,8}):(.+)$/.exec(id) ?? [];
  if (resource_id === undefined || run === undefined || step === undefined) return null;
  return isResourceId(resource_id) ? { resource_id, run: Number(run), step } : null;
}

/** FNV-1a, finished so that every input bit reaches the low bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
