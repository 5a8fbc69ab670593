/** Ids chosen by the service. */
import { uuidv7 } from "uuidv7";

/** A fresh UUIDv7, from which a request's resource or command takes its id. */
export function newSeed(): string {
  return uuidv7();
}
