/** The graph that the fake has, by what its nodes are called outside: for assertions. */
import type { Node, Relationship } from "./server.ts";

export interface Graph {
  /** By external id, in its order; doubled ones are there twice. */
  readonly nodes: readonly Pick<Node, "external_id" | "label" | "node_type" | "properties">[];
  /** As `source type target`, in their order; doubled ones are there twice. */
  readonly relationships: readonly string[];
}

export function graphOf(
  nodes: ReadonlyMap<string, Node>,
  relationships: ReadonlyMap<string, Relationship>,
): Graph {
  const nameOf = (id: string) => nodes.get(id)?.external_id ?? `unknown ${id}`;
  return {
    nodes: [...nodes.values()]
      .map(({ external_id, label, node_type, properties }) => {
        return { external_id, label, node_type, properties };
      })
      .sort((a, b) => ((a.external_id ?? "") < (b.external_id ?? "") ? -1 : 1)),
    relationships: [...relationships.values()]
      .map(({ source_id, target_id, relationship_type }) => {
        return `${nameOf(source_id)} ${relationship_type} ${nameOf(target_id)}`;
      })
      .sort(),
  };
}
