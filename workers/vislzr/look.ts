/**
 * Looks for what a bulk call that was not answered has made, and puts right what is there in part or
 * twice. VISLZR makes all of a bulk call or none: the first and the last of it tell which.
 */
import pMap from "p-map";
import type { FoundRelationship, NewRelationship, VislzrClient } from "./client.ts";
import type { WantedNode } from "./wanted.ts";

/** Calls at once where there is one for each of many things. */
export const CALLS_AT_ONCE = 4;

/** Ids of the nodes in their order; null when none of them is there. `known` are kept where there are two. */
export async function lookForNodes(
  client: VislzrClient,
  wanted: readonly WantedNode[],
  known: readonly string[] | null,
): Promise<readonly string[] | null> {
  const ends = [wanted.at(0), wanted.at(-1)].flatMap((node) => node?.external_id ?? []);
  const found = await pMap(ends, (externalId) => client.find(externalId));
  if (found.every((each) => each === null)) return null;
  const names = new Set(wanted.map(({ external_id }) => external_id));
  const nodes = await client.nodes(({ external_id }) => names.has(external_id ?? ""));
  const isKnown = new Set(known);
  const kept = new Map<string, string>();
  const doubled: string[] = [];
  // The oldest is kept, unless another is known.
  for (const { id, external_id } of nodes.toReversed()) {
    if (external_id === null) continue;
    const before = kept.get(external_id);
    if (before === undefined || (isKnown.has(id) && !isKnown.has(before))) {
      kept.set(external_id, id);
      if (before !== undefined) doubled.push(before);
    } else doubled.push(id);
  }
  await pMap(doubled, (id) => client.remove(id), { concurrency: CALLS_AT_ONCE });
  const missing = wanted.filter(({ external_id }) => !kept.has(external_id));
  const made = missing.length === 0 ? [] : await client.createAll(missing);
  for (const [index, { external_id }] of missing.entries()) {
    kept.set(external_id, made[index] ?? "");
  }
  return wanted.map(({ external_id }) => kept.get(external_id) ?? "");
}

/** Whether the relationships are there, each once; false when none of them is. */
export async function lookForEdges(
  client: VislzrClient,
  wanted: readonly NewRelationship[],
): Promise<boolean> {
  const sources = new Map<string, Map<string, string[]>>();
  const load = async (source: string) => {
    if (!sources.has(source)) {
      sources.set(source, idsByEdge(await client.relationshipsFrom(source)));
    }
  };
  const there = (edge: NewRelationship) => sources.get(edge.source_id)?.get(nameOf(edge)) ?? [];
  const ends = [wanted.at(0), wanted.at(-1)].flatMap((edge) => edge ?? []);
  for (const { source_id } of ends) await load(source_id);
  const all = [...new Set(wanted.map(({ source_id }) => source_id))];
  const counts = ends.map((edge) => there(edge).length);
  if (all.some((source) => !sources.has(source))) {
    if (counts.every((count) => count === 0)) return false;
    if (counts.every((count) => count === 1)) return true;
    await pMap(all, load, { concurrency: CALLS_AT_ONCE });
  }
  const missing = wanted.filter((edge) => there(edge).length === 0);
  if (missing.length === wanted.length) return false;
  const doubled = wanted.flatMap((edge) => there(edge).slice(1));
  await pMap(doubled, (id) => client.unrelate(id), { concurrency: CALLS_AT_ONCE });
  if (missing.length > 0) await client.relate(missing);
  return true;
}

function nameOf({ target_id, relationship_type }: Omit<FoundRelationship, "id" | "source_id">) {
  return `${relationship_type}|${target_id}`;
}

function idsByEdge(found: readonly FoundRelationship[]): Map<string, string[]> {
  const ids = new Map<string, string[]>();
  for (const { id, ...edge } of found) {
    const name = nameOf(edge);
    ids.set(name, [...(ids.get(name) ?? []), id]);
  }
  return ids;
}
