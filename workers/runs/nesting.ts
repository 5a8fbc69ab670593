/**
 * Which objects hold invocations. Code that waits for an invocation below keeps its place in its
 * object meanwhile: were both in one object, enough of them would wait for each other's places for
 * ever. So each level has objects of its own.
 */
import { OBJECTS_PER_PROJECT, placedId } from "./address.ts";

/** Where the objects of each level begin; few invocations are deep. */
const FIRST_PLACES = [0, 32, 48, 56, 60] as const;

/** An invocation at the last of these levels, counted from 0, invokes nothing. */
export const INVOCATION_LEVELS = FIRST_PLACES.length;

/** The id of an invocation; the same for the same seed, project and level. */
export function invocationId(seed: string, projectId: string, level: number): string {
  const first = FIRST_PLACES[level];
  if (first === undefined) throw new Error(`there is no level ${level} of invocations`);
  const end = FIRST_PLACES[level + 1] ?? OBJECTS_PER_PROJECT;
  return placedId(seed, projectId, (place) => place >= first && place < end);
}
