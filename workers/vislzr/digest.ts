/** Tells whether a node changed. Pure. */
import { contentDigest } from "../security/hash.ts";
import type { WantedNode } from "./wanted.ts";

/** Of all that a node shows; a `revision` alone changes nothing that is worth a call. */
export function digestOf({ properties, ...node }: WantedNode): string {
  const { revision: _, ...shown } = properties;
  return contentDigest(Buffer.from(JSON.stringify([node, shown])));
}
