/**
 * Where a resource lives. The id says it: its last 32 bits are a hash of the project, so that the
 * coordinator of any id is known without a look-up, and an id of another project is told apart
 * before an object is touched. The rest is an ordinary UUIDv7, ordered by time.
 */

import { contentDigest } from "../security/hash.ts";

/** Whether resources share the objects of their project or have one each. */
export type Placement = "shared" | "own";

/** Warm objects that share the standalone resources of one project. */
export const OBJECTS_PER_PROJECT = 64;

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The id of a new resource, derived from a UUIDv7 seed: the same seed and project, the same id. */
export function resourceId(seed: string, projectId: string): string {
  return seed.slice(0, -8) + hash(projectId).toString(16).padStart(8, "0");
}

/** A seed that an id and a label lead to: the same two, the same seed. */
export function seedFrom(id: string, label: string): string {
  const hex = contentDigest(Buffer.from(`${id}/${label}`));
  const variant = "89ab"[Number.parseInt(hex.slice(3, 4), 16) % 4];
  const random = `7${hex.slice(0, 3)}-${variant}${hex.slice(4, 7)}-${hex.slice(7, 19)}`;
  return `${id.slice(0, 14)}${random}`;
}

/** The id that a seed leads to, as `resourceId` does, among those whose object is one that fits. */
export function placedId(
  seed: string,
  projectId: string,
  fits: (place: number) => boolean,
): string {
  for (let id = resourceId(seed, projectId), tried = 1; ; tried += 1) {
    if (fits(placeOf(id))) return id;
    // From the whole seed: seeds of the same moment may differ in any part of it.
    id = resourceId(seedFrom(seed, String(tried)), projectId);
  }
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
  return `${projectPart(id)}:${placeOf(id)}`;
}

/** Which of its project's warm objects holds a standalone resource, from 0. */
export function placeOf(id: string): number {
  return hash(id) % OBJECTS_PER_PROJECT;
}

/** The name of the object of a resource. */
export function objectOf(id: string, placement: Placement): string {
  return placement === "own" ? ownObjectName(id) : objectName(id);
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
